"""The small files of a run: commit marks of its units and references, and the study's column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from thbench.records.encode import WHERE_SAID

References = dict[
    str, dict[str, str]
]  # folder -> file -> sha256, of the frames that units are compared with


@dataclass(frozen=True)
class Unit:
    """One piece of work: `method` learns T shots of `video` ("person/video") and renders its
    hold-out frames.
    """

    method: str
    T: int
    video: str


@dataclass(frozen=True)
class UnitResult:
    """The commit mark of a unit. frames maps file names (relative to the unit's image folder) to
    their sha256. notes: what the head says of how its frames were made.
    """

    status: Literal["done", "failed"]
    error: str = ""
    frames: Mapping[str, str] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list, metadata=WHERE_SAID)

    def __post_init__(self) -> None:
        """Raises `ValueError` for a frame that does not lie in the unit's folder."""
        for name in self.frames:
            if PurePath(name).name != name:
                raise ValueError(f"names the frame {name!r}, which does not lie in its folder")


@dataclass(frozen=True)
class UnitRecord:
    """The whole of a unit's commit mark."""

    unit: Unit
    result: UnitResult


@dataclass(frozen=True)
class UserRow:
    """People's success rate in finding the frames of a method at one T."""

    method: str
    T: int
    value: float | None
    se: float | None
    ci95: tuple[float | None, float | None] | None
    n: int
    p_one_third: float | None = None


@dataclass(frozen=True, kw_only=True)
class UserColumn:
    """study.json of a run: the USER column, and the study that it comes from.

    forms: how many were planned and how many finished.
    """

    study_id: str = ""
    design_sha256: str = ""
    forms: Mapping[str, int] = field(default_factory=dict)
    rows: list[UserRow]
