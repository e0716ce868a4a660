"""The study folder: what `study build` writes and everything else reads.

STUDY/
  settings.json    texts, codes and rules; the owner edits it before the study starts
  design.json      items, forms and answers; never edited, never sent
  secrets.json     keys of cookies, ids and the owner's page (readable by its owner only)
  panels/<n>.png   the single panels, lossless; raters only ever get three of them in one JPEG
  study.db         answers (SQLite, unless another database is named)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reports.study.design import Design, check_format, load_design
from reports.study.keys import Keys, load_keys
from reports.study.settings import Settings, load_settings
from thbench.errors import ThbenchError
from thbench.files import read_json, sha256_json


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
                f"{path} is not a study folder (no design.json); "
                "make one with `thbench study build`"
            )

        check_format(study.design_json)
        return study

    @property
    def settings_json(self) -> Path:
        """The owner's settings."""
        return self.path / "settings.json"

    @property
    def design_json(self) -> Path:
        """Items and forms."""
        return self.path / "design.json"

    @property
    def secrets_json(self) -> Path:
        """The keys."""
        return self.path / "secrets.json"

    @property
    def default_database(self) -> str:
        """The URL of the SQLite file in the folder."""
        return f"sqlite:///{os.path.realpath(self.path / 'study.db')}"

    def panel_file(self, number: int) -> Path:
        """The picture of a panel."""
        return self.path / "panels" / f"{number:06d}.png"

    @cached_property
    def settings(self) -> Settings:
        """settings.json; raises `ThbenchError` naming what is wrong in it."""
        return load_settings(self.settings_json)

    @cached_property
    def keys(self) -> Keys:
        """secrets.json; raises `ThbenchError` where it does not hold what it must."""
        return load_keys(self.secrets_json)

    @cached_property
    def design(self) -> Design:
        """design.json; raises `ThbenchError` where it does not hold what it must."""
        return load_design(self.design_json)

    @cached_property
    def design_sha256(self) -> str:
        """The identity of the design: a database belongs to exactly one."""
        return sha256_json(read_json(self.design_json))

    def require_responsible(self) -> None:
        """Raises `ThbenchError` when participants would not be told who asks and for how long."""
        missing = self.settings.missing_for_the_public
        if missing:
            raise ThbenchError(
                "participants must be told who is responsible and how long answers are kept: "
                f"fill in {', '.join(missing)} in {self.settings_json}"
            )
