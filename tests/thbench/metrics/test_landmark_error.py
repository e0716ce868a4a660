"""AKD, NME and failure rate with known landmarks in place of the detector, and once with the
detector.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from thbench.method import Frames
from thbench.metrics import detection
from thbench.metrics.landmark_error import AKD, DETECTION_FAILURE, NME

FACES = Path(__file__).parents[4] / "shared/data/vox1-sample/unzippedFaces/Peter_Capaldi"


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> dict[int, NDArray[np.float32]]:
    """A detector that reads the grey level of a frame and looks its landmarks up; unknown levels
    have no face.
    """
    known: dict[int, NDArray[np.float32]] = {}

    def landmarks(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        nothing = np.full((68, 2), np.nan, np.float32)
        return np.stack([known.get(int(image[0, 0, 0]), nothing) for image in images])

    monkeypatch.setattr(detection, "landmarks", landmarks)
    return known


def frames_of(*levels: int) -> torch.Tensor:
    return (
        torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).contiguous()
    )


def face() -> NDArray[np.float32]:
    points = np.random.default_rng(0).uniform(20, 200, (68, 2)).astype(np.float32)
    points[36], points[45] = (60, 100), (160, 100)  # outer eye corners 100 pixels apart
    return points


def test_akd_averages_coordinates_and_nme_distances(
    detector: dict[int, NDArray[np.float32]],
) -> None:
    detector[1], detector[2] = face(), face() + np.array([3, 4], np.float32)
    real = Frames(frames_of(1), torch.zeros(1, 68, 2))
    assert AKD.score(frames_of(2), real) == pytest.approx([3.5])
    assert NME.score(frames_of(2), real) == pytest.approx([0.05])
    assert AKD.score(frames_of(1), real) == [0]


def test_frames_without_a_face_are_failures(detector: dict[int, NDArray[np.float32]]) -> None:
    detector[1] = face()
    real = Frames(frames_of(1, 1), torch.zeros(2, 68, 2))
    for metric in (AKD, NME):
        assert np.isnan(metric.score(frames_of(1, 9), real)).tolist() == [False, True]
    assert DETECTION_FAILURE.score(frames_of(1, 9), real).tolist() == [0, 1]


def test_true_frames_without_a_detected_face_use_the_datasets_landmarks(
    detector: dict[int, NDArray[np.float32]],
) -> None:
    detector[1] = face()
    real = Frames(frames_of(9), torch.from_numpy(face()[None] + 2))
    assert AKD.score(frames_of(1), real) == pytest.approx([2])


@pytest.mark.skipif(not FACES.is_dir(), reason="the real sample is not here")
def test_a_real_face_moved_by_whole_pixels() -> None:
    image = cv2.resize(cv2.imread(str(min(FACES.rglob("*.jpg")))), (256, 256))[..., ::-1]
    true = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    real = Frames(true, torch.from_numpy(detection.landmarks(true.permute(0, 2, 3, 1).numpy())))
    assert AKD.score(true, real) == [0]
    moved = torch.roll(true, 6, dims=3)  # 6 pixels to the right, nothing down
    assert AKD.score(moved, real) == pytest.approx([3], abs=1)
    assert DETECTION_FAILURE.score(torch.zeros_like(true), real) == [1]
