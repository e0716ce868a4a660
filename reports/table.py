"""What a table is: columns, blocks and cells, and the one place that rounds, ranks and breaks ties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import hypot, isclose
from typing import Literal, get_args

from thbench.metrics.coverage import FEW_VIDEOS, Coverage

TiePolicy = Literal["displayed", "exact", "within-noise"]
TIE_POLICIES: tuple[str, ...] = get_args(TiePolicy)
LEVEL = 0.05  # a difference with a larger p-value is noise
BOLD: dict[TiePolicy, str] = {
    "displayed": "Bold: the best of its group of rows, and every figure that prints like it.",
    "exact": "Bold: the best of its group of rows, by the unrounded figure.",
    "within-noise": "Bold: not significantly worse than the best of its group of rows (5 %; paired "
    "by video and corrected where the run holds the difference, else two standard "
    "errors).",
}
NO_BOLD = f"No figure is bold that rests on fewer than {FEW_VIDEOS} videos."
PARTIAL = (
    "In parentheses: not over all planned videos, so not comparable with its neighbours, "
    "never bold and not ranked."
)
ROUGH = f"* interval over fewer than {FEW_VIDEOS} videos: a rough guide."


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
        return self.method if self.T is None else f"{self.method} ({self.T})"


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


def ranked(table: TableSpec, ties: TiePolicy = "displayed") -> TableSpec:
    """The same table with every cell's `best` decided, group by group; cells that say it themselves
    keep it.

    displayed: cells that print like the best one are all best (what the paper does, but for one
    cell). exact: unrounded values decide. within-noise: a cell is best unless it is significantly
    worse than the best value (corrected paired p-value where the run holds one, otherwise two
    standard errors of the difference). Cells that lost videos or rest on few are never best. The
    notes tell the rule.
    """
    blocks = [
        replace(
            block, groups=tuple(_rank_group(group, table.columns, ties) for group in block.groups)
        )
        for block in table.blocks
    ]
    done = replace(table, blocks=tuple(blocks))
    return replace(done, notes=(*table.notes, *_rules(done, ties)))


def interval_cell(cell: Cell, ends: tuple[float, float] | None) -> Cell:
    """The cell with an interval: the half-width where the value is its middle, else the ends."""
    if ends is None or cell.value is None:
        return cell
    half_width = (ends[1] - ends[0]) / 2
    if isclose(ends[0] + half_width, cell.value, abs_tol=1e-9 * max(1.0, half_width)):
        return replace(cell, half_width=half_width)
    return replace(cell, interval=ends)


def without_empty_columns(table: TableSpec) -> TableSpec:
    """The same table without the columns that no row fills, and one note that says which and why.

    A column and those that stand beside it ("fid" and "fid:paper") go together.
    """
    filled = {
        _metric_of(key)
        for _, _, row in table.rows()
        for key, cell in row.cells.items()
        if cell.value is not None
    }
    empty = [column for column in table.columns if _metric_of(column.key) not in filled]
    if not empty:
        return table

    columns = tuple(column for column in table.columns if _metric_of(column.key) in filled)
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
    texts = [note for column in table.columns for note in column.notes]
    for _, _, row in table.rows():
        texts += row.notes
        texts += [
            note for column in table.columns for note in row.cells.get(column.key, Cell()).notes
        ]
    return {text: _mark(index) for index, text in enumerate(dict.fromkeys(texts))}


def _rules(table: TableSpec, ties: TiePolicy) -> list[str]:
    """The rules that a reader needs for the marks in the table."""
    keys = {column.key for column in table.columns if column.higher_is_better is not None}
    shown = [
        cell
        for _, _, row in table.rows()
        for key, cell in row.cells.items()
        if cell.value is not None
    ]
    compared = [
        cell
        for _, _, row in table.rows()
        if row.ranked
        for key, cell in row.cells.items()
        if key in keys and cell.value is not None
    ]

    few = any(cell.coverage is not None and cell.coverage.is_few for cell in compared)
    rules = [BOLD[ties]] if any(cell.may_rank for cell in compared) else []
    rules += [NO_BOLD] if few else []
    rules += [PARTIAL] if any(cell.is_partial for cell in shown) else []
    return rules + (
        [ROUGH] if table.show_intervals and any(cell.is_rough for cell in shown) else []
    )


def _metric_of(key: str) -> str:
    """ "fid" of "fid" and of "fid:paper"."""
    return key.partition(":")[0]


def _why_empty(table: TableSpec, column: Column) -> list[str]:
    """What the cells of an empty column say, or the column itself."""
    said = [note for _, _, row in table.rows() for note in row.cells.get(column.key, Cell()).notes]
    return list(dict.fromkeys(said)) or [column.empty or f"{column.label}: no row has it."]


def _rank_group(group: Group, columns: Sequence[Column], ties: TiePolicy) -> Group:
    best = {column.key: _best_rows(group, column, ties) for column in columns}
    rows = []
    for index, row in enumerate(group.rows):
        cells = {
            key: replace(cell, best=index in best.get(key, ())) if cell.best is None else cell
            for key, cell in row.cells.items()
        }
        rows.append(replace(row, cells=cells))
    return replace(group, rows=tuple(rows))


def _best_rows(group: Group, column: Column, ties: TiePolicy) -> set[int]:
    """Indices of the best rows of one column; empty when the column is not ranked or holds no
    value.
    """
    values = {
        index: cell.value
        for index, row in enumerate(group.rows)
        if row.ranked
        and (cell := row.cells.get(column.key, Cell())).may_rank
        and cell.value is not None
    }
    if column.higher_is_better is None or not values:
        return set()
    choose = max if column.higher_is_better else min
    winner = choose(values, key=lambda index: values[index])
    if ties == "within-noise":
        return {index for index in values if not _significant(group, column, winner, index)}
    if ties == "displayed":
        return {
            index
            for index, value in values.items()
            if column.show(value) == column.show(values[winner])
        }
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
