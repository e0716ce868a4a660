"""The ablation table: variants of one method, and how much each loses against the full one."""

from __future__ import annotations

from collections.abc import Sequence

from reports.preferred import decimals
from reports.results import Results
from reports.score_columns import score_column, score_columns
from reports.score_rows import (
    floor_groups,
    p_values,
    row_notes,
    score_cell,
    table_notes,
    usual_counts,
)
from reports.sections import MethodRow, Section, all_shots, rows_at, sections, stamp
from reports.table import Block, Cell, Column, Group, Row, TableSpec, interval_cell
from thbench.errors import ThbenchError
from thbench.records.scores import USER, Metric


def ablation_table(
    runs: Sequence[Results],
    *,
    metrics: Sequence[str] = (),
    reference: str = "",
    intervals: bool = False,
    allow_mixed: bool = False,
) -> TableSpec:
    """Variants of one method: each score beside its paired difference from the `reference` variant.

    The reference is the last method of the last run unless named (the full model, as in the paper's
    Figure 7). Raises `ThbenchError` as `table1` does, and for a reference that a T lacks.
    """
    chosen = score_columns(runs, metrics)
    if not metrics:
        chosen = [metric for metric in chosen if metric.name != USER.name]

    full = reference or list(runs[-1].methods)[-1]
    blocks = tuple(
        Block(section.title, _groups(section, chosen, full))
        for section in sections(runs, allow_mixed)
    )
    columns = tuple(column for metric in chosen for column in _columns(metric))
    what_delta_is = f"Δ: difference from {full}, paired by video."

    return TableSpec(
        caption="Ablation",
        label="tab:ablation",
        head="Variant (T)",
        columns=columns,
        blocks=blocks,
        notes=tuple(table_notes(runs, intervals, what_delta_is)),
        stamp=stamp(runs),
        show_intervals=intervals,
    )


def _columns(metric: Metric) -> tuple[Column, Column]:
    delta = Column(
        f"{metric.name}:delta",
        f"Δ {metric.label}",
        higher_is_better=None,
        decimals=decimals(metric.name) + 1,
    )
    return score_column(metric), delta


def _groups(section: Section, metrics: Sequence[Metric], full: str) -> tuple[Group, ...]:
    groups = [_group(section, T, metrics, full) for T in all_shots(section)]
    return (*groups, *floor_groups(section, metrics))


def _group(section: Section, T: int, metrics: Sequence[Metric], full: str) -> Group:
    found = rows_at(section, T)
    labels = [entry.label for entry in found]
    if full not in labels:
        raise ThbenchError(f"no variant {full!r} at T = {T}; the runs hold {', '.join(labels)}")

    usual = usual_counts(section.runs)
    rows = [
        Row(entry.label, _cells(entry, metrics, full), T, row_notes(entry, usual))
        for entry in found
    ]
    return Group(tuple(rows), p_values(section, T))


def _cells(entry: MethodRow, metrics: Sequence[Metric], full: str) -> dict[str, Cell]:
    scores = {metric.name: score_cell(entry.run, entry.row, metric) for metric in metrics}
    deltas = {f"{metric.name}:delta": _delta(entry, metric.name, full) for metric in metrics}
    return scores | deltas


def _delta(entry: MethodRow, metric: str, full: str) -> Cell:
    """The variant minus the full method; an empty cell where that was not computed."""
    sides = {entry.label, full}

    for difference in entry.run.differences:
        is_wanted = (difference.metric, difference.T) == (metric, entry.row.T)
        if is_wanted and {difference.a, difference.b} == sides:
            found = difference.seen_from(entry.label)
            cell = Cell(found.value, best=False, coverage=found.coverage)
            return interval_cell(cell, found.ci95)

    return Cell(best=False)
