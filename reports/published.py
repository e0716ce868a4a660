"""The figures of the paper's Tables 1 and 2, looked up by our dataset and method names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from reports.table import Cell, Column
from thbench.records.decode import REST, decode

PAPER = Path(__file__).parent / "paper.toml"
PAPER_NAMES = {
    "x2face": "X2Face",
    "pix2pixhd": "Pix2pixHD",
    "ours-ff": "Ours-FF",
    "ours-ft": "Ours-FT",
}


@dataclass(frozen=True)
class PublishedRow:
    """A method's row in the paper: its figures by column, and which of them are bold."""

    method: str
    bold: list[str]
    figures: Mapping[str, float] = field(default_factory=dict, metadata=REST)

    def cell(self, key: str) -> Cell:
        """One figure, bold where the paper has it bold."""
        return Cell(self.figures[key], best=key in self.bold)


@dataclass(frozen=True)
class PublishedScores:
    """The rows of Table 1 for one dataset at one T."""

    dataset: str
    T: int
    rows: list[PublishedRow]


@dataclass(frozen=True)
class PublishedTimes:
    """The rows of Table 2 for one phase; T is None for inference."""

    phase: str
    rows: list[PublishedRow]
    T: int | None = None


@dataclass(frozen=True)
class Paper:
    """paper.toml. datasets: how our names of each begin; methods: the paper's names of a spec."""

    source: str
    table1_note: str
    table2_note: str
    datasets: Mapping[str, Sequence[str]]
    methods: Mapping[str, Sequence[str]]
    table1: list[PublishedScores]
    table2: list[PublishedTimes]


@cache
def paper() -> Paper:
    """The tables of the paper."""
    values = tomllib.loads(PAPER.read_text(encoding="utf-8"))
    return decode(Paper, values, PAPER, "install thbench again")


def display_name(label: str, spec: str) -> str:
    """The name that tables print: the paper's, unless the run gave the method its own label."""
    return PAPER_NAMES.get(label, label) if label == spec else label


def published_scores(dataset: str, spec: str, T: int) -> PublishedRow | None:
    """The row of Table 1 for a dataset, a method spec and T; None when the paper has none."""
    name = _paper_dataset(dataset)
    found = [entry for entry in paper().table1 if (entry.dataset, entry.T) == (name, T)]
    return _row(found[0].rows, spec) if found else None


def published_time(spec: str, phase: str, T: int | None) -> PublishedRow | None:
    """The row of Table 2 for a method spec, a phase and T; None when the paper has none."""
    found = [entry for entry in paper().table2 if (entry.phase, entry.T) == (phase, T)]
    return _row(found[0].rows, spec) if found else None


def with_published(column: Column) -> list[Column]:
    """A column and, beside it, the one for the paper's figures (never ranked)."""
    published = Column(
        f"{column.key}:paper",
        "paper",
        higher_is_better=None,
        decimals=column.decimals,
        significant=column.significant,
    )
    return [column, published]


def _row(rows: Sequence[PublishedRow], spec: str) -> PublishedRow | None:
    by_name = {row.method: row for row in rows}
    names = paper().methods.get(spec, [])
    return next((by_name[name] for name in names if name in by_name), None)


def _paper_dataset(dataset: str) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower())
    for name, prefixes in paper().datasets.items():
        if plain.startswith(tuple(prefixes)):
            return name
    return None
