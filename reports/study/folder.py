"""The study folder: what `study build` writes and everything else reads.

STUDY/
  settings.json    texts, codes and rules; the owner edits it before the study starts
  design.json      items, forms and answers; never edited, never sent
  secrets.json     keys of cookies, ids and the owner's page (readable by its owner only)
  panels/<n>.png   the single panels, lossless; raters only ever get three of them in one JPEG
  study.db         answers (SQLite, unless another database is named)
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from reports.study.forms import Trial
from reports.study.settings import Settings, load_settings
from thbench.errors import ThbenchError
from thbench.files import read_json, read_json_object, sha256_json, write_json
from thbench.records.decode import decode, read_record

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


@dataclass(frozen=True)
class Design:
    """The whole study but its answers. study_id is random; run_sha256 is that of the run's
    run.json.
    """

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


@dataclass(frozen=True)
class Keys:
    cookie: str
    identity: str
    owner: str


@dataclass(frozen=True)
class Study:
    """A study folder. Settings, design and keys are read once."""

    path: Path

    @staticmethod
    def open(path: Path) -> Study:
        """Raises `ThbenchError` when `path` holds no study or one of a newer format."""
        study = Study(Path(path))
        if not study.design_json.exists():
            raise ThbenchError(
                f"{path} is not a study folder (no design.json); make one with `thbench study build`"
            )
        if (found := read_json_object(study.design_json).get("format")) != FORMAT:
            raise ThbenchError(
                f"{path}/design.json has format {found!r}, this thbench reads {FORMAT}; update thbench"
            )
        return study

    @property
    def settings_json(self) -> Path:
        return self.path / "settings.json"

    @property
    def design_json(self) -> Path:
        return self.path / "design.json"

    @property
    def secrets_json(self) -> Path:
        return self.path / "secrets.json"

    @property
    def default_database(self) -> str:
        """The URL of the SQLite file in the folder."""
        return f"sqlite:///{os.path.realpath(self.path / 'study.db')}"

    def panel_file(self, number: int) -> Path:
        return self.path / "panels" / f"{number:06d}.png"

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.settings_json)

    def require_responsible(self) -> None:
        """Raises `ThbenchError` when participants would not be told who asks and for how long."""
        if missing := self.settings.missing_for_the_public:
            raise ThbenchError(
                f"participants must be told who asks and for how long: "
                f"fill in {', '.join(missing)} in {self.settings_json}"
            )

    @cached_property
    def keys(self) -> Keys:
        return read_record(
            self.secrets_json, Keys, "restore it: without it cookies and ids are void"
        )

    @cached_property
    def design(self) -> Design:
        values = read_json_object(self.design_json)
        del values["format"]
        return _with_trials(
            decode(_StoredDesign, values, self.design_json, "it is never edited: restore it")
        )

    @cached_property
    def design_sha256(self) -> str:
        """The identity of the design: a database belongs to exactly one."""
        return sha256_json(read_json(self.design_json))


@dataclass(frozen=True)
class _StoredForm:
    """A form as design.json holds it: a trial is the pair (item, position of the fake)."""

    trials: tuple[tuple[int, int], ...]
    gold: tuple[int, ...]
    attention: tuple[int, ...]


@dataclass(frozen=True)
class _StoredDesign:
    """design.json; its fields are those of `Design`."""

    study_id: str
    run: str
    run_sha256: str
    panel_px: int
    ratings: int
    seed: int
    exclusion_sha256: str
    items: tuple[Item, ...]
    practice: tuple[int, ...]
    forms: tuple[_StoredForm, ...]

    def __post_init__(self) -> None:
        """Raises `ValueError` for a form that names no item, or no position."""
        for form in self.forms:
            named = (
                *self.practice,
                *form.gold,
                *form.attention,
                *(item for item, _ in form.trials),
            )
            if not all(0 <= item < len(self.items) for item in named):
                raise ValueError("has a form with an item that it does not describe")
            if not all(0 <= position < 3 for _, position in form.trials):
                raise ValueError("has a form with a fake at none of three positions")


def _with_trials(stored: _StoredDesign) -> Design:
    forms = tuple(
        Form(
            tuple(Trial(item, position) for item, position in form.trials),
            form.gold,
            form.attention,
        )
        for form in stored.forms
    )
    return Design(**{**vars(stored), "forms": forms})


def save_design(path: Path, design: Design) -> None:
    """Writes design.json; a trial is the pair [item, position of the fake]."""
    forms = [
        {
            "trials": [[trial.triplet, trial.fake_position] for trial in form.trials],
            "gold": form.gold,
            "attention": form.attention,
        }
        for form in design.forms
    ]
    write_json(path, {"format": FORMAT, **asdict(design), "forms": forms})


def save_new_keys(path: Path) -> None:
    """Random keys in a new file that nobody but its owner could read at any time."""
    keys = {name: secrets.token_urlsafe(32) for name in ("cookie", "identity", "owner")}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(keys, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(descriptor)
