"""The loop as its users meet it: locked, announced, labelled, resumed with other steps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import pytest
from support.datasets import few_heads
from support.processes import start
from support.tiny import TINY

from thbench.data.episodes import EpisodeBatches, EpisodeSampler, episode_loader
from thbench.errors import ThbenchError
from thbench.files import read_json
from thbench.locks import locked
from thbench.paper.meta import OursTrainer
from thbench.training.loop import HowToTrain, LoopConfig, train
from thbench.training.start import start_training

WARM = replace(TINY, warmup_steps=1)


def loop(steps: int) -> LoopConfig:
    return LoopConfig(steps=steps, workers=0, sample_every=2, accelerator="cpu")


def test_phases_and_other_steps_are_announced_and_pictures_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads, out = few_heads(), tmp_path / "out"

    train(OursTrainer, WARM, heads, loop(2), out)
    first = capsys.readouterr().err.splitlines()
    assert first[0].startswith("steps 1 to 1: warm-up, E and G on the content loss alone")
    assert "steps 2 to 2: all losses" in first[0]
    assert any(line.startswith("from step 2 on: all losses") for line in first)
    assert first[-1].startswith("train ours: 2 of 2, cnt ")
    picture = cv2.imread(str(out / "samples/step-00000002.png"))
    assert picture.shape[0] > 4 * 64  # a title above four rows

    train(OursTrainer, WARM, heads, loop(3), out, resume=True)
    assert capsys.readouterr().err.startswith(
        "goes on after step 2 of 3; it was begun with --steps 2: it ends 1 step later"
    )

    train(OursTrainer, WARM, heads, loop(2), out, resume=True)
    told = capsys.readouterr().err
    assert "3 steps are taken already and --steps is 2: nothing is left" in told
    assert "steps 4 to" not in told
    assert read_json(out / "training.json")["steps"] == 3

    train(OursTrainer, WARM, heads, loop(4), out, resume=True, quiet=True)
    assert capsys.readouterr().err == ""


def test_a_batch_of_nothing_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="batch = 0 must be 1 or more"):
        train(OursTrainer, replace(TINY, batch=0), few_heads(), loop(1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_resumed_training_keeps_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("thbench.training.start.train", lambda *args: seen.append(args[3].steps))
    (tmp_path / "training.json").write_text('{"steps": 123}')
    start_training("ours", "synth:64", tmp_path, preset="small", resume=True)
    start_training("ours", "synth:64", tmp_path, preset="small", resume=True, steps=7)
    assert seen == [123, 7]


def test_what_says_how_to_train_changes_no_weight(tmp_path: Path) -> None:
    heads = few_heads()
    plain = LoopConfig(2, workers=0, accelerator="cpu")
    otherwise = LoopConfig(
        2,
        workers=1,
        accelerator="cpu",
        checkpoint_every=1,
        sample_every=1,
        watch_every=1,
        keep=1,
    )
    # Another logger needs a package that the tests do without.
    kept = {field.name for field in fields(HowToTrain)} - {"accelerator", "logger"}
    assert all(getattr(plain, name) != getattr(otherwise, name) for name in kept)

    train(OursTrainer, TINY, heads, plain, tmp_path / "plain", quiet=True)
    train(OursTrainer, TINY, heads, otherwise, tmp_path / "otherwise", quiet=True)

    model = "model.safetensors"
    assert (tmp_path / "plain" / model).read_bytes() == (
        tmp_path / "otherwise" / model
    ).read_bytes()


def test_a_second_training_in_a_folder_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ThbenchError, match="another process is working on"):
        train(OursTrainer, TINY, few_heads(), loop(1), tmp_path)
    assert not (tmp_path / "training.json").exists()


def test_a_killed_reader_of_frames_is_told_in_one_line() -> None:
    heads = few_heads()
    batches = EpisodeBatches(heads, EpisodeSampler(heads, 2, 0), 2)
    episodes = episode_loader(batches, 0, 10_000, 1)
    next(episodes)
    (reader,) = multiprocessing.active_children()
    os.kill(reader.pid or 0, signal.SIGKILL)

    with pytest.raises(ThbenchError, match="a process that reads frames was killed"):
        list(episodes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_reader_of_frames_goes_on_when_a_cluster_asks_all_processes_to_stop(
    number: int,
) -> None:
    heads = few_heads()
    batches = EpisodeBatches(heads, EpisodeSampler(heads, 2, 0), 2)
    episodes = episode_loader(batches, 0, 12, 1)
    next(episodes)
    (reader,) = multiprocessing.active_children()
    os.kill(reader.pid or 0, number)
    assert len(list(episodes)) == 11


class TornBatches(EpisodeBatches):
    """Batches whose reader is gone when they are taken over."""

    def __getitem__(self, step: int) -> Any:
        return TornBatch()


class TornBatch:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _reset_connection, ()


def _reset_connection() -> None:
    raise ConnectionResetError(104, "Connection reset by peer")


def test_a_reader_killed_while_it_hands_over_a_batch_is_told_in_one_line() -> None:
    heads = few_heads()
    batches = TornBatches(heads, EpisodeSampler(heads, 2, 0), 2)
    with pytest.raises(ThbenchError, match="a process that reads frames was killed"):
        list(episode_loader(batches, 0, 10, 1))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_readers_of_frames_end_with_a_killed_training(tmp_path: Path) -> None:
    family = start(
        [
            "train",
            "x2face",
            "--dataset",
            "synth:64",
            "--preset",
            "small",
            "--steps",
            "100000",
            "--out",
            str(tmp_path / "out"),
            "--accelerator",
            "cpu",
            "--workers",
            "2",
        ]
    )
    try:
        while len(family.members()) < 3:
            assert family.process.poll() is None
            time.sleep(0.01)
        family.process.kill()
        assert family.left_after(60) == []
    finally:
        family.end()
