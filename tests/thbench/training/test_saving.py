"""Checkpoints of a training in one process: no failure to write is lost, and a signal ends it with
one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.datasets import FakeDataset, few_heads
from support.tiny import TINY

from thbench.data.dataset import Video
from thbench.errors import Stopped, ThbenchError
from thbench.method import Frames
from thbench.paper.meta import OursTrainer
from thbench.training import checkpoints, saving
from thbench.training.loop import LoopConfig, train

HOW = LoopConfig(4, workers=0, accelerator="cpu", checkpoint_every=1)


def full_disk(folder: Path, part: str, state: Any) -> None:
    raise ThbenchError(f"cannot write {part}: No space left on device")


@pytest.mark.parametrize("every", [1, 4])
def test_a_checkpoint_that_cannot_be_written_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(checkpoints, "save_part", full_disk)
    how = replace(HOW, checkpoint_every=every)
    with pytest.raises(ThbenchError, match="cannot write shared: No space left"):
        train(OursTrainer, TINY, few_heads(), how, tmp_path, quiet=True)
    assert checkpoints.latest(tmp_path / "checkpoints") is None
    assert not (tmp_path / "model.safetensors").exists()


def test_a_failed_write_is_told_beside_the_error_that_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoints, "save_part", full_disk)
    monkeypatch.setattr(saving.Saver, "check", lambda saver: raise_value_error())
    with pytest.raises(ValueError, match="another thing"):
        train(OursTrainer, TINY, few_heads(), HOW, tmp_path, quiet=True)
    assert "error: cannot write shared: No space left" in capsys.readouterr().err


def raise_value_error() -> None:
    raise ValueError("another thing")


def test_as_many_checkpoints_stay_as_were_asked_for(tmp_path: Path) -> None:
    train(OursTrainer, TINY, few_heads(), replace(HOW, keep=2), tmp_path, quiet=True)
    kept = sorted(folder.name for folder in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000003", "step-00000004"]


def interrupted_dataset(number: int, reads: int) -> FakeDataset:
    """A dataset whose process gets a signal while a frame is read for the `reads`th time."""
    heads, read = few_heads(), iter(range(1, 1000))

    def draw(video: Video, frames: Sequence[int]) -> Frames:
        if next(read) == reads:
            os.kill(os.getpid(), number)
        return heads.read(video, frames)

    return replace(heads, draw=draw)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_a_training_with_a_checkpoint_of_the_step(
    tmp_path: Path, number: int
) -> None:
    before = signal.getsignal(number)
    how = replace(HOW, steps=9, checkpoint_every=5)
    with pytest.raises(Stopped, match=r"checkpoint of step 2 of 9 is in .* with --resume") as stop:
        train(OursTrainer, TINY, interrupted_dataset(number, 3), how, tmp_path, quiet=True)

    assert stop.value.number == number
    newest = checkpoints.latest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.step == 2
    assert signal.getsignal(number) is before
