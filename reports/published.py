"""The figures of the paper's Tables 1 and 2, looked up by our dataset and method names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from reports.table import Cell, Column

PAPER = Path(__file__).parent / "paper.toml"


@cache
def paper() -> dict[str, Any]:
    """paper.toml as a dictionary."""
    return tomllib.loads(PAPER.read_text(encoding="utf-8"))


def display_name(label: str, spec: str) -> str:
    """The name that tables print: the paper's, unless the run gave the method a label of its own."""
    return (
        {
            "x2face": "X2Face",
            "pix2pixhd": "Pix2pixHD",
            "ours-ff": "Ours-FF",
            "ours-ft": "Ours-FT",
        }.get(label, label)
        if label == spec
        else label
    )


def published_scores(dataset: str, spec: str, T: int) -> Mapping[str, Any]:
    """The paper's row of Table 1 for a dataset, a method spec and T; empty when the paper has none."""
    name = _paper_dataset(dataset)
    for entry in paper()["table1"]:
        if (entry["dataset"], entry["T"]) == (name, T):
            return _row(entry, spec)
    return {}


def published_time(spec: str, phase: str, T: int | None) -> Mapping[str, Any]:
    """The paper's row of Table 2 for a method spec, a phase and T; empty when the paper has none."""
    for entry in paper()["table2"]:
        if (entry["phase"], entry.get("T")) == (phase, T):
            return _row(entry, spec)
    return {}


def published_cell(row: Mapping[str, Any], key: str) -> Cell:
    """A figure of the paper, bold where the paper has it bold."""
    return Cell(row[key], best=key in row["bold"])


def with_published(column: Column) -> list[Column]:
    """A column and, beside it, the one for the paper's figures (never ranked)."""
    return [
        column,
        Column(f"{column.key}:paper", "paper", None, column.decimals, column.significant),
    ]


def _row(entry: Mapping[str, Any], spec: str) -> Mapping[str, Any]:
    names = paper()["methods"].get(spec, [])
    rows = {row["method"]: row for row in entry["rows"]}
    found: Mapping[str, Any] = next((rows[name] for name in names if name in rows), {})
    return found


def _paper_dataset(dataset: str) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower())
    for name, prefixes in paper()["datasets"].items():
        if plain.startswith(tuple(prefixes)):
            return str(name)
    return None
