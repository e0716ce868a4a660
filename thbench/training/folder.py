"""The folder of a training: what it was begun with, the losses of its steps, its alarms."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.files import parse_json, read_json_object, read_text, write_json
from thbench.records.decode import decode

_SHOWN_AFTER_S = 60.0

# What a training may be resumed with another value of.
_MAY_CHANGE = frozenset({"steps", "processes", "accumulate"})


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
    def times(self) -> Path:
        """What the steps took, apart from `losses`: that file is the same, byte for byte, when
        steps are taken again.
        """
        return self.path / f"times.rank{self.rank}.jsonl"

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
        steps: int | None = found.get("steps")
        fixed = _fixed(description)
        if _fixed(found) != json.loads(json.dumps(fixed)):
            changed = sorted(key for key in fixed if found.get(key) != fixed[key])
            raise ThbenchError(
                f"{self.path} was started with another {', '.join(changed)}; resume with the same "
                "options or choose another --out"
            )
        return steps

    def write_description(self, description: Mapping[str, Any], steps: int) -> None:
        write_json(self.description, {**description, "steps": steps})

    def await_description(self) -> None:
        """Raises `ThbenchError` where this process does not see what process 0 has written: a
        folder that only its own machine has. Some file systems take a while to show it.
        """
        deadline = time.monotonic() + _SHOWN_AFTER_S
        while not self.description.exists():
            if time.monotonic() > deadline:
                raise ThbenchError(
                    f"{self.path} is another folder on the machine of process {self.rank} than on "
                    "that of process 0; choose an --out that all machines share"
                )
            time.sleep(0.5)

    def drop_after(self, step: int) -> None:
        """Steps after the checkpoint will be taken again: their lines go, a half-written last line
        too.
        """
        for file in (self.losses, self.times):
            if file.exists():
                lines = read_text(file).splitlines(keepends=True)
                kept = takewhile(lambda line: _is_before(line, step), lines)
                file.write_text("".join(kept), encoding="utf-8")

    def logged(self) -> list[dict[str, float]]:
        """The values of the steps so far; raises `ThbenchError` naming a damaged line."""
        return self.whole_lines(self.losses)

    def whole_lines(self, file: Path) -> list[dict[str, float]]:
        """The values of each line of `losses` or `times`, without a last line that is being
        written; raises `ThbenchError` naming a damaged line.
        """
        if not file.exists():
            return []

        steps = []
        whole = read_text(file).rpartition("\n")[0]
        for number, line in enumerate(whole.splitlines(), 1):
            place = f"{file}, line {number}"
            values = parse_json(line, place)
            steps.append(decode(dict[str, float], values, place, "remove that line and resume"))
        return steps

    def note_alarm(self, step: int, alarm: str) -> None:
        with open(self.alarms, "a", encoding="utf-8") as file:
            file.write(f"step {step}: {alarm}\n")


def _fixed(description: Mapping[str, Any]) -> dict[str, Any]:
    """Of a description, what may not change."""
    return {key: value for key, value in description.items() if key not in _MAY_CHANGE}


def _is_before(line: str, step: int) -> bool:
    """Whether a line is whole and tells of a step up to `step`."""
    if not line.endswith("\n"):
        return False
    try:
        values = json.loads(line)
    except ValueError:
        return True  # a damaged line is told where it is read
    return not isinstance(values, dict) or values.get("step", 0) <= step
