"""The folder of a training: what it was begun with, the losses of its steps, its alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.files import parse_json, read_json_object, read_text, write_json
from thbench.records.decode import decode


@dataclass(frozen=True)
class TrainingFolder:
    """The files of one process, `rank`, and those that rank 0 writes for all."""

    path: Path
    rank: int

    @property
    def description(self) -> Path:
        return self.path / "training.json"

    @property
    def losses(self) -> Path:
        return self.path / f"losses.rank{self.rank}.jsonl"

    @property
    def alarms(self) -> Path:
        return self.path / f"alarms.rank{self.rank}.txt"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def best_model(self) -> Path:
        return self.path / "best.safetensors"

    def sample(self, step: int) -> Path:
        return self.path / "samples" / f"step-{step:08d}.png"

    def check_description(self, description: Mapping[str, Any], resume: bool) -> int | None:
        """The steps that a resumed training was begun with, if it says.

        A folder belongs to one configuration on one dataset; nothing is overwritten unasked. Raises
        `ThbenchError` when there is a training and `resume` is false, when there is none and it is
        true, and when it was begun with another description.
        """
        if not self.description.exists():
            if resume:
                raise ThbenchError(
                    f"{self.path} holds no training run to resume; leave --resume out to start one"
                )
            return None
        if not resume:
            raise ThbenchError(
                f"{self.path} already holds a training run; add --resume or choose another --out"
            )

        found = read_json_object(self.description)
        steps: int | None = found.pop("steps", None)
        if found != json.loads(json.dumps(description)):
            changed = sorted(key for key in description if found.get(key) != description[key])
            raise ThbenchError(
                f"{self.path} was started with another {', '.join(changed)}; resume with the same "
                "options or choose another --out"
            )
        return steps

    def write_description(self, description: Mapping[str, Any], steps: int) -> None:
        write_json(self.description, {**description, "steps": steps})

    def drop_losses_after(self, step: int) -> None:
        """Steps after the checkpoint will be taken again: their lines go, a half-written last line
        too.
        """
        if self.losses.exists():
            kept = read_text(self.losses).splitlines(keepends=True)[:step]
            self.losses.write_text("".join(kept), encoding="utf-8")

    def logged(self) -> list[dict[str, float]]:
        """The values of the steps so far; raises `ThbenchError` naming a damaged line."""
        if not self.losses.exists():
            return []

        steps = []
        for number, line in enumerate(read_text(self.losses).splitlines(), 1):
            place = f"{self.losses}, line {number}"
            values = parse_json(line, place)
            steps.append(decode(dict[str, float], values, place, "remove that line and resume"))
        return steps

    def note_alarm(self, step: int, alarm: str) -> None:
        with open(self.alarms, "a", encoding="utf-8") as file:
            file.write(f"step {step}: {alarm}\n")
