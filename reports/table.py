"""What a table is: columns, blocks and cells, and the one place that rounds, ranks and breaks ties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import hypot
from typing import Literal, get_args

TiePolicy = Literal["displayed", "exact", "within-noise"]
TIE_POLICIES: tuple[str, ...] = get_args(TiePolicy)
LEVEL = 0.05  # a difference with a larger p-value is noise


@dataclass(frozen=True)
class Column:
    """One column. higher_is_better is None for columns that are never ranked.

    decimals are digits after the point; with `significant`, that many significant digits and at most `decimals` of
    them after the point (Table 2 of the paper prints 0.061 beside 258.0).
    """

    key: str
    label: str
    higher_is_better: bool | None = None
    decimals: int = 2
    significant: int | None = None
    notes: tuple[str, ...] = ()

    def show(self, value: float) -> str:
        """The value as printed; never "-0.00"."""
        digits = self.decimals
        if self.significant is not None and value != 0:
            magnitude = len(f"{abs(value):.0f}") if abs(value) >= 1 else 1
            digits = min(self.decimals, max(0, self.significant - magnitude))
        return f"{value:z.{digits}f}"


@dataclass(frozen=True)
class Cell:
    """One value with its standard error and the half-width of its interval; None is "not computed", notes say why.

    best says whether the cell is set in bold; None leaves that to `ranked`.
    """

    value: float | None = None
    half_width: float | None = None
    se: float | None = None
    notes: tuple[str, ...] = ()
    best: bool | None = None


@dataclass(frozen=True)
class Row:
    """One line: a method at T shots (None where T plays no part). An unranked row, such as a floor, is never best."""

    method: str
    cells: Mapping[str, Cell]
    T: int | None = None
    notes: tuple[str, ...] = ()
    ranked: bool = True

    @property
    def label(self) -> str:
        return self.method if self.T is None else f"{self.method} ({self.T})"


@dataclass(frozen=True)
class Group:
    """Rows that are ranked against each other.

    p_values holds corrected p-values of paired differences by (column key, method, method), in either order.
    """

    rows: tuple[Row, ...]
    p_values: Mapping[tuple[str, str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """Groups under one heading: a dataset in Table 1, a phase in Table 2."""

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class TableSpec:
    """A table, independent of the format that it is printed in. stamp warns of partial or unfinished runs."""

    caption: str
    label: str
    head: str
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    stamp: str = ""
    show_intervals: bool = False

    def rows(self) -> Iterator[tuple[Block, Group, Row]]:
        """Every row with the block and group that it stands in, top to bottom."""
        for block in self.blocks:
            for group in block.groups:
                for row in group.rows:
                    yield block, group, row


def ranked(table: TableSpec, ties: TiePolicy = "displayed") -> TableSpec:
    """The same table with every cell's `best` decided, group by group; cells that say it themselves keep it.

    displayed: cells that print like the best one are all best (what the paper does, but for one cell).
    exact: unrounded values decide. within-noise: a cell is best unless it is significantly worse than the best value
    (corrected paired p-value where the run holds one, otherwise two standard errors of the difference).
    """
    blocks = [replace(block, groups=tuple(_rank_group(group, table.columns, ties) for group in block.groups))
              for block in table.blocks]
    return replace(table, blocks=tuple(blocks))


def footnotes(table: TableSpec) -> dict[str, str]:
    """Note -> its mark (a, b, ..., z, aa, ...), in the order of reading: columns, then rows and their cells."""
    texts = [note for column in table.columns for note in column.notes]
    for _, _, row in table.rows():
        texts += row.notes
        texts += [note for column in table.columns for note in row.cells.get(column.key, Cell()).notes]
    return {text: _mark(index) for index, text in enumerate(dict.fromkeys(texts))}


def _rank_group(group: Group, columns: Sequence[Column], ties: TiePolicy) -> Group:
    best = {column.key: _best_rows(group, column, ties) for column in columns}
    rows = []
    for index, row in enumerate(group.rows):
        cells = {key: replace(cell, best=index in best.get(key, ())) if cell.best is None else cell
                 for key, cell in row.cells.items()}
        rows.append(replace(row, cells=cells))
    return replace(group, rows=tuple(rows))


def _best_rows(group: Group, column: Column, ties: TiePolicy) -> set[int]:
    """Indices of the best rows of one column; empty when the column is not ranked or holds no value."""
    values = {index: cell.value for index, row in enumerate(group.rows)
              if row.ranked and (cell := row.cells.get(column.key, Cell())).value is not None}
    if column.higher_is_better is None or not values:
        return set()
    choose = max if column.higher_is_better else min
    winner = choose(values, key=lambda index: values[index])
    if ties == "within-noise":
        return {index for index in values if not _significant(group, column, winner, index)}
    if ties == "displayed":
        return {index for index, value in values.items() if column.show(value) == column.show(values[winner])}
    return {index for index, value in values.items() if value == values[winner]}


def _significant(group: Group, column: Column, winner: int, other: int) -> bool:
    """Whether the winner really differs from another row."""
    first, second = group.rows[winner], group.rows[other]
    a, b = first.cells[column.key], second.cells[column.key]
    if a.value is None or b.value is None or a.value == b.value:
        return False
    for pair in ((first.method, second.method), (second.method, first.method)):
        if (column.key, *pair) in group.p_values:
            return group.p_values[(column.key, *pair)] < LEVEL
    return abs(a.value - b.value) > 2 * hypot(a.se or 0.0, b.se or 0.0)


def _mark(index: int) -> str:
    letters = ""
    while index >= 0:
        letters = chr(ord("a") + index % 26) + letters
        index = index // 26 - 1
    return letters
