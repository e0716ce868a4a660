"""Starting a training by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from thbench.config import override, parse_settings
from thbench.data.dataset import videos_of
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.files import parse_json, read_json_object, read_text
from thbench.training.loggers import LoggerName
from thbench.training.loop import LoopConfig, train
from thbench.training.trainer import Trainer, TrainingConfig, load_trainer
from thbench.training.world import world_of


def start_training(
    method: str,
    dataset: str,
    out: Path,
    *,
    preset: str = "paper",
    variant: str | None = None,
    settings: Sequence[str] = (),
    steps: int | None = None,
    steps_of: Path | None = None,
    seed: int = 0,
    accumulate: int = 1,
    devices: int | None = None,
    nodes: int | None = None,
    precision: str = "32-true",
    accelerator: str = "auto",
    workers: int = 2,
    checkpoint_every: int = 1000,
    sample_every: int = 500,
    logger: LoggerName = "tensorboard",
    resume: bool = False,
    quiet: bool = False,
) -> int:
    """Builds the configuration (preset, variant, then `settings` like "batch=16") and trains; see
    `loop.train`, also for what is returned, and `loop.LoopConfig` for what the other options mean.

    devices, nodes: processes on each machine, and machines; None: one, or what torchrun or Slurm
    has started.

    Without `steps`, `steps_of` gives the steps that another training folder has taken. Else a
    resumed training keeps the number that it was begun with, and a new one takes the
    configuration's epochs: passes over the training videos, one episode each. A configuration
    without epochs takes as many steps as `ours` does with this preset (section 4: Pix2pixHD "for
    the same amount of iterations as our system").
    """
    trainer = load_trainer(method)
    changes = {**_variant(trainer, method, variant), **parse_settings(settings)}
    config = override(trainer.configure(preset), changes)
    data = open_dataset(dataset)

    if steps_of is not None:
        steps = _steps_taken(steps_of)
    if steps is None and resume:
        steps = _steps_planned(out)
    if steps is None:
        steps = _default_steps(config, preset, len(videos_of(data, "train")))

    loop = LoopConfig(
        steps,
        seed=seed,
        accumulate=accumulate,
        world=world_of(devices, nodes),
        precision=precision,
        accelerator=accelerator,
        workers=workers,
        checkpoint_every=checkpoint_every,
        sample_every=sample_every,
        logger=logger,
    )
    return train(trainer, config, data, loop, out, resume, quiet)


def parameter_counts(method: str, preset: str) -> dict[str, int]:
    """Trainable parameters of each network of a method, counted from its modules."""
    return load_trainer(method).parameter_counts(preset)


def _variant(trainer: type[Trainer], method: str, variant: str | None) -> Mapping[str, str]:
    """The settings that a variant of a method changes."""
    if variant is None:
        return {}
    if variant not in trainer.variants:
        known = " or ".join(trainer.variants)
        remedy = f"choose {known}" if known else "leave --variant out"
        raise ThbenchError(f"{method} has no variant {variant!r}; {remedy}")

    return trainer.variants[variant]


def _default_steps(config: TrainingConfig, preset: str, videos: int) -> int:
    like = config if config.epochs is not None else load_trainer("ours").configure(preset)
    assert like.epochs is not None
    return math.ceil(like.epochs * videos / like.batch)


def _steps_planned(out: Path) -> int | None:
    """The number of steps that the training in `out` was begun with, if it says."""
    file = out / "training.json"
    return read_json_object(file).get("steps") if file.exists() else None


def _steps_taken(folder: Path) -> int:
    file = folder / "losses.rank0.jsonl"
    if not file.exists():
        raise ThbenchError(
            f"{folder} is not a training folder (no {file.name}); give --steps instead"
        )
    # What follows the last line feed is half a line of a training that was killed.
    lines = read_text(file).rpartition("\n")[0].splitlines()
    if not lines:
        raise ThbenchError(f"{folder} has not taken a step yet; give --steps instead")
    last = parse_json(lines[-1], f"the last line of {file}")
    steps = last.get("step") if isinstance(last, dict) else None
    if type(steps) is not int or steps < 1:
        raise ThbenchError(f"{file} does not tell its steps in its last line; give --steps instead")
    return steps
