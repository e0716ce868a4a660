"""Defects do what they say, more of it with more strength, and the same bytes every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thbench.audit.defects import PICTURE_DEFECTS, Defect
from thbench.audit.staging import STAGED_DEFECTS, Stage, Staging, set_stage
from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.metrics.eyes_mouth import mouth_aspect_ratio


@pytest.fixture(scope="module")
def stage() -> Stage:
    dataset = synth(64)
    return set_stage(dataset, videos_of(dataset, "test")[0], [0, 20, 40, 60], seed=0)


def change(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.float() - b.float()).abs().mean())


@pytest.mark.parametrize("defect", PICTURE_DEFECTS, ids=lambda defect: defect.name)
def test_a_stronger_defect_of_pictures_changes_more(defect: Defect, stage: Stage) -> None:
    images = stage.true.images
    changes = [change(defect(images, strength), images) for strength in defect.strengths]
    assert changes[0] > 0
    assert changes == sorted(changes)
    assert defect(images, defect.strengths[-1]).shape == images.shape
    assert torch.equal(defect(images, defect.strengths[0]), defect(images, defect.strengths[0]))


@pytest.mark.parametrize("staging", STAGED_DEFECTS, ids=lambda staging: staging.name)
def test_a_stronger_defect_of_what_is_shown_changes_more(staging: Staging, stage: Stage) -> None:
    base = stage.base()
    changes = [change(staging.show(stage, strength), base) for strength in staging.strengths]
    assert changes[0] > 0
    assert changes == sorted(changes)


def test_a_shift_moves_the_picture_by_whole_pixels(stage: Stage) -> None:
    shift = next(defect for defect in PICTURE_DEFECTS if defect.name == "shift")
    moved = shift(stage.true.images, 2)
    assert torch.equal(moved[..., 2:], stage.true.images[..., :-2])


def test_a_crop_keeps_the_middle_in_its_place() -> None:
    crop = next(defect for defect in PICTURE_DEFECTS if defect.name == "crop")
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    images[..., 24:40, 24:40] = 255
    grown = crop(images, 50)[0, 0].numpy() > 127
    rows = np.flatnonzero(grown.any(1))
    assert (rows[0], rows[-1]) == (16, 47)  # twice as large about the same centre


def test_without_a_defect_frames_are_near_the_true_ones(stage: Stage) -> None:
    base = stage.base()
    assert not torch.equal(base, stage.true.images)
    assert change(base, stage.true.images) < 12


def test_someone_at_the_end_of_the_way_is_the_other(stage: Stage) -> None:
    wrong = next(staging for staging in STAGED_DEFECTS if staging.name == "wrong-identity")
    assert torch.equal(wrong.show(stage, 1), stage.draw(stage.other, stage.taken))


def test_the_measures_of_mouths_are_about_what_is_frozen(stage: Stage) -> None:
    assert mouth_aspect_ratio(stage.true.landmarks.numpy()).std() > 0.01
