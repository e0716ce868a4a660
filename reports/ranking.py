"""Which figures of a table are bold: the one place that ranks and breaks ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import hypot
from typing import Literal, get_args

from reports.table import Cell, Column, Group, Row, TableSpec
from thbench.records.coverage import FEW_VIDEOS
from thbench.records.scores import LEVEL

TiePolicy = Literal["displayed", "exact", "within-noise"]
TIE_POLICIES: tuple[str, ...] = get_args(TiePolicy)
BOLD: Mapping[TiePolicy, str] = {
    "displayed": "Bold: the best of its group of rows, and every figure that prints like it.",
    "exact": "Bold: the best of its group of rows, by the unrounded figure.",
    "within-noise": (
        "Bold: not significantly worse than the best of its group of rows (5 %; paired by video "
        "and corrected where the run holds the difference, else two standard errors)."
    ),
}
NO_BOLD = f"No figure is bold that rests on fewer than {FEW_VIDEOS} videos."
PARTIAL = (
    "In parentheses: not over all planned videos, so not comparable with its neighbours, "
    "never bold and not ranked."
)
ROUGH = f"* interval over fewer than {FEW_VIDEOS} videos: a rough guide."


def ranked(table: TableSpec, ties: TiePolicy = "displayed") -> TableSpec:
    """The same table with every cell's `best` decided, group by group; cells that say it themselves
    keep it.

    displayed: cells that print like the best one are all best (what the paper does, but for one
    cell). exact: unrounded values decide. within-noise: a cell is best unless it is significantly
    worse than the best value (corrected paired p-value where the run holds one, otherwise two
    standard errors of the difference). Cells that lost videos or rest on few are never best. The
    notes tell the rule.
    """
    blocks = tuple(
        replace(
            block,
            groups=tuple(_ranked_group(group, table.columns, ties) for group in block.groups),
        )
        for block in table.blocks
    )
    done = replace(table, blocks=blocks)
    return replace(done, notes=(*table.notes, *_rules(done, ties)))


def _ranked_group(group: Group, columns: Sequence[Column], ties: TiePolicy) -> Group:
    best = {column.key: _best_rows(group, column, ties) for column in columns}

    rows = []
    for index, row in enumerate(group.rows):
        cells = {
            key: cell if cell.best is not None else replace(cell, best=index in best.get(key, ()))
            for key, cell in row.cells.items()
        }
        rows.append(replace(row, cells=cells))

    return replace(group, rows=tuple(rows))


def _best_rows(group: Group, column: Column, ties: TiePolicy) -> set[int]:
    """Indices of the best rows of one column; empty when the column is not ranked, or without a
    value.
    """
    values = {
        index: value
        for index, row in enumerate(group.rows)
        if row.ranked and (value := _ranked_value(row.cell(column))) is not None
    }
    if column.higher_is_better is None or not values:
        return set()

    choose = max if column.higher_is_better else min
    winner = choose(values, key=lambda index: values[index])

    if ties == "within-noise":
        return {index for index in values if not _is_worse(group, column, winner, index)}
    if ties == "displayed":
        best = column.show(values[winner])
        return {index for index, value in values.items() if column.show(value) == best}
    return {index for index, value in values.items() if value == values[winner]}


def _ranked_value(cell: Cell) -> float | None:
    return cell.value if cell.may_rank else None


def _is_worse(group: Group, column: Column, winner: int, other: int) -> bool:
    """Whether a row is significantly worse than the winner."""
    first, second = group.rows[winner], group.rows[other]
    a, b = first.cells[column.key], second.cells[column.key]
    if a.value is None or b.value is None or a.value == b.value:
        return False

    for pair in ((first.method, second.method), (second.method, first.method)):
        p_value = group.p_values.get((column.key, *pair))
        if p_value is not None:
            return p_value < LEVEL

    return abs(a.value - b.value) > 2 * hypot(a.se or 0.0, b.se or 0.0)


def _rules(table: TableSpec, ties: TiePolicy) -> list[str]:
    """The rules that a reader needs for the marks in the table."""
    rows = [row for _, _, row in table.rows()]
    shown = [cell for row in rows for cell in row.cells.values() if cell.value is not None]
    compared = _compared(rows, table.columns)
    few = any(cell.coverage is not None and cell.coverage.is_few for cell in compared)
    rough = table.show_intervals and any(cell.is_rough for cell in shown)

    rules = {
        BOLD[ties]: any(cell.may_rank for cell in compared),
        NO_BOLD: few,
        PARTIAL: any(cell.is_partial for cell in shown),
        ROUGH: rough,
    }
    return [rule for rule, is_needed in rules.items() if is_needed]


def _compared(rows: Sequence[Row], columns: Sequence[Column]) -> list[Cell]:
    """The cells that are ranked against others, as far as they hold a value."""
    keys = {column.key for column in columns if column.higher_is_better is not None}
    return [
        cell
        for row in rows
        if row.ranked
        for key, cell in row.cells.items()
        if key in keys and cell.value is not None
    ]
