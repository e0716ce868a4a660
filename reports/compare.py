"""What changed between two runs: what `thbench report compare` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.changes import Change, ScoreChange, score_changes, setting_changes
from reports.latex import to_latex
from reports.preferred import decimals
from reports.ranking import NO_BOLD, ranked
from reports.results import Results
from reports.table import Block, Cell, Column, Group, Row, TableSpec, interval_cell
from reports.writers import to_json, to_markdown
from thbench.records.coverage import Coverage, videos
from thbench.records.scores import Metric

FORMATS = ("markdown", "json", "latex")
BOLD = "Bold: told from chance at 5 %, after Holm's correction over the differences of the metric."
LONGEST_VALUE = 100  # characters of a setting


def compare_text(path_a: Path, path_b: Path, format: str = "markdown") -> str:
    """What changed from run A to run B, in one of `FORMATS`.

    Raises `ThbenchError` for a folder that is not a run.
    """
    a, b = Results.open(path_a), Results.open(path_b)
    changes = list(setting_changes(a.stored, b.stored))
    scores = score_changes(a, b) if a.is_scored and b.is_scored else []
    table = ranked(_table(a, b, scores))

    if format == "json":
        return _json(changes, table)
    if format == "latex":
        return to_latex(table)

    lines = [
        f"# {path_a} → {path_b}",
        "",
        "## Settings",
        "",
        *([_setting_line(change) for change in changes] or ["- all the same"]),
        "",
        "## Scores",
        "",
        to_markdown(table) if scores else "- no score is in both runs\n",
    ]
    return "\n".join(lines)


def _json(changes: Sequence[Change], table: TableSpec) -> str:
    told = [{"where": change.where, "a": change.a, "b": change.b} for change in changes]
    value = {"changes": told, "scores": json.loads(to_json(table))}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _setting_line(change: Change) -> str:
    return f"- {change.where}: {_brief(change.a)} → {_brief(change.b)}"


def _brief(value: Any) -> str:
    """A value on one line of at most `LONGEST_VALUE` characters."""
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    flat = " ".join(text.split())
    return f"`{flat[: LONGEST_VALUE - 3]}...`" if len(flat) > LONGEST_VALUE else f"`{flat}`"


def _table(a: Results, b: Results, scores: Sequence[ScoreChange]) -> TableSpec:
    blocks = []
    for name in dict.fromkeys(change.metric for change in scores):
        metric = a.metrics[name]
        rows = tuple(_row(change, metric) for change in scores if change.metric == name)
        blocks.append(Block(metric.label, (Group(rows),)))

    digits = 1 + max((decimals(change.metric) for change in scores), default=2)
    columns = (
        Column("a", "A", None, digits),
        Column("b", "B", None, digits),
        Column("difference", "B - A", None, digits),
        Column("p", "p (Holm)", None, 3),
    )

    notes = []
    if any(change.is_significant for change in scores):
        notes.append(BOLD)
    if any(change.coverage.is_few for change in scores):
        notes.append(NO_BOLD)

    return TableSpec(
        caption=f"From A ({a.path.name}) to B ({b.path.name}); ± is the half-width of the 95 % "
        "interval",
        label="tab:compare",
        head="Method (T)",
        columns=columns,
        blocks=tuple(blocks),
        notes=tuple(notes),
        show_intervals=True,
    )


def _row(change: ScoreChange, metric: Metric) -> Row:
    notes = _notes(change, metric)
    difference = Cell(
        change.difference, notes=notes, best=change.is_significant, coverage=change.coverage
    )
    cells = {
        "a": Cell(change.a, notes=_lost(metric, change.coverage_a), coverage=change.coverage_a),
        "b": Cell(change.b, notes=_lost(metric, change.coverage_b), coverage=change.coverage_b),
        "difference": interval_cell(difference, change.ci95),
        "p": Cell(change.p),
    }
    return Row(change.method, cells, change.T)


def _notes(change: ScoreChange, metric: Metric) -> tuple[str, ...]:
    """What frames a difference is over."""
    if change.unlike:
        return (
            f"No difference of {metric.label}, which compares sets: A and B are over other frames "
            f"({change.unlike}). Make both runs on the frames that both have (--split).",
        )
    if not change.paired:
        return (f"{metric.label} is not paired: the interval treats the runs as independent.",)
    if not (change.is_intersection or change.by_name):
        return ()

    sides = f"{change.coverage_a.n_videos} of A and {change.coverage_b.n_videos} of B"
    by_name = ", found by the names of their frames" if change.by_name else ""
    return (
        f"A, B and B - A over the {videos(change.n_common)} that both runs have "
        f"({sides}){by_name}.",
    )


def _lost(metric: Metric, covered: Coverage) -> tuple[str, ...]:
    return () if covered.is_whole else (f"{metric.label} over {covered} only.",)
