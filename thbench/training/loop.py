"""The training loop that `ours`, `x2face` and `pix2pixhd` share: episodes in, checkpoints, logs and
samples out.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from thbench.data.dataset import Dataset
from thbench.data.episodes import EpisodeBatches, Episodes, EpisodeSampler, episode_loader
from thbench.errors import ThbenchError
from thbench.images import to_uint8
from thbench.locks import locked
from thbench.training import checkpoints
from thbench.training.alarms import WAITING, Watchman
from thbench.training.folder import TrainingFolder
from thbench.training.plan import begins, phases_text, resumed_text
from thbench.training.progress import TrainingProgress, write_png
from thbench.training.samples import sample_grid
from thbench.training.trainer import DrawsPupils, Trainer, TrainingConfig
from thbench.training.watch import (
    TrainingPart,
    best_quality,
    held_out_persons,
    watch,
    watched,
    watching_metrics,
)
from thbench.workers import end_with_parent


@dataclass(frozen=True, kw_only=True)
class HowToTrain:
    """What only says how to train: no weight depends on it by more than how a device rounds."""

    checkpoint_every: int = 1000
    sample_every: int = 500
    watch_every: int = 1000  # of the models watched, the best is kept as best.safetensors
    keep: int = 2  # newest checkpoints
    workers: int = 2  # processes that read frames
    accelerator: str = "auto"


@dataclass(frozen=True)
class LoopConfig(HowToTrain):
    """How to train, and what decides the weights beside the method's configuration."""

    steps: int
    seed: int = 0
    # Training persons held out for watching, a tenth of them at most; 0: none.
    watch_persons: int = 8
    accumulate: int = 1
    devices: int = 1
    precision: str = "32-true"  # or "bf16-mixed"


def train(
    trainer_class: type[Trainer],
    config: TrainingConfig,
    dataset: Dataset,
    loop: LoopConfig,
    out: Path,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Trains until `loop.steps` and leaves `model.safetensors`, checkpoints, `losses.rank0.jsonl`
    and samples in `out`.

    A few training persons are held out; each `watch_every` steps they are reconstructed and scored,
    and the model that did best is kept as `best.safetensors`. Alarms are said, and kept in
    `alarms.rank0.txt`.

    Raises `ThbenchError` when `out` already holds a training run and `resume` is false, when it was
    started with another configuration or dataset, or when the dataset's size does not fit.
    """
    if dataset.size_px != config.size_px:
        raise ThbenchError(
            f"{dataset.name} has frames of {dataset.size_px} pixels, the configuration needs "
            f"{config.size_px}; choose another --preset or prepare with --size {config.size_px}"
        )
    if config.batch % (loop.devices * loop.accumulate):
        raise ThbenchError(
            f"batch = {config.batch} is not divisible by {loop.devices} processes x "
            f"{loop.accumulate} accumulation steps"
        )

    # Several forwards precede one backward, so buffers must not be broadcast in between.
    strategy: Any = DDPStrategy(broadcast_buffers=False) if loop.devices > 1 else "auto"
    fabric = Fabric(
        accelerator=loop.accelerator,
        devices=loop.devices,
        strategy=strategy,
        precision=loop.precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    if fabric.local_rank > 0:
        end_with_parent(os.getppid())
    with locked(out) if fabric.global_rank == 0 else nullcontext():
        _Loop(trainer_class, config, dataset, loop, out, resume, quiet, fabric).run()


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
    ) -> None:
        self.loop, self.fabric = loop, fabric
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
        self.batches = EpisodeBatches(trained_on, sampler, config.batch // loop.devices, pupils)

        fabric.seed_everything(loop.seed + fabric.global_rank, verbose=False)
        self.trainer = trainer_class(config, len(sampler.training), fabric)
        self.step = self._restore() if resume else 0
        self.best = best_quality(self.folder.logged())

    def run(self) -> None:
        kind, steps = self.trainer.kind, self.loop.steps
        progress = TrainingProgress(kind, self.step, steps, enabled=self.speaks)
        watchman = Watchman((*self.trainer.alarms, WAITING))
        with (
            self._log() as log,
            progress,
            open(self.folder.losses, "a", encoding="utf-8", buffering=1) as lines,
        ):
            self._announce(progress)
            waiting_since = time.perf_counter()
            for episodes in self._episodes():
                self._announce_next_phase(progress)
                started = time.perf_counter()
                values = self._take_step(episodes)
                # Times go to the eye only: the file is the same, byte for byte, when steps are
                # taken again.
                lines.write(json.dumps({"step": self.step, **values}) + "\n")

                took_s = time.perf_counter() - waiting_since
                values["time/waiting"] = (started - waiting_since) / took_s
                progress.advance(values, self.trainer.config.batch / took_s)
                if log is not None:
                    for name, value in values.items():
                        log.add_scalar(name if "/" in name else f"loss/{name}", value, self.step)
                for alarm in watchman.after(values):
                    progress.say(f"alarm at step {self.step}: {alarm}")
                    self.folder.note_alarm(self.step, alarm)

                if self.leads and self.step % self.loop.sample_every == 0:
                    self._sample(episodes)
                if self.step % self.loop.checkpoint_every == 0 or self.step == steps:
                    self._save()
                waiting_since = time.perf_counter()

    def _take_step(self, episodes: Episodes) -> dict[str, float]:
        """One step, and a look at the held-out persons where it is time for it."""
        values = dict(self.trainer.step(episodes.split(self.loop.accumulate)))
        self.step += 1
        self._check_finite(values)

        if self.leads and self.watched and self.step % self.loop.watch_every == 0:
            values |= self._watch()
        return values

    @contextmanager
    def _log(self) -> Iterator[SummaryWriter | None]:
        """TensorBoard's log, which rank 0 writes."""
        if not self.leads:
            yield None
            return
        log = SummaryWriter(str(self.folder.path / "log"), purge_step=self.step)
        try:
            yield log
        finally:
            log.close()

    def _announce(self, progress: TrainingProgress) -> None:
        if not self.speaks:
            return
        if self.step:
            progress.say(resumed_text(self.step, self.loop.steps, self.steps_before))
        if plan := phases_text(self.trainer.phases(), self.step, self.loop.steps):
            progress.say(plan)

    def _announce_next_phase(self, progress: TrainingProgress) -> None:
        phase = begins(self.trainer.phases(), self.step + 1)
        if phase and self.speaks:
            progress.say(f"from step {phase.first} on: {phase.what}")

    def _episodes(self) -> Iterator[Episodes]:
        for episodes in episode_loader(self.batches, self.step, self.loop.steps, self.loop.workers):
            yield episodes.to(self.fabric.device)

    def _claim_folder(self, resume: bool) -> int | None:
        """The steps that a resumed training was begun with, if it says."""
        steps_before = self.folder.check_description(self.description, resume)
        self.fabric.barrier()
        if self.leads:
            self.folder.write_description(self.description, self.loop.steps)
        self.fabric.barrier()
        return steps_before

    def _save(self) -> None:
        """A checkpoint and the model; the checkpoint counts once all processes have written."""
        folder = checkpoints.step_folder(self.folder.checkpoints, self.step)
        if self.leads:
            shutil.rmtree(folder, ignore_errors=True)
            checkpoints.save_part(folder, "shared", self.trainer.shared_state())
        self.fabric.barrier()

        device = self.fabric.device
        own = {
            "trainer": self.trainer.rank_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }
        checkpoints.save_part(folder, f"rank{self.fabric.global_rank}", own)
        self.fabric.barrier()

        if self.leads:
            self._save_model(self.folder.model)
            checkpoints.commit(folder, self.fabric.world_size)
            checkpoints.keep_newest(self.folder.checkpoints, self.loop.keep)
        self.fabric.barrier()

    def _save_model(self, file: Path) -> None:
        described = {**self.description, "step": self.step}
        checkpoints.save_model(file, self.trainer.model(), described)

    def _restore(self) -> int:
        """Goes on from the newest checkpoint; returns its step, 0 where there is none."""
        newest = checkpoints.latest(self.folder.checkpoints, self.fabric.world_size)
        if newest is None:
            self.folder.drop_losses_after(0)
            return 0

        folder, step = newest
        own = checkpoints.load_part(folder, f"rank{self.fabric.global_rank}")
        shared = checkpoints.load_part(folder, "shared")
        with checkpoints.telling_damage(folder):
            self.trainer.load_states(shared, own["trainer"])
            torch.set_rng_state(own["rng"])
            if own["cuda_rng"] is not None:
                torch.cuda.set_rng_state(own["cuda_rng"], self.fabric.device)
        self.folder.drop_losses_after(step)
        return step

    def _watch(self) -> dict[str, float]:
        """Scores the held-out persons, and keeps the model where it is the best so far."""
        values = watch(self.watched, self.watching_metrics, self._preview)
        if values["held-out/quality"] > self.best:
            self.best = values["held-out/quality"]
            self._save_model(self.folder.best_model)
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
        "devices": loop.devices,
        "precision": loop.precision,
        "accumulate": loop.accumulate,
        "held_out": list(held_out),
    }
