"""What a training folder has written so far."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.files import read_json_object, read_text
from thbench.training.folder import TrainingFolder

Line = Mapping[str, float]


@dataclass(frozen=True)
class Alarm:
    """One that rang. said: what was seen, and what helps."""

    step: int
    process: int
    name: str
    said: str


@dataclass(frozen=True)
class TrainingLog:
    """A training as its folder tells it; `logged` and `timed` by process, process 0 first."""

    path: Path
    description: Mapping[str, Any]
    logged: Sequence[Sequence[Line]]
    timed: Sequence[Sequence[Line]]
    alarms: Sequence[Alarm]

    @classmethod
    def read(cls, path: Path) -> TrainingLog:
        """Raises `ThbenchError` for a folder that is no training or has taken no step, and naming
        the line of a file that is damaged.
        """
        description = TrainingFolder(path, 0).description
        if not description.exists():
            raise ThbenchError(f"{path} is not a training folder (no {description.name})")

        ranks = sorted(
            int(file.name.split(".")[1].removeprefix("rank"))
            for file in path.glob("losses.rank*.jsonl")
            if re.fullmatch(r"losses\.rank[0-9]{1,6}\.jsonl", file.name)
        )
        folders = [TrainingFolder(path, rank) for rank in ranks]
        logged = [folder.whole_lines(folder.losses) for folder in folders]
        if not logged or not logged[0]:
            raise ThbenchError(f"{path} has not taken a step yet; try again later")

        return cls(
            path,
            read_json_object(description),
            logged,
            [folder.whole_lines(folder.times) for folder in folders],
            [alarm for folder in folders for alarm in _alarms(folder)],
        )

    @property
    def steps(self) -> int:
        """Taken so far."""
        return int(self.logged[0][-1]["step"])

    @property
    def planned(self) -> int | None:
        steps = self.description.get("steps")
        return steps if isinstance(steps, int) else None

    def names(self) -> list[str]:
        """Of all values that any step has logged, in their order."""
        found = {name: None for line in self.logged[0] for name in line if name != "step"}
        return list(found)

    def values(self, name: str) -> list[list[tuple[int, float]]]:
        """(step, value) where it was logged, by process."""
        processes = self.timed if name in ("waiting", "took_s") else self.logged
        return [
            [(int(line["step"]), line[name]) for line in lines if name in line]
            for lines in processes
        ]


def _alarms(folder: TrainingFolder) -> list[Alarm]:
    if not folder.alarms.exists():
        return []

    found = []
    for line in read_text(folder.alarms).splitlines():
        rang = re.fullmatch(r"step ([0-9]{1,12}): ([^:]+): (.*)", line)
        if rang is None:
            raise ThbenchError(f"{folder.alarms} is damaged ({line[:60]!r}); remove that line")
        found.append(Alarm(int(rang[1]), folder.rank, rang[2], rang[3]))
    return found
