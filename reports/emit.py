"""From run folders to the text of a table: what `thbench report latex` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from reports.ablation import ablation_table
from reports.latex import to_latex
from reports.ranking import TiePolicy, ranked
from reports.results import open_all
from reports.tables import table1
from reports.time_table import table2
from reports.writers import WRITERS
from thbench.errors import ThbenchError

TableName = Literal["1", "2", "ablation"]
TABLES: tuple[str, ...] = get_args(TableName)
FORMATS: tuple[str, ...] = tuple(WRITERS)


def table_text(
    paths: Sequence[Path],
    table: TableName = "1",
    *,
    format: str = "latex",
    ties: TiePolicy = "displayed",
    metrics: Sequence[str] = (),
    reference: str = "",
    with_paper: bool = False,
    intervals: bool = False,
    allow_mixed: bool = False,
    standalone: bool = False,
) -> str:
    """A table of finished runs in one of `FORMATS`; standalone makes LaTeX that compiles by itself.

    Raises `ThbenchError` for a folder that is not a scored run, and for runs that may not share a
    table.
    """
    runs = open_all(paths)

    if table == "2":
        spec = table2(runs, with_paper=with_paper, intervals=intervals, allow_mixed=allow_mixed)
    elif table == "ablation":
        spec = ablation_table(
            runs,
            metrics=metrics,
            reference=reference,
            intervals=intervals,
            allow_mixed=allow_mixed,
        )
    else:
        spec = table1(
            runs,
            metrics=metrics,
            with_paper=with_paper,
            intervals=intervals,
            allow_mixed=allow_mixed,
        )

    spec = ranked(spec, ties)
    if standalone and format != "latex":
        raise ThbenchError("--standalone is for LaTeX; leave it out or choose --format latex")
    return to_latex(spec, standalone=standalone) if format == "latex" else WRITERS[format](spec)
