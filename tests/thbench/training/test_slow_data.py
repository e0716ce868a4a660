"""A training that waits for its frames says so; one that computes does not. The clock is a toy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.datasets import few_heads
from support.tiny import TINY

from thbench.data.dataset import Video
from thbench.data.episodes import Episodes
from thbench.method import Frames
from thbench.paper.meta import OursTrainer
from thbench.training import loop
from thbench.training.alarms import WAITING
from thbench.training.loop import LoopConfig, train

STEPS = 6
STEP_S = 1.0


@dataclass
class Clock:
    now_s: float = 0.0

    def perf_counter(self) -> float:
        return self.now_s


def alarms_with_reads_of(read_s: float, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The alarms of a short training whose reads take `read_s` each and whose steps a second."""
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(loop, "WAITING", replace(WAITING, steps=STEPS))

    heads = few_heads()

    def read_slowly(video: Video, frames: Sequence[int]) -> Frames:
        clock.now_s += read_s
        return heads.read(video, frames)

    class Slow(OursTrainer):
        def step(self, episodes: list[Episodes]) -> dict[str, float]:
            clock.now_s += STEP_S
            return super().step(episodes)

    how = LoopConfig(STEPS, workers=0, sample_every=100, accelerator="cpu")
    train(Slow, TINY, replace(heads, draw=read_slowly), how, out, quiet=True)
    file = out / "alarms.rank0.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_a_slow_disk_raises_the_alarm_once_and_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = TINY.batch  # one for each episode
    alarms = alarms_with_reads_of(3 * STEP_S / reads, tmp_path / "out", monkeypatch)
    assert alarms == [
        f"step {STEPS}: data is slow: 75% of the time goes by in waiting for frames; "
        "raise --workers, or move the dataset to a faster disk"
    ]


def test_a_fast_disk_raises_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = TINY.batch
    assert alarms_with_reads_of(0.9 * STEP_S / reads, tmp_path / "out", monkeypatch) == []
