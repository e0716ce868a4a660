"""Landmarks found again on frames, by one detector for all methods and datasets, so that its bias
cancels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.metrics.frame_cache import FrameCache

if TYPE_CHECKING:
    from thbench.method import Frames

DETECTOR = "dlib HOG, largest face, 68-point shape predictor"
_CACHE = FrameCache()


def unavailable() -> str | None:
    """Why nothing can be detected here, in one line; None when it can."""
    try:
        _detector()
    except ThbenchError as error:
        return str(error)
    return None


def landmarks(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """iBUG-68 landmarks float32 [N, 68, 2] of the largest face of each uint8 RGB [N, H, W, 3]; NaN
    where none is.
    """
    return _CACHE.rows((images,), lambda frames: _detect(images[frames]))


def true_landmarks(real: Frames) -> NDArray[np.float32]:
    """Landmarks float32 [N, 68, 2] of true frames: detected, the dataset's own where nothing is
    detected.
    """
    found = landmarks(real.images.permute(0, 2, 3, 1).numpy())
    return np.where(np.isfinite(found), found, real.landmarks.numpy())


def _detect(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from thbench.data.landmarks.detector import FrameKey

    faces = _detector().detect(list(images), [FrameKey("", frame) for frame in range(len(images))])
    missing = np.full((68, 2), np.nan, np.float32)
    return np.stack([found[0].landmarks if found else missing for found in faces])


@lru_cache(maxsize=1)
def _detector() -> Any:
    from thbench.data.landmarks.load import load_detector

    return load_detector("dlib")
