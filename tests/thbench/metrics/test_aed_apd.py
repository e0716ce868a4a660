"""AED and APD over coefficients that stand in for MediaPipe's, and the reading of its results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics import mediapipe_face
from thbench.metrics.aed_apd import AED_MEDIAPIPE, APD_MEDIAPIPE, aed, apd
from thbench.metrics.mediapipe_face import angles_deg, coefficients


def from_pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Stands in for an estimator: its coefficients are written in the first rows of the picture.

    Blendshapes k = red of pixel k / 255; angles = green - 128 of the first three; no face where the
    blue of the first pixel is 255.
    """
    flat = images.reshape(len(images), -1, 3).astype(np.float64)
    found = np.concatenate([flat[:, :52, 0] / 255, flat[:, :3, 1] * 2 - 256], 1)
    found[flat[:, 0, 2] == 255] = np.nan
    return found


def pictures(shapes: NDArray[Any], angles: NDArray[Any], faces: list[bool]) -> torch.Tensor:
    images = np.zeros((len(shapes), 8, 8, 3), np.uint8)
    flat = images.reshape(len(shapes), -1, 3)
    flat[:, :52, 0], flat[:, :3, 1] = shapes, (angles + 256) // 2
    flat[:, 0, 2] = [0 if face else 255 for face in faces]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def test_differences_are_averaged_over_coefficients_and_missing_faces_are_nan() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 256, (2, 3, 52))
    angles = np.array([[[10, 0, -4], [178, 0, 0], [0, 0, 0]], [[4, 6, 0], [-178, 2, 0], [0, 0, 0]]])
    made = pictures(shapes[0], angles[0], [True, True, False])
    true = Frames(pictures(shapes[1], angles[1], [True] * 3), torch.zeros(3, 68, 2))

    expression, pose = aed(from_pixels)(made, true), apd(from_pixels)(made, true)
    by_hand = [
        sum(abs(int(a) - int(b)) / 255 for a, b in zip(*rows, strict=True)) / 52
        for rows in zip(shapes[0], shapes[1], strict=True)
    ]
    np.testing.assert_allclose(expression[:2], by_hand[:2])
    np.testing.assert_allclose(pose[:2], [(6 + 6 + 4) / 3, (4 + 2 + 0) / 3])  # 178 to -178 is 4
    assert np.isnan([expression[2], pose[2]]).all()
    np.testing.assert_array_equal(aed(from_pixels)(true.images, true), 0)


def result(scores: list[float], matrix: NDArray[np.float64]) -> SimpleNamespace:
    """As mediapipe.tasks.python.vision.FaceLandmarkerResult."""
    shapes = [SimpleNamespace(index=i, score=score) for i, score in enumerate(scores)]
    return SimpleNamespace(face_blendshapes=[shapes], facial_transformation_matrixes=[matrix])


def test_a_result_becomes_blendshapes_in_their_order_and_angles() -> None:
    scores = [k / 100 for k in range(52)]
    matrix = np.eye(4)
    matrix[:3, :3] = 1.3 * Rotation.from_euler("YXZ", [20, -7, 3], degrees=True).as_matrix()
    matrix[:3, 3] = [1, 2, -40]
    found = result(scores, matrix)
    found.face_blendshapes[0].reverse()
    np.testing.assert_allclose(coefficients(found), [*scores, 20, -7, 3], atol=1e-9)
    assert angles_deg(np.eye(4)) == (0, 0, 0)


def test_no_face_is_nan_and_another_model_is_refused() -> None:
    nothing = SimpleNamespace(face_blendshapes=[], facial_transformation_matrixes=[])
    assert np.isnan(coefficients(nothing)).all()
    assert coefficients(nothing).shape == (55,)
    with pytest.raises(ThbenchError, match="51 blendshapes, 52 expected"):
        coefficients(result([0.0] * 51, np.eye(4)))


def test_what_is_missing_is_named_package_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for metric in (AED_MEDIAPIPE, APD_MEDIAPIPE):
        monkeypatch.setattr(mediapipe_face, "find_spec", lambda name: None)
        assert "pip install thbench[mediapipe]" in (metric.unavailable() or "")
        monkeypatch.setattr(mediapipe_face, "find_spec", lambda name: object())
        assert "thbench weights fetch mediapipe-face" in (metric.unavailable() or "")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    file = tmp_path / "face_landmarker.task"
    file.write_bytes(b"no model")
    with pytest.raises(ThbenchError, match="not the model of MediaPipe's Face Landmarker"):
        mediapipe_face._landmarker(file)
