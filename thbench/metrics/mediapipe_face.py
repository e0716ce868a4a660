"""MediaPipe's Face Landmarker: blendshapes and the pose of the face in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench import weights
from thbench.errors import ThbenchError
from thbench.metrics.frame_cache import FrameCache

WEIGHTS = "mediapipe-face"
BLENDSHAPES = 52
_CACHE = FrameCache()


def missing() -> str | None:
    """As `FrameMetric.unavailable`: the package, or the model file."""
    if find_spec("mediapipe") is None:
        return "mediapipe is not installed: run `pip install thbench[mediapipe]`"
    return weights.missing(WEIGHTS)


def blendshapes_and_pose(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """uint8 RGB [N, H, W, 3] -> [N, 55]: 52 blendshapes in 0..1, then yaw, pitch and roll in
    degrees; NaN where no face is found.
    """

    def compute(frames: list[int]) -> NDArray[np.float64]:
        landmarker = _landmarker(weights.weight_path(WEIGHTS))
        return np.stack([coefficients(landmarker.detect(_image(images[f]))) for f in frames])

    return _CACHE.rows((images,), compute)


def coefficients(result: Any) -> NDArray[np.float64]:
    """[55] of a `FaceLandmarkerResult`, of its first face; NaN where it has none.

    Raises `ThbenchError` for a model with other blendshapes.
    """
    if not result.face_blendshapes or not result.facial_transformation_matrixes:
        return np.full(BLENDSHAPES + 3, np.nan)
    scores = {shape.index: shape.score for shape in result.face_blendshapes[0]}
    if sorted(scores) != list(range(BLENDSHAPES)):
        raise ThbenchError(
            f"MediaPipe's model has {len(scores)} blendshapes, {BLENDSHAPES} expected: "
            f"`thbench weights fetch {WEIGHTS}` gets the right one"
        )
    shapes = [scores[index] for index in range(BLENDSHAPES)]
    return np.array([*shapes, *angles_deg(result.facial_transformation_matrixes[0])], np.float64)


def angles_deg(matrix: NDArray[Any]) -> Sequence[float]:
    """Yaw, pitch and roll of a transformation [4, 4] with MediaPipe's axes: x right, y up, z to the
    camera.
    """
    from scipy.spatial.transform import Rotation

    turned = np.asarray(matrix, np.float64)[:3, :3]
    turned = turned / np.cbrt(np.linalg.det(turned))  # its scale is none of the pose
    yaw, pitch, roll = Rotation.from_matrix(turned).as_euler("YXZ", degrees=True)
    return float(yaw), float(pitch), float(roll)


def _image(pixels: NDArray[np.uint8]) -> Any:
    import mediapipe

    return mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
    )


@lru_cache(maxsize=1)
def _landmarker(path: Path) -> Any:
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(path)),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    try:
        return vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ThbenchError(
            f"{path} is not the model of MediaPipe's Face Landmarker ({reason[:120]}): delete it "
            f"and run `thbench weights fetch {WEIGHTS}`"
        ) from error
