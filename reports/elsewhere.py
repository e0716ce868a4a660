"""What other programs measured on a run's videos, in a table of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from reports.results import Results
from reports.sections import in_paper_order, method_name
from reports.table import Block, Cell, Column, Group, Row, TableSpec, interval_cell
from reports.writers import WRITERS
from thbench.errors import ThbenchError
from thbench.metrics.statistics import video_mean
from thbench.records.coverage import Coverage
from thbench.records.elsewhere import PROGRAMS, ElsewhereRecord, read_elsewhere

Format = Literal["markdown", "csv", "latex", "html", "json"]

_DECIMALS = 4


def write_elsewhere(path: Path, format: Format = "markdown") -> str:
    """The table of a run in `format`; raises `ThbenchError` where nothing was read into it."""
    return WRITERS[format](elsewhere_table(Results.open(path)))


def elsewhere_table(results: Results) -> TableSpec:
    """A block per program, a row per method and T, a column per name that the program gives.

    A cell is the mean over the videos that have a value, with its interval by the run's clusters.
    Nothing is ranked: which way is better is the other program's to say.
    """
    records = read_elsewhere(results.path)
    if not records:
        raise ThbenchError(
            f"{results.path} has no scores of other programs; read some in with `thbench runs "
            "import-scores`"
        )

    programs = list(dict.fromkeys(record.program for record in records))
    columns = dict.fromkeys(name for record in records for name in record.columns)
    return TableSpec(
        caption="Measured elsewhere, by other programs",
        label="tab:elsewhere",
        head="Method (T)",
        columns=tuple(Column(name, name, None, _DECIMALS) for name in columns),
        blocks=tuple(
            Block(
                PROGRAMS[program],
                (Group(tuple(_rows(results, [r for r in records if r.program == program]))),),
            )
            for program in programs
        ),
        notes=(
            "These numbers are not thbench's: they are means of the videos' values in the result "
            "files named below, with 95 % intervals. They enter no other table.",
            *_sources(records),
        ),
        show_intervals=True,
    )


def _rows(results: Results, records: list[ElsewhereRecord]) -> list[Row]:
    order = in_paper_order(results)
    for record in records:
        if record.method not in order:
            raise ThbenchError(
                f"{results.path} has scores of {PROGRAMS[record.program]} for {record.method!r}, "
                "which is not a method of the run: remove them from its folder elsewhere"
            )
    records = sorted(records, key=lambda record: (order.index(record.method), record.T))
    return [
        Row(
            method_name(results, record.method),
            {name: _cell(results, column.values) for name, column in record.columns.items()},
            record.T,
        )
        for record in records
    ]


def _cell(results: Results, values: Mapping[str, float]) -> Cell:
    by_person = results.is_scored and results.summary.cluster == "person"
    videos = [video for video in results.record.split.videos if video.key in values]
    found = video_mean(
        [values[video.key] for video in videos],
        [video.key for video in videos],
        [video.person for video in videos] if by_person else None,
    )
    coverage = Coverage(len(videos), len(results.record.split.videos))
    ends = found.interval() if np.isfinite(found.se) else None
    return interval_cell(Cell(found.value, se=found.se, coverage=coverage), ends)


def _sources(records: list[ElsewhereRecord]) -> list[str]:
    files = {
        f"{PROGRAMS[record.program]}, {record.method} ({record.T}): {column.file}, sha256 "
        f"{column.sha256}": None
        for record in records
        for column in record.columns.values()
    }
    return [f"{line}." for line in files]
