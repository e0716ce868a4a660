"""What a table is, in whatever format it is printed: columns, blocks, rows and cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isclose

from thbench.records.coverage import Coverage


@dataclass(frozen=True)
class Column:
    """One column. higher_is_better is None for columns that are never ranked.

    decimals are digits after the point; with `significant`, that many significant digits and at
    most `decimals` of them after the point (Table 2 of the paper prints 0.061 beside 258.0). empty
    says why the column may hold nothing.
    """

    key: str
    label: str
    higher_is_better: bool | None = None
    decimals: int = 2
    significant: int | None = None
    notes: tuple[str, ...] = ()
    empty: str = ""

    def show(self, value: float) -> str:
        """The value as printed; never "-0.00"."""
        digits = self.decimals
        if self.significant is not None and value != 0:
            magnitude = len(f"{abs(value):.0f}") if abs(value) >= 1 else 1
            digits = min(self.decimals, max(0, self.significant - magnitude))
        return f"{value:z.{digits}f}"


@dataclass(frozen=True)
class Cell:
    """One value with its standard error and its interval; None is "not computed", notes say why.

    half_width is that of an interval around the value; where the metric's range cuts the interval,
    `interval` holds its ends instead. best says whether the cell is set in bold; None leaves that
    to `ranked`. coverage is None for what does not rest on videos: a time, or a published figure.
    """

    value: float | None = None
    half_width: float | None = None
    se: float | None = None
    notes: tuple[str, ...] = ()
    best: bool | None = None
    interval: tuple[float, float] | None = None
    coverage: Coverage | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the interval; None where there is none."""
        if self.interval is not None or self.value is None or self.half_width is None:
            return self.interval
        return self.value - self.half_width, self.value + self.half_width

    @property
    def is_partial(self) -> bool:
        """Whether the value is not over all planned videos: writers set it in parentheses."""
        return self.value is not None and self.coverage is not None and not self.coverage.is_whole

    @property
    def is_rough(self) -> bool:
        """Whether there is an interval, but over few videos: every writer sets a star after it."""
        return self.ends is not None and self.coverage is not None and self.coverage.is_few

    @property
    def may_rank(self) -> bool:
        """Whether the cell may be bold or sorted among others."""
        return self.value is not None and (self.coverage is None or self.coverage.may_rank)


EMPTY = Cell()


@dataclass(frozen=True)
class Row:
    """One line: a method at T shots (None where T plays no part). An unranked row, such as a floor,
    is never best.
    """

    method: str
    cells: Mapping[str, Cell]
    T: int | None = None
    notes: tuple[str, ...] = ()
    ranked: bool = True

    @property
    def label(self) -> str:
        """The head of the line: "Ours-FT (8)"."""
        return self.method if self.T is None else f"{self.method} ({self.T})"

    def cell(self, column: Column) -> Cell:
        """The cell of a column; an empty one where the row has none."""
        return self.cells.get(column.key, EMPTY)


@dataclass(frozen=True)
class Group:
    """Rows that are ranked against each other.

    p_values holds corrected p-values of paired differences by (column key, method, method), in
    either order.
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
    """A table, independent of the format that it is printed in. stamp warns of partial or
    unfinished runs.
    """

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


def interval_cell(cell: Cell, ends: tuple[float, float] | None) -> Cell:
    """The cell with an interval: the half-width where the value is its middle, else the ends."""
    if ends is None or cell.value is None:
        return cell

    low, high = ends
    half_width = (high - low) / 2
    is_middle = isclose(low + half_width, cell.value, abs_tol=1e-9 * max(1.0, half_width))
    return replace(cell, half_width=half_width) if is_middle else replace(cell, interval=ends)


def without_empty_columns(table: TableSpec) -> TableSpec:
    """The same table without the columns that no row fills, and one note that says which and why.

    A column and those that stand beside it ("fid" and "fid:paper") go together.
    """
    filled = {_metric_of(key) for key, cell in _cells(table) if cell.value is not None}
    columns = tuple(column for column in table.columns if _metric_of(column.key) in filled)
    empty = [column for column in table.columns if column not in columns]
    if not empty:
        return table

    reasons = dict.fromkeys(
        reason
        for column in empty
        if column.key == _metric_of(column.key)
        for reason in _why_empty(table, column)
    )
    note = f"Columns left out, as no row fills them. {' '.join(reasons)}"
    return replace(table, columns=columns, notes=(*table.notes, note))


def footnotes(table: TableSpec) -> dict[str, str]:
    """Note -> its mark (a, b, ..., z, aa, ...), in the order of reading: columns, then rows and
    their cells.
    """
    notes = [note for column in table.columns for note in column.notes]

    for _, _, row in table.rows():
        notes += row.notes
        notes += [note for column in table.columns for note in row.cell(column).notes]

    return {note: _mark(index) for index, note in enumerate(dict.fromkeys(notes))}


def _cells(table: TableSpec) -> Iterator[tuple[str, Cell]]:
    for _, _, row in table.rows():
        yield from row.cells.items()


def _metric_of(key: str) -> str:
    """ "fid" of "fid" and of "fid:paper"."""
    return key.partition(":")[0]


def _why_empty(table: TableSpec, column: Column) -> list[str]:
    """What the cells of an empty column say, or the column itself."""
    said = [note for _, _, row in table.rows() for note in row.cell(column).notes]

    return list(dict.fromkeys(said)) or [column.empty or f"{column.label}: no row has it."]


def _mark(index: int) -> str:
    letters = ""

    while index >= 0:
        letters = chr(ord("a") + index % 26) + letters
        index = index // 26 - 1

    return letters
