"""The values of each step reach the logger that was asked for."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.loggers.logger import Logger
from support.datasets import few_heads
from support.tiny import TINY
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from thbench.errors import ThbenchError
from thbench.paper.meta import OursTrainer
from thbench.training import loggers
from thbench.training.loop import LoopConfig, train

HOW = LoopConfig(2, workers=0, accelerator="cpu")


class Recorder(Logger):
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int | None, dict[str, float]]] = []
        self.described: dict[str, Any] = {}
        self.ended = ""

    @property
    def name(self) -> str:
        return "recorder"

    @property
    def version(self) -> str:
        return "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append((step, dict(metrics)))

    def log_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.described = dict(params)

    def finalize(self, status: str) -> None:
        self.ended = status


def test_each_step_and_the_end_are_told_to_the_logger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(loggers, "_wandb", lambda folder: recorder)
    monkeypatch.setattr(loggers, "find_spec", lambda name: object())
    train(OursTrainer, TINY, few_heads(), replace(HOW, logger="wandb"), tmp_path, quiet=True)

    assert [step for step, _ in recorder.metrics] == [1, 2]
    assert {"loss/cnt", "d/real", "time/waiting"} <= set(recorder.metrics[0][1])
    assert recorder.described["kind"] == "ours"
    assert recorder.ended == "success"


def test_tensorboard_is_written_and_goes_on_in_a_resumed_training(tmp_path: Path) -> None:
    train(OursTrainer, TINY, few_heads(), HOW, tmp_path, quiet=True)
    train(OursTrainer, TINY, few_heads(), replace(HOW, steps=3), tmp_path, True, quiet=True)
    events = EventAccumulator(str(tmp_path / "log")).Reload()
    assert [event.step for event in events.Scalars("loss/cnt")] == [1, 2, 3]


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_one_line_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: loggers.LoggerName
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    out = tmp_path / "out"
    with pytest.raises(ThbenchError, match=rf"pip install 'thbench\[{name}\]'"):
        train(OursTrainer, TINY, few_heads(), replace(HOW, logger=name), out)
    assert not out.exists()


def test_mlflow_must_be_told_where_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: object())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ThbenchError, match="needs MLFLOW_TRACKING_URI in the environment"):
        loggers.check_logger("mlflow")


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_resumed_training_goes_on_with_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: loggers.LoggerName
) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")

    records = []
    for step in range(2):
        with loggers.logging(name, tmp_path, {"kind": "ours"}, step) as logger:
            logger.log_metrics({"loss/cnt": 1.0}, step + 1)
        records.append((tmp_path / "logger.json").read_text())
    assert records[0] == records[1]
