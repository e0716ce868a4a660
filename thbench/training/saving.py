"""Saving and resuming a training, as one of its processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from thbench.training import checkpoints
from thbench.training.background import BackgroundWriter
from thbench.training.checkpoints import Checkpoint, Snapshot
from thbench.training.folder import TrainingFolder
from thbench.training.trainer import Trainer


@dataclass
class Saver:
    """Writes checkpoints and the model file in the background: what is to be written is copied to
    host memory first.

    videos: the training videos of this process. description: of the model file. keep: how many
    checkpoints stay.
    """

    folder: TrainingFolder
    trainer: Trainer
    videos: Sequence[int]
    fabric: Fabric
    description: Mapping[str, Any]
    keep: int
    _writer: BackgroundWriter = field(default_factory=BackgroundWriter)
    _saved_step: int | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """All that was begun is written when the block ends; a failure to write is raised, or told
        beside the error that the block ends with.
        """
        try:
            yield
        except BaseException:
            try:
                self._writer.wait()
            except Exception as error:
                print(f"error: {error}", file=sys.stderr)
            raise
        self.finish()

    def check(self) -> None:
        """Raises `ThbenchError` when a write has failed by now."""
        self._writer.check()

    def save(self, step: int) -> None:
        """Begins to write the checkpoint of this step, and the model; every process must call it.

        Raises `ThbenchError` when the one before could not be written.
        """
        if step == self._saved_step:
            return
        self._writer.wait()
        self.fabric.barrier()  # now all have written the one before

        folder = checkpoints.step_folder(self.folder.checkpoints, step)
        if self._leads:
            # The new one is one of those to keep, but it does not count yet.
            checkpoints.keep_newest(self.folder.checkpoints, max(1, self.keep - 1))
            checkpoints.begin(folder, step, self.fabric.world_size)
        self.fabric.barrier()

        parts = self._parts()
        tensors = self.trainer.model() if self._leads else {}
        model = {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in tensors.items()
        }
        self._writer.start(lambda: self._write(folder, step, parts, model))
        self._saved_step = step

    def finish(self) -> None:
        """Returns when all processes have written what they began to write."""
        self._writer.wait()
        self.fabric.barrier()
        if self._leads:
            checkpoints.keep_newest(self.folder.checkpoints, self.keep)
        self.fabric.barrier()  # a launcher may end the others when the first process ends

    def restore(self) -> Checkpoint | None:
        """Goes on from the newest whole checkpoint, if there is one.

        With as many processes as it was written by, each goes on as itself. With another number,
        all begin with what is process 0's own, and the rows of W go to whom their videos belong to
        now.
        """
        newest = checkpoints.latest(self.folder.checkpoints)
        self.fabric.barrier()
        if self._leads:
            checkpoints.keep_newest(self.folder.checkpoints, self.keep)
            self._drop_after(newest)
        self.fabric.barrier()
        if newest is None:
            return None

        rank = self.fabric.global_rank
        as_itself = newest.processes == self.fabric.world_size
        shared = checkpoints.load_part(newest.folder, "shared")
        own = checkpoints.load_part(newest.folder, f"rank{rank if as_itself else 0}")
        rows = checkpoints.load_rows(newest, self.videos, first=rank)

        with checkpoints.telling_damage(newest.folder):
            self.trainer.load_states(shared, own["trainer"], rows)
            if as_itself:
                self._set_random_state(own)
        self._saved_step = newest.step
        return newest

    def _drop_after(self, newest: Checkpoint | None) -> None:
        """For all processes, also for those that the training has no more."""
        before = newest.processes if newest else 1
        for rank in range(max(before, self.fabric.world_size)):
            TrainingFolder(self.folder.path, rank).drop_after(newest.step if newest else 0)

    @property
    def _leads(self) -> bool:
        return self.fabric.global_rank == 0

    def _parts(self) -> dict[str, Snapshot]:
        """What this process writes, in the order of writing: `rank<r>` last, as the sign that all
        is there.
        """
        rank, device = self.fabric.global_rank, self.fabric.device
        rows = {"videos": torch.tensor(self.videos), "rows": self.trainer.row_state()}
        own = {
            "trainer": self.trainer.rank_state(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }
        states = {f"rows{rank}": rows, f"rank{rank}": own}
        if self._leads:
            states = {"shared": self.trainer.shared_state(), **states}
        return {part: checkpoints.snapshot(state) for part, state in states.items()}

    def _write(
        self,
        folder: Path,
        step: int,
        parts: Mapping[str, Snapshot],
        model: Mapping[str, torch.Tensor],
    ) -> None:
        for part, state in parts.items():
            checkpoints.save_part(folder, part, state)
        if model:
            described = {**self.description, "step": step}
            checkpoints.save_model(self.folder.model, model, described)

    def _set_random_state(self, own: Mapping[str, Any]) -> None:
        torch.set_rng_state(own["rng"])
        if own["cuda_rng"] is not None:
            torch.cuda.set_rng_state(own["cuda_rng"], self.fabric.device)
