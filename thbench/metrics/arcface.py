"""ArcFace embeddings of aligned faces: the recogniser of insightface's buffalo_l pack, run by
onnxruntime.

The package insightface itself is not needed for it: its recogniser is one ONNX file, its alignment
a similarity transform to five points, and both here are held to its own results by the tests. Its
detector would find other faces than the landmarks do that everything else is measured with.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.metrics.frame_cache import FrameCache
from thbench.weights import weight_path

WEIGHTS = "arcface-buffalo-l"
SIZE_PX = 112
# Where insightface wants the left eye, right eye, nose tip and mouth corners (as the viewer sees
# them) of a 112 crop.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_BATCH = 16
_CACHE = FrameCache()


def arcface_embeddings(
    images: NDArray[np.uint8], landmarks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Unit embeddings float32 [N, 512] of uint8 RGB [N, H, W, 3], each aligned by its iBUG-68
    landmarks [N, 68, 2].
    """

    def compute(frames: list[int]) -> NDArray[Any]:
        crops = np.stack([aligned_face(images[frame], landmarks[frame]) for frame in frames])
        return _embed(_session(weight_path(WEIGHTS)), crops)

    return _CACHE.rows((images, landmarks), compute)


def aligned_face(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 112x112 crop that ArcFace expects: uint8 RGB [H, W, 3] and iBUG-68 [68, 2] -> uint8 [112,
    112, 3].
    """
    matrix = similarity(five_points(landmarks), TEMPLATE)
    return np.asarray(cv2.warpAffine(image, matrix, (SIZE_PX, SIZE_PX)), np.uint8)


def five_points(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """iBUG-68 [68, 2] -> eye centres, nose tip and mouth corners [5, 2], the image's left first."""
    points = np.asarray(landmarks, np.float64)
    return np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    )


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation, uniform scale and shift [2, 3] that takes `source` [N, 2] nearest to `target`
    in least squares.
    """
    z, w = source @ [1, 1j], target @ [1, 1j]
    centred = z - z.mean()
    a = np.vdot(centred, w) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _embed(session: Any, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    name = session.get_inputs()[0].name
    blobs = (crops.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 127.5
    features = np.concatenate(
        [
            session.run(None, {name: blobs[start : start + _BATCH]})[0]
            for start in range(0, len(blobs), _BATCH)
        ]
    )
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=1)
def _session(path: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
