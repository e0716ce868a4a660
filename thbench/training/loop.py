"""The training loop that `ours`, `x2face` and `pix2pixhd` share: episodes in, checkpoints, logs and
samples out.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from thbench.data.dataset import Dataset
from thbench.data.episodes import EpisodeBatches, Episodes, EpisodeSampler, episode_loader
from thbench.errors import ThbenchError
from thbench.files import parse_json, read_json_object, read_text, write_json
from thbench.images import to_uint8
from thbench.locks import locked
from thbench.records.decode import decode
from thbench.training import checkpoints
from thbench.training.alarms import Alarm, Watchman, logged
from thbench.training.plan import Phase, begins, phases_text, resumed_text
from thbench.training.progress import TrainingProgress, write_png
from thbench.training.samples import sample_grid
from thbench.training.watch import (
    TrainingPart,
    best_quality,
    held_out_persons,
    watch,
    watched,
    watching_metrics,
)
from thbench.workers import end_with_parent


class Trainer(Protocol):
    """What the loop needs of a method. Built as `TrainerClass(config, videos, fabric)`.

    `configure(preset)` makes its configuration (`parameter_counts(config)` counts its networks): a
    frozen dataclass with at least `size_px`, `shots` (frames per episode beside the target),
    `batch` (episodes per step, over all processes) and `epochs` (passes over the training videos
    when no number of steps is given). Modules that all processes share go through
    `fabric.setup_module`.
    """

    kind: ClassVar[str]
    alarms: ClassVar[Sequence[Alarm]]  # held against the values of each step
    config: Any

    def step(self, episodes: list[Episodes]) -> Mapping[str, float]:
        """One optimisation step over these micro-batches (accumulated).

        Returns what is logged: losses ("cnt") and diagnostics, whose names have a slash
        ("embedding/mean").
        """
        ...

    def shared_state(self) -> dict[str, Any]:
        """Everything that is equal in all processes and needed to go on: modules, optimisers."""
        ...

    def rank_state(self) -> dict[str, Any]:
        """Everything that each process keeps for itself (the discriminator); may be empty."""
        ...

    def load_states(self, shared: Mapping[str, Any], rank: Mapping[str, Any]) -> None: ...

    def model(self) -> dict[str, Tensor]:
        """The tensors of the model file that methods load."""
        ...

    def preview(self, episodes: Episodes) -> Tensor:
        """One reconstruction per episode, [B, 3, S, S] in [-1, 1], without training."""
        ...

    def phases(self) -> Sequence[Phase]:
        """What the training does, in order; the first phase begins with step 1."""
        ...


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
    trainer_class: Callable[[Any, int, Fabric], Trainer],
    config: Any,
    dataset: Dataset,
    loop: LoopConfig,
    out: Path,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Trains until `loop.steps` and leaves `model.safetensors`, checkpoints, `losses.jsonl` and
    samples in `out`.

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


def _waiting(recent: Sequence[Mapping[str, float]]) -> str | None:
    shares = logged(recent, "time/waiting")
    if shares is None or (mean := sum(shares) / len(shares)) < 0.5:
        return None
    return f"{mean:.0%} of the time goes by in waiting for frames"


WAITING = Alarm(
    "data is slow", 200, _waiting, "raise --workers, or move the dataset to a faster disk"
)


class _Loop:
    def __init__(
        self,
        trainer_class: Callable[[Any, int, Fabric], Trainer],
        config: Any,
        dataset: Dataset,
        loop: LoopConfig,
        out: Path,
        resume: bool,
        quiet: bool,
        fabric: Fabric,
    ) -> None:
        self.loop, self.out, self.fabric, self.quiet = loop, out, fabric, quiet
        self.checkpoints = out / "checkpoints"
        self.losses_file = out / f"losses.rank{fabric.global_rank}.jsonl"
        held_out = held_out_persons(dataset, loop.watch_persons)
        self.description = {
            "kind": trainer_class.kind,  # type: ignore[attr-defined]
            "config": asdict(config),
            "dataset": {"name": dataset.name, "sha256": dataset.sha256},
            "seed": loop.seed,
            "batch": config.batch,
            "devices": loop.devices,
            "precision": loop.precision,
            "accumulate": loop.accumulate,
            "held_out": list(held_out),
        }
        self.steps_before: int | None = None  # that a resumed training was begun with
        self._claim_folder(resume)
        self.watched = watched(dataset, held_out, max(1, config.shots))
        self.watching_metrics = watching_metrics(dataset) if self.watched else []
        dataset = TrainingPart(dataset, held_out)
        sampler = EpisodeSampler(
            dataset, config.shots, loop.seed, fabric.global_rank, fabric.world_size
        )
        if sampler.left_out and fabric.global_rank == 0 and not quiet:
            print(f"{sampler.left_out} training videos have a single frame and make no episode")
        self.batches = EpisodeBatches(dataset, sampler, config.batch // loop.devices)
        fabric.seed_everything(loop.seed + fabric.global_rank, verbose=False)
        self.trainer = trainer_class(config, len(sampler.training), fabric)
        self.step = self._restore() if resume else 0
        self.best = best_quality(self._logged())

    def run(self) -> None:
        log = (
            SummaryWriter(str(self.out / "log"), purge_step=self.step)
            if self.fabric.global_rank == 0
            else None
        )
        progress = TrainingProgress(
            self.trainer.kind,
            self.step,
            self.loop.steps,
            enabled=self.fabric.global_rank == 0 and not self.quiet,
        )
        watchman = Watchman((*self.trainer.alarms, WAITING))
        with progress, open(self.losses_file, "a", encoding="utf-8", buffering=1) as lines:
            self._announce(progress)
            waiting_since = time.perf_counter()
            for episodes in self._episodes():
                self._announce_next_phase(progress)
                started = time.perf_counter()
                values = dict(self.trainer.step(episodes.split(self.loop.accumulate)))
                self.step += 1
                self._check_finite(values)
                if self.step % self.loop.watch_every == 0 and self.fabric.global_rank == 0:
                    values |= self._watch()

                # Times go to the eye only: the file is the same, byte for byte, when steps are
                # taken again.
                lines.write(json.dumps({"step": self.step, **values}) + "\n")
                took_s = time.perf_counter() - waiting_since
                values["time/waiting"] = (started - waiting_since) / took_s
                progress.advance(values, self.trainer.config.batch / took_s)
                if log is not None:
                    for name, value in values.items():
                        log.add_scalar(name if "/" in name else f"loss/{name}", value, self.step)
                for line in watchman.after(values):
                    self._ring(progress, line)

                if self.step % self.loop.sample_every == 0 and self.fabric.global_rank == 0:
                    self._sample(episodes)
                if self.step % self.loop.checkpoint_every == 0 or self.step == self.loop.steps:
                    self._save()
                waiting_since = time.perf_counter()
        if log is not None:
            log.close()

    def _announce(self, progress: TrainingProgress) -> None:
        if self.fabric.global_rank == 0 and not self.quiet:
            if self.step:
                progress.say(resumed_text(self.step, self.loop.steps, self.steps_before))
            if plan := phases_text(self.trainer.phases(), self.step, self.loop.steps):
                progress.say(plan)

    def _announce_next_phase(self, progress: TrainingProgress) -> None:
        phase = begins(self.trainer.phases(), self.step + 1)
        if phase and self.fabric.global_rank == 0 and not self.quiet:
            progress.say(f"from step {phase.first} on: {phase.what}")

    def _episodes(self) -> Iterator[Episodes]:
        for episodes in episode_loader(self.batches, self.step, self.loop.steps, self.loop.workers):
            yield episodes.to(self.fabric.device)

    def _claim_folder(self, resume: bool) -> None:
        """A folder belongs to one configuration on one dataset; nothing is overwritten unasked."""
        file = self.out / "training.json"
        if file.exists():
            if not resume:
                raise ThbenchError(
                    f"{self.out} already holds a training run; add --resume or choose another --out"
                )
            found = read_json_object(file)
            self.steps_before = found.pop("steps", None)
            if found != json.loads(json.dumps(self.description)):
                changed = sorted(
                    key for key in self.description if found.get(key) != self.description[key]
                )
                raise ThbenchError(
                    f"{self.out} was started with another {', '.join(changed)}; resume with the same "
                    "options or choose another --out"
                )
        elif resume:
            raise ThbenchError(
                f"{self.out} holds no training run to resume; leave --resume out to start one"
            )
        self.fabric.barrier()
        if self.fabric.global_rank == 0:
            write_json(file, {**self.description, "steps": self.loop.steps})
        self.fabric.barrier()

    def _save(self) -> None:
        folder = checkpoints.step_folder(self.checkpoints, self.step)
        if self.fabric.global_rank == 0:
            shutil.rmtree(folder, ignore_errors=True)
            checkpoints.save_part(folder, "shared", self.trainer.shared_state())
        self.fabric.barrier()
        checkpoints.save_part(
            folder,
            f"rank{self.fabric.global_rank}",
            {
                "trainer": self.trainer.rank_state(),
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state(self.fabric.device)
                if self.fabric.device.type == "cuda"
                else None,
            },
        )
        self.fabric.barrier()
        if self.fabric.global_rank == 0:
            checkpoints.save_model(
                self.out / "model.safetensors",
                self.trainer.model(),
                {**self.description, "step": self.step},
            )
            checkpoints.commit(folder, self.fabric.world_size)
            checkpoints.keep_newest(self.checkpoints, self.loop.keep)
        self.fabric.barrier()

    def _restore(self) -> int:
        newest = checkpoints.latest(self.checkpoints, self.fabric.world_size)
        if newest is None:
            return self._drop_losses_after(0)
        folder, step = newest
        own = checkpoints.load_part(folder, f"rank{self.fabric.global_rank}")
        shared = checkpoints.load_part(folder, "shared")
        with checkpoints.telling_damage(folder):
            self.trainer.load_states(shared, own["trainer"])
            torch.set_rng_state(own["rng"])
            if own["cuda_rng"] is not None:
                torch.cuda.set_rng_state(own["cuda_rng"], self.fabric.device)
        return self._drop_losses_after(step)

    def _drop_losses_after(self, step: int) -> int:
        """Steps after the checkpoint will be taken again: their lines go, a half-written last line
        too.
        """
        file = self.losses_file
        if file.exists():
            kept = read_text(file).splitlines(keepends=True)[:step]
            file.write_text("".join(kept), encoding="utf-8")
        return step

    def _logged(self) -> list[dict[str, float]]:
        if not self.losses_file.exists():
            return []
        lines = read_text(self.losses_file).splitlines()
        return [
            decode(dict[str, float], parse_json(line, place), place, "remove that line and resume")
            for number, line in enumerate(lines, 1)
            for place in [f"{self.losses_file}, line {number}"]
        ]

    def _watch(self) -> dict[str, float]:
        """Scores the held-out persons, and keeps the model where it is the best so far."""
        if not self.watched:
            return {}
        values = watch(self.watched, self.watching_metrics, self._preview)
        if values["held-out/quality"] > self.best:
            self.best = values["held-out/quality"]
            checkpoints.save_model(
                self.out / "best.safetensors",
                self.trainer.model(),
                {**self.description, "step": self.step},
            )
        return values

    def _preview(self, episodes: Episodes) -> Tensor:
        return self.trainer.preview(episodes.to(self.fabric.device))

    def _ring(self, progress: TrainingProgress, alarm: str) -> None:
        """Says an alarm and keeps it beside the losses."""
        progress.say(f"alarm at step {self.step}: {alarm}")
        with open(
            self.out / f"alarms.rank{self.fabric.global_rank}.txt", "a", encoding="utf-8"
        ) as file:
            file.write(f"step {self.step}: {alarm}\n")

    def _sample(self, episodes: Episodes) -> None:
        """A picture with a column per episode: first shot, landmark image, reconstruction, target."""
        fake = to_uint8(self.trainer.preview(episodes))
        shots = episodes.shots[:, 0] if episodes.shots.shape[1] else episodes.target
        rows = {
            "shot": shots,
            "landmarks": episodes.target_landmarks,
            "made": fake,
            "target": episodes.target,
        }
        grid = sample_grid(rows, f"{self.trainer.kind}, step {self.step}")
        write_png(self.out / "samples" / f"step-{self.step:08d}.png", grid)

    def _check_finite(self, losses: Mapping[str, float]) -> None:
        bad = [
            name for name, value in losses.items() if value != value or abs(value) == float("inf")
        ]
        if bad:
            raise ThbenchError(
                f"the loss {', '.join(bad)} is not finite at step {self.step}; the last checkpoint in "
                f"{self.checkpoints} is sound: start another --out with a lower learning rate"
            )
