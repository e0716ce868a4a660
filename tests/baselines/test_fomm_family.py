"""FOMM and its heirs: the networks are loaded once, and what the demo returns comes back whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.fomm_family import DEMOS, clone
from support.random_frames import random_frames

from baselines.external.systems import recipe, system
from thbench.method import Frames, MethodOptions


@pytest.mark.parametrize("name", sorted(DEMOS))
def test_a_clone_serves_a_whole_run_with_one_load(name: str, tmp_path: Path) -> None:
    folder = clone(tmp_path / "a clone", name, recipe(name))
    method = system(MethodOptions(f"{name}={folder}"))
    assert method.drives_with == "image"
    for seed in (1, 2):
        drive = random_frames(2, 256, seed)
        assert torch.equal(method.adapt(random_frames(1, 256)).render(drive), drive.images)
    assert (folder / "loads").read_text() == "x"


def test_the_shot_with_the_nearest_landmarks_is_the_source(tmp_path: Path) -> None:
    folder = clone(tmp_path, "fomm", recipe("fomm"))
    (folder / "sources please").touch()
    method = system(MethodOptions(f"fomm={folder}"))
    shots, drive = random_frames(3, 256), random_frames(2, 256, seed=1)
    drive = Frames(drive.images, shots.landmarks[[2, 2]] + 1)
    assert torch.equal(method.adapt(shots).render(drive), shots.images[[2, 2]])


def test_frames_of_another_size_go_in_and_come_back_at_theirs(tmp_path: Path) -> None:
    folder = clone(tmp_path, "fomm", recipe("fomm"))
    method = system(MethodOptions(f"fomm={folder}", size_px=64))
    drive = random_frames(2, 64, seed=1)
    made = method.adapt(random_frames(1, 64)).render(drive)
    assert made.shape == drive.images.shape
    assert float((made.float() - drive.images.float()).abs().mean()) < 2
