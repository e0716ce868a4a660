"""The training loop that `ours`, `x2face` and `pix2pixhd` share: episodes in, checkpoints, logs and
samples out.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric
from lightning.fabric.loggers.logger import Logger
from torch import Tensor

from thbench.data.dataset import Dataset
from thbench.data.episodes import EpisodeBatches, Episodes, EpisodeSampler, episode_loader
from thbench.device import tensor_cores
from thbench.errors import Stopped, ThbenchError
from thbench.images import to_uint8
from thbench.locks import locked
from thbench.training import checkpoints
from thbench.training.alarms import WAITING, Watchman
from thbench.training.folder import TrainingFolder
from thbench.training.loggers import LoggerName, check_logger, logging
from thbench.training.plan import begins, phases_text, resumed_text, shared_out_text
from thbench.training.progress import TrainingProgress, write_png
from thbench.training.samples import sample_grid
from thbench.training.saving import Saver
from thbench.training.stopping import StopRequest, stop_requests
from thbench.training.trainer import DrawsPupils, Trainer, TrainingConfig, VideoShare
from thbench.training.watch import (
    TrainingPart,
    best_quality,
    held_out_persons,
    watch,
    watched,
    watching_metrics,
)
from thbench.training.world import World, launched, telling_lost_processes


@dataclass(frozen=True, kw_only=True)
class HowToTrain:
    """What only says how to train: no weight depends on it by more than how a device rounds."""

    checkpoint_every: int = 1000
    sample_every: int = 500
    watch_every: int = 1000  # of the models watched, the best is kept as best.safetensors
    keep: int = 2  # newest checkpoints
    workers: int = 2  # processes that read frames
    accelerator: str = "auto"
    logger: LoggerName = "tensorboard"


@dataclass(frozen=True)
class LoopConfig(HowToTrain):
    """How to train, and what decides the weights beside the method's configuration."""

    steps: int
    seed: int = 0
    # Training persons held out for watching, a tenth of them at most; 0: none.
    watch_persons: int = 8
    accumulate: int = 1
    world: World = field(default_factory=World)
    precision: str = "32-true"  # or "bf16-mixed"


def train(
    trainer_class: type[Trainer],
    config: TrainingConfig,
    dataset: Dataset,
    loop: LoopConfig,
    out: Path,
    resume: bool = False,
    quiet: bool = False,
) -> int:
    """Trains until `loop.steps` and leaves `model.safetensors`, checkpoints, `losses.rank0.jsonl`
    and samples in `out`.

    A few training persons are held out; each `watch_every` steps they are reconstructed and scored,
    and the model that did best is kept as `best.safetensors`. Alarms are said, and kept in
    `alarms.rank0.txt`. SIGTERM and SIGUSR1 end the training after the step that is being taken,
    with a checkpoint.

    Returns the number of this process in the training; 0 is the one that speaks for all.

    Raises `ThbenchError` when `out` already holds a training run and `resume` is false, when it was
    started with another configuration or dataset, when the dataset's size does not fit, and when
    another process of the training has ended; `Stopped` when a signal ended it.
    """
    check_logger(loop.logger)
    processes = loop.world.processes
    if dataset.size_px != config.size_px:
        raise ThbenchError(
            f"{dataset.name} has frames of {dataset.size_px} pixels, the configuration needs "
            f"{config.size_px}; choose another --preset or prepare with --size {config.size_px}"
        )
    if config.batch < 1:
        raise ThbenchError(f"batch = {config.batch} must be 1 or more")
    if config.batch % (processes * loop.accumulate):
        raise ThbenchError(
            f"batch = {config.batch} is not divisible by {processes} processes x "
            f"{loop.accumulate} accumulation steps"
        )

    fabric = launched(loop.world, loop.accelerator, loop.precision)
    with (
        telling_lost_processes(fabric),
        locked(out) if fabric.global_rank == 0 else nullcontext(),
        stop_requests() as request,
    ):
        _Loop(trainer_class, config, dataset, loop, out, resume, quiet, fabric, request).run()
    return fabric.global_rank


class _Loop:
    """One process of a training."""

    def __init__(
        self,
        trainer_class: type[Trainer],
        config: TrainingConfig,
        dataset: Dataset,
        loop: LoopConfig,
        out: Path,
        resume: bool,
        quiet: bool,
        fabric: Fabric,
        request: StopRequest,
    ) -> None:
        self.loop, self.fabric, self.request = loop, fabric, request
        self.folder = TrainingFolder(out, fabric.global_rank)
        self.leads = fabric.global_rank == 0  # writes what is written once, and speaks
        self.speaks = self.leads and not quiet

        held_out = held_out_persons(dataset, loop.watch_persons)
        self.description = _description(trainer_class, config, dataset, loop, held_out)
        self.steps_before = self._claim_folder(resume)
        pupils = isinstance(config, DrawsPupils) and config.draws_pupils
        self.watched = watched(dataset, held_out, max(1, config.shots), pupils)
        self.watching_metrics = watching_metrics(dataset) if self.watched else []

        trained_on = TrainingPart(dataset, held_out)
        sampler = EpisodeSampler(
            trained_on, config.shots, loop.seed, fabric.global_rank, fabric.world_size
        )
        if sampler.left_out and self.speaks:
            print(f"{sampler.left_out} training videos have a single frame and make no episode")
        self.batches = EpisodeBatches(
            trained_on, sampler, config.batch // fabric.world_size, pupils
        )

        fabric.seed_everything(loop.seed + fabric.global_rank, verbose=False)
        self.trainer = trainer_class(
            config, VideoShare(sampler.rows, len(sampler.training)), fabric
        )
        self.saver = Saver(
            self.folder, self.trainer, sampler.rows, fabric, self.description, loop.keep
        )
        self.resumed = self.saver.restore() if resume else None
        self.step = self.resumed.step if self.resumed else 0
        if self.leads and self.step > loop.steps:  # more are taken than are asked for now
            self.folder.write_description(self.description, self.step)
        self.best = best_quality(self.folder.logged())

    def run(self) -> None:
        kind, steps = self.trainer.kind, self.loop.steps
        progress = TrainingProgress(kind, self.step, steps, enabled=self.speaks)
        watchman = Watchman((*self.trainer.alarms, WAITING))
        with (
            self._log() as log,
            progress,
            open(self.folder.losses, "a", encoding="utf-8", buffering=1) as losses,
            open(self.folder.times, "a", encoding="utf-8", buffering=1) as times,
            self.saver.running(),
        ):
            self._announce(progress)
            waiting_since = time.perf_counter()
            for episodes in self._episodes():
                self._announce_next_phase(progress)
                started = time.perf_counter()
                values = self._take_step(episodes)
                losses.write(json.dumps({"step": self.step, **values}) + "\n")

                took_s = time.perf_counter() - waiting_since
                values["time/waiting"] = (started - waiting_since) / took_s
                timed = {"step": self.step, "took_s": took_s, "waiting": values["time/waiting"]}
                times.write(json.dumps(timed) + "\n")
                progress.advance(values, self.trainer.config.batch / took_s)
                if log is not None:
                    named = {_logged_name(name): value for name, value in values.items()}
                    log.log_metrics(named, self.step)
                for alarm in watchman.after(values):
                    progress.say(f"alarm at step {self.step}: {alarm}")
                    self.folder.note_alarm(self.step, alarm)

                if self.leads and self.step % self.loop.sample_every == 0:
                    self._sample(episodes)
                if self.step % self.loop.checkpoint_every == 0 or self.step == steps:
                    self.saver.save(self.step)
                self.saver.check()
                self._stop_if_asked()
                waiting_since = time.perf_counter()

    def _take_step(self, episodes: Episodes) -> dict[str, float]:
        """One step, and a look at the held-out persons where it is time for it."""
        with tensor_cores():
            values = dict(self.trainer.step(episodes.split(self.loop.accumulate)))
        self.step += 1
        self._check_finite(values)

        if self.leads and self.watched and self.step % self.loop.watch_every == 0:
            values |= self._watch()
        return values

    def _stop_if_asked(self) -> None:
        """Raises `Stopped`, with a checkpoint of this step, once any process was asked to stop."""
        number = self.request.agreed(self.fabric)
        if not number or self.step == self.loop.steps:
            return

        self.saver.save(self.step)
        self.saver.finish()
        message = (
            f"{signal.Signals(number).name} came; the checkpoint of step {self.step} of "
            f"{self.loop.steps} is in {self.folder.checkpoints}; run the same command with "
            "--resume to go on from there"
        )
        raise Stopped(message if self.leads else "", number)

    def _log(self) -> AbstractContextManager[Logger | None]:
        """The logger, which process 0 writes to."""
        if not self.leads:
            return nullcontext()
        return logging(self.loop.logger, self.folder.path, self.description, self.step)

    def _announce(self, progress: TrainingProgress) -> None:
        if not self.speaks:
            return
        if self.resumed:
            progress.say(resumed_text(self.step, self.loop.steps, self.steps_before))
            if self.resumed.processes != self.fabric.world_size:
                progress.say(shared_out_text(self.resumed.processes, self.fabric.world_size))
        plan = phases_text(self.trainer.phases(), self.step, self.loop.steps)
        if plan and self.step < self.loop.steps:
            progress.say(plan)

    def _announce_next_phase(self, progress: TrainingProgress) -> None:
        phase = begins(self.trainer.phases(), self.step + 1)
        if phase and self.speaks:
            progress.say(f"from step {phase.first} on: {phase.what}")

    def _episodes(self) -> Iterator[Episodes]:
        device, loop = self.fabric.device, self.loop
        for episodes in episode_loader(
            self.batches, self.step, loop.steps, loop.workers, pinned=device.type == "cuda"
        ):
            yield episodes.to(device)

    def _claim_folder(self, resume: bool) -> int | None:
        """The steps that a resumed training was begun with, if it says."""
        steps_before = self.folder.check_description(self.description, resume)
        self.fabric.barrier()
        if self.leads:
            self.folder.write_description(self.description, self.loop.steps)
        self.fabric.barrier()
        self.folder.await_description()
        return steps_before

    def _watch(self) -> dict[str, float]:
        """Scores the held-out persons, and keeps the model where it is the best so far."""
        values = watch(self.watched, self.watching_metrics, self._preview)
        if values["held-out/quality"] > self.best:
            self.best = values["held-out/quality"]
            described = {**self.description, "step": self.step}
            checkpoints.save_model(self.folder.best_model, self.trainer.model(), described)
        return values

    def _preview(self, episodes: Episodes) -> Tensor:
        return self.trainer.preview(episodes.to(self.fabric.device))

    def _sample(self, episodes: Episodes) -> None:
        """A picture with a column per episode: shot, landmark image, reconstruction, target."""
        fake = to_uint8(self.trainer.preview(episodes))
        shots = episodes.shots[:, 0] if episodes.shots.shape[1] else episodes.target
        rows = {
            "shot": shots,
            "landmarks": episodes.target_landmarks,
            "made": fake,
            "target": episodes.target,
        }
        grid = sample_grid(rows, f"{self.trainer.kind}, step {self.step}")
        write_png(self.folder.sample(self.step), grid)

    def _check_finite(self, losses: Mapping[str, float]) -> None:
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise ThbenchError(
                f"the loss {', '.join(bad)} is not finite at step {self.step}; the last checkpoint "
                f"in {self.folder.checkpoints} is sound: start another --out with a lower learning "
                "rate"
            )


def _logged_name(name: str) -> str:
    """A loss "cnt" is "loss/cnt" beside the diagnostics, whose names have a slash."""
    return name if "/" in name else f"loss/{name}"


def _description(
    trainer_class: type[Trainer],
    config: TrainingConfig,
    dataset: Dataset,
    loop: LoopConfig,
    held_out: Sequence[str],
) -> dict[str, Any]:
    """What must be the same for a training to be resumed; model files carry it too."""
    return {
        "kind": trainer_class.kind,
        "config": asdict(config),
        "dataset": {"name": dataset.name, "sha256": dataset.sha256},
        "seed": loop.seed,
        "batch": config.batch,
        "processes": loop.world.processes,
        "precision": loop.precision,
        "accumulate": loop.accumulate,
        "held_out": list(held_out),
    }
