"""Table 1 of the paper, made from scored runs."""

from __future__ import annotations

from collections.abc import Sequence

from reports.published import paper, published_scores, with_published
from reports.results import Results
from reports.score_columns import score_column, score_columns
from reports.score_rows import (
    Counts,
    floor_groups,
    p_values,
    row_notes,
    score_cell,
    table_notes,
    usual_counts,
)
from reports.sections import MethodRow, Section, all_shots, ordered_rows_at, sections, stamp
from reports.table import Block, Cell, Column, Group, Row, TableSpec
from thbench.records.scores import Metric


def table1(
    runs: Sequence[Results],
    *,
    metrics: Sequence[str] = (),
    with_paper: bool = False,
    intervals: bool = False,
    allow_mixed: bool = False,
) -> TableSpec:
    """Table 1: blocks by dataset, groups by T, one row per method, the real-vs-real floor last in
    each block.

    metrics names the columns; see `score_columns` for what is taken by default. Raises
    `ThbenchError` for runs that may not share a table, unknown metrics and unscored runs.
    """
    chosen = score_columns(runs, metrics)
    usual = usual_counts(runs)
    blocks = tuple(
        Block(section.title, _groups(section, chosen, with_paper, usual))
        for section in sections(runs, allow_mixed)
    )
    columns = _columns(chosen, blocks)

    notes = table_notes(runs, intervals)
    if with_paper:
        notes.append(_paper_note(runs, columns))

    is_cross = all(run.is_cross for run in runs)
    what = "Heads driven by other videos" if is_cross else "Self-reenactment"
    return TableSpec(
        caption=f"{what} of people unseen in training, by number of shots T",
        label="tab:scores",
        head="Method (T)",
        columns=tuple(columns),
        blocks=blocks,
        notes=tuple(notes),
        stamp=stamp(runs),
        show_intervals=intervals,
    )


def _groups(
    section: Section, metrics: Sequence[Metric], with_paper: bool, usual: Counts
) -> tuple[Group, ...]:
    groups = []

    for T in all_shots(section):
        rows = [_row(entry, metrics, with_paper, usual) for entry in ordered_rows_at(section, T)]
        if rows:
            groups.append(Group(tuple(rows), p_values(section, T)))

    return (*groups, *floor_groups(section, metrics))


def _row(entry: MethodRow, metrics: Sequence[Metric], with_paper: bool, usual: Counts) -> Row:
    cells = {metric.name: score_cell(entry.run, entry.row, metric) for metric in metrics}
    if with_paper:
        cells |= _published_cells(entry, metrics)

    return Row(entry.name, cells, entry.row.T, row_notes(entry, usual))


def _published_cells(entry: MethodRow, metrics: Sequence[Metric]) -> dict[str, Cell]:
    """The paper's figures; none for a method with settings, which the paper did not measure."""
    published = published_scores(entry.run.dataset, entry.method.spec, entry.row.T)
    if published is None or entry.method.settings:
        return {}

    return {
        f"{metric.name}:paper": published.cell(metric.name)
        for metric in metrics
        if metric.name in published.figures
    }


def _columns(metrics: Sequence[Metric], blocks: Sequence[Block]) -> list[Column]:
    """The column of each metric, and beside it that of the paper's figures where a row has one."""
    filled = {
        key for block in blocks for group in block.groups for row in group.rows for key in row.cells
    }
    return [
        column
        for metric in metrics
        for column in with_published(score_column(metric))
        if column.key == metric.name or column.key in filled
    ]


def _paper_note(runs: Sequence[Results], columns: Sequence[Column]) -> str:
    """What the published figures are, or that there are none."""
    if any(column.key.endswith(":paper") for column in columns):
        return f"{paper().table1_note} Bold among them is the paper's own."

    datasets = ", ".join(dict.fromkeys(run.dataset for run in runs))
    return (
        "No published figures stand here: the paper has none for these methods and T on "
        f"{datasets}."
    )
