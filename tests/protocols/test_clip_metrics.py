"""FVD in runs: computed over clips of frames that follow each other, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.datasets import FakeDataset, synthetic_heads
from torch import nn

from protocols.definition import load_definition, method_entry
from protocols.frames import read_images
from protocols.run import RunOptions, run_protocol
from protocols.verify import verify_run
from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.metrics import fvd
from thbench.metrics.frechet import frechet_distance
from thbench.metrics.fvd import fvd_16, logits
from thbench.records.summary import RowRecord
from thbench.runs import Run

FIRST_FRAME = load_definition("first-frame").with_values(
    methods=(method_entry("copy-nearest"),), videos=3, holdout=20, metrics=("l1", "fvd-16")
)


def light_network() -> nn.Module:
    """Clips [B, 3, 16, 224, 224] -> [B, 400] in a moment; I3D itself is tested beside it."""
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool3d((4, 4, 4)), nn.Flatten(), nn.Linear(192, 400)).eval()


@pytest.fixture
def light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A light network in the place of I3D, and a file in the place of its weights."""
    file = tmp_path / "cache" / "weights" / "i3d_pretrained_400.pt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"stands in")
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fvd, "_official", lambda file, device: light_network())


def heads(n_frames: int) -> FakeDataset:
    """Three test persons with a video each."""
    videos = [replace(video, n_frames=n_frames) for video in videos_of(synth(64), "test")[:15:5]]
    return FakeDataset(videos, partial(synthetic_heads, step=1))


def rows(run: Run) -> dict[str, RowRecord]:
    return {row.method: row for row in run.summary_record().rows}


@pytest.mark.usefixtures("light")
def test_fvd_is_the_distance_of_the_networks_logits_of_whole_clips(tmp_path: Path) -> None:
    """Twenty hold-out frames are a clip of 16 and four that are left out and counted."""
    run = Run(tmp_path / "run")
    run_protocol(FIRST_FRAME, heads(44), run.path, RunOptions({}))
    score = rows(run)["copy-nearest"].metrics["fvd-16"]
    network = light_network()
    names = [f"{index:02d}.png" for index in range(20)]

    def features(folders: list[Path]) -> NDArray[np.float32]:
        return np.concatenate([logits(network, read_images(folder, names)) for folder in folders])

    units = list(run.planned())
    made = features([run.unit_folder(unit) for unit in units])
    true = features([run.real_folder(unit.video) for unit in units])
    assert made.shape == (3, 400)
    assert score.value == pytest.approx(frechet_distance(made, true), rel=1e-5)
    assert score.se is not None
    assert score.se > 0
    assert (score.n, score.n_failed) == (48, 12)
    assert run.summary_record().metrics["fvd-16"].label == "FVD-16x3"
    assert verify_run(run)[1] == []


@pytest.mark.usefixtures("light")
def test_the_floor_is_other_clips_of_the_same_videos_where_there_is_room(tmp_path: Path) -> None:
    roomy, tight = Run(tmp_path / "roomy"), Run(tmp_path / "tight")
    run_protocol(FIRST_FRAME, heads(44), roomy.path, RunOptions({}))
    run_protocol(FIRST_FRAME, heads(30), tight.path, RunOptions({}))
    for video in roomy.record().split.videos:
        assert video.floor == list(range(video.floor[0], video.floor[0] + 20))
        assert not {*video.floor} & {*video.holdout}
    assert (rows(roomy)["real"].metrics["fvd-16"].value or 0) > 0
    reason = rows(tight)["real"].metrics["fvd-16"].reason
    assert reason == "not computed for this row: its frames do not follow each other"
    assert rows(tight)["copy-nearest"].metrics["fvd-16"].value is not None


@pytest.mark.usefixtures("light")
def test_too_few_frames_for_a_clip_are_told(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    definition = FIRST_FRAME.with_values(holdout=8)
    run_protocol(definition, heads(20), run.path, RunOptions({}))
    reason = rows(run)["copy-nearest"].metrics["fvd-16"].reason
    assert (reason or "").startswith("too few: 0 clips of 16 frames")


@pytest.mark.usefixtures("light")
def test_frames_spread_over_a_video_make_no_clips(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    definition = FIRST_FRAME.with_values(drive_rule="spread", holdout=16)
    run_protocol(definition, heads(40), run.path, RunOptions({}))
    for row in rows(run).values():
        assert 'drive_rule = "consecutive"' in (row.metrics["fvd-16"].reason or "")
        assert row.metrics["l1"].value is not None


def test_without_weights_the_command_that_fetches_them_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "thbench weights fetch i3d-kinetics400" in (fvd_16().unavailable() or "")
