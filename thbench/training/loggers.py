"""Where the values of each step go for a person to look at from afar: TensorBoard, Weights & Biases
or MLflow, through the loggers of Lightning.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from lightning.fabric.loggers.logger import Logger
from lightning.fabric.loggers.tensorboard import TensorBoardLogger

from thbench.errors import ThbenchError
from thbench.records.decode import read_record
from thbench.records.encode import write_record

LoggerName = Literal["tensorboard", "wandb", "mlflow"]
PROJECT = "thbench"  # of W&B, and the experiment of MLflow
_MLFLOW_PLACE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class LoggerRecord:
    """`logger.json`: the run that a resumed training goes on with."""

    logger: str
    run: str


def check_logger(name: LoggerName) -> None:
    """Raises `ThbenchError` where the package of a logger, or the place of MLflow, is missing."""
    if name != "tensorboard" and find_spec(name) is None:
        raise ThbenchError(
            f"--logger {name} needs the package {name}, which is not installed: "
            f"pip install 'thbench[{name}]'"
        )
    if name == "mlflow" and _MLFLOW_PLACE not in os.environ:
        raise ThbenchError(
            f"--logger mlflow needs {_MLFLOW_PLACE} in the environment: the address of a server, "
            "or sqlite:///FILE"
        )


@contextmanager
def logging(
    name: LoggerName, folder: Path, description: Mapping[str, Any], step: int
) -> Iterator[Logger]:
    """The logger of the training in `folder`, which goes on after `step`, until the block ends.

    Later steps are taken again: TensorBoard drops what it has of them.
    """
    logger = _logger(name, folder, step)
    if name != "tensorboard":  # its own text would only repeat training.json
        logger.log_hyperparams(dict(description))

    try:
        yield logger
    except BaseException:
        logger.finalize("failed")
        raise
    logger.finalize("success")


def _logger(name: LoggerName, folder: Path, step: int) -> Logger:
    if name == "tensorboard":
        return TensorBoardLogger(folder, "log", version="", purge_step=step + 1)
    if name == "wandb":
        return _wandb(folder)
    return _mlflow(folder)


def _wandb(folder: Path) -> Logger:
    from lightning.pytorch.loggers import WandbLogger

    run = _run_before(folder, "wandb") or uuid.uuid4().hex[:12]
    _keep_run(folder, "wandb", run)
    logger: Logger = WandbLogger(
        name=folder.resolve().name, project=PROJECT, id=run, resume="allow", save_dir=folder
    )
    return logger


def _mlflow(folder: Path) -> Logger:
    from lightning.pytorch.loggers import MLFlowLogger

    logger: Any = MLFlowLogger(
        experiment_name=PROJECT,
        run_name=folder.resolve().name,
        tracking_uri=os.environ[_MLFLOW_PLACE],
        run_id=_run_before(folder, "mlflow"),
    )
    _keep_run(folder, "mlflow", logger.run_id)
    opened: Logger = logger
    return opened


def _run_before(folder: Path, logger: LoggerName) -> str | None:
    file = folder / "logger.json"
    if not file.exists():
        return None
    record = read_record(file, LoggerRecord, "remove it to begin a new run there")
    return record.run if record.logger == logger else None


def _keep_run(folder: Path, logger: LoggerName, run: str) -> None:
    write_record(folder / "logger.json", LoggerRecord(logger, run))
