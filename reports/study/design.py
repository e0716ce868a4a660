"""design.json: the items and forms of a study, and where its fakes stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from reports.study.forms import POSITIONS, Trial
from thbench.errors import ThbenchError
from thbench.files import read_json_object, write_json
from thbench.records.decode import decode

FORMAT = 1
Kind = Literal["main", "practice", "gold", "attention"]


@dataclass(frozen=True)
class Item:
    """Three panels, the one to find first. `main` items carry the table row they count for.

    practice: a crude fake, with feedback. gold: a crude fake among the main trials, for analysis.
    attention: three real frames and an instruction which position to choose, for gating.
    """

    kind: Kind
    panels: tuple[int, int, int]
    person: str
    recordings: tuple[str, str, str]
    method: str = ""
    T: int = 0
    video: str = ""
    frame: int = -1


@dataclass(frozen=True)
class Form:
    """What one rater sees: main trials, and the gold and attention items (numbers of items) mixed
    in.
    """

    trials: tuple[Trial, ...]
    gold: tuple[int, ...]
    attention: tuple[int, ...]

    @property
    def items(self) -> Iterator[int]:
        """The numbers of all items in the form."""
        yield from (trial.triplet for trial in self.trials)
        yield from self.gold
        yield from self.attention


@dataclass(frozen=True)
class Design:
    """The whole study but its answers. study_id is random; run_sha256 is that of the run's
    run.json.
    """

    format: int
    study_id: str
    run: str
    run_sha256: str
    panel_px: int
    ratings: int
    seed: int
    exclusion_sha256: str
    items: tuple[Item, ...]
    practice: tuple[int, ...]
    forms: tuple[Form, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for a form that names no item, or no position."""
        named = [*self.practice, *(item for form in self.forms for item in form.items)]
        if not all(0 <= item < len(self.items) for item in named):
            raise ValueError("has a form with an item that it does not describe")

        positions = [trial.fake_position for form in self.forms for trial in form.trials]
        if not all(0 <= position < POSITIONS for position in positions):
            raise ValueError("has a form with a fake at none of three positions")


def save_design(path: Path, design: Design) -> None:
    """Writes design.json."""
    write_json(path, asdict(design))


def load_design(path: Path) -> Design:
    """Reads design.json; raises `ThbenchError` where it does not hold what it must."""
    check_format(path)
    return decode(Design, read_json_object(path), path, "it is never edited: restore it")


def check_format(path: Path) -> None:
    """Raises `ThbenchError` for a design.json of another format, without reading the rest."""
    found = read_json_object(path).get("format")
    if found != FORMAT:
        raise ThbenchError(
            f"{path} has format {found!r}, this thbench reads {FORMAT}; update thbench"
        )
