"""Ranking, rounding, ties and footnotes, apart from any run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.ranking import TiePolicy, ranked
from reports.table import Block, Cell, Column, Group, Row, TableSpec, footnotes

FID = Column("fid", "FID", higher_is_better=False, decimals=1)


def _table(*values: float | None, column: Column = FID, **group: object) -> TableSpec:
    rows = tuple(Row(f"m{i}", {column.key: Cell(value, se=1.0)}) for i, value in enumerate(values))
    return TableSpec("c", "l", "Method", (column,), (Block("", (Group(rows, **group),)),))  # type: ignore[arg-type]


def _best(table: TableSpec, ties: TiePolicy = "displayed") -> set[int]:
    return {
        i
        for i, (_, _, row) in enumerate(ranked(table, ties).rows())
        for cell in row.cells.values()
        if cell.best
    }


def test_cells_that_print_alike_are_all_best_unless_ties_are_exact() -> None:
    table = _table(42.24, 42.16, 43.0)
    assert _best(table) == {0, 1}
    assert _best(table, "exact") == {1}


def test_within_noise_keeps_whatever_is_not_significantly_worse() -> None:
    assert _best(_table(42.0, 44.0, 46.0), "within-noise") == {0, 1}  # 2 * hypot(1, 1) = 2.83
    paired = {("fid", "m1", "m0"): 0.01, ("fid", "m0", "m2"): 0.2}
    assert _best(_table(42.0, 44.0, 46.0, p_values=paired), "within-noise") == {0, 2}


def test_values_without_an_error_are_told_apart_by_the_value_alone() -> None:
    rows = tuple(Row(f"m{i}", {"fid": Cell(v)}) for i, v in enumerate((1.0, 1.1, 1.0)))
    table = TableSpec("c", "l", "h", (FID,), (Block("", (Group(rows),)),))
    assert _best(table, "within-noise") == {0, 2}


def test_missing_values_unranked_rows_and_neutral_columns_are_never_best() -> None:
    assert _best(_table(None, 3.0)) == {1}
    assert _best(_table(None, None)) == set()
    assert _best(_table(1.0, column=Column("n", "n", None))) == set()
    floor = TableSpec(
        "c",
        "l",
        "h",
        (FID,),
        (
            Block(
                "",
                (
                    Group(
                        (
                            Row("real", {"fid": Cell(0.1)}, ranked=False),
                            Row("m", {"fid": Cell(9.0)}),
                        )
                    ),
                ),
            ),
        ),
    )
    assert _best(floor) == {1}


def test_a_cell_that_says_itself_whether_it_is_best_keeps_its_word() -> None:
    rows = (Row("a", {"fid": Cell(42.2, best=False)}), Row("b", {"fid": Cell(42.2)}))
    assert _best(TableSpec("c", "l", "h", (FID,), (Block("", (Group(rows),)),))) == {1}


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.booleans())
def test_the_exact_best_is_best_under_every_policy(values: list[float], higher: bool) -> None:
    table = _table(*values, column=Column("x", "x", higher, 1))
    exact = _best(table, "exact")
    assert exact == {i for i, v in enumerate(values) if v == (max if higher else min)(values)}
    assert exact <= _best(table)
    assert exact <= _best(table, "within-noise")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0612, "0.061"),
        (33.916, "33.92"),
        (122.62, "122.6"),
        (258.0, "258.0"),
        (1234.5, "1234"),
        (7.5415, "7.542"),
        (0.0, "0.000"),
    ],
)
def test_times_print_four_significant_digits_and_at_most_three_decimals(
    value: float, text: str
) -> None:
    assert Column("t", "t", False, decimals=3, significant=4).show(value) == text


def test_no_value_prints_as_minus_zero() -> None:
    assert Column("x", "x", True, 2).show(-0.001) == "0.00"


def test_footnotes_are_numbered_once_in_reading_order() -> None:
    column = Column("fid", "FID", False, notes=("network",))
    rows = (
        Row("a", {"fid": Cell(None, notes=("why",))}, notes=("fair",)),
        Row("b", {"fid": Cell(None, notes=("why", "again"))}),
    )
    table = TableSpec("c", "l", "h", (column,), (Block("", (Group(rows),)),))
    assert footnotes(table) == {"network": "a", "fair": "b", "why": "c", "again": "d"}
    many = tuple(Row(str(i), {}, notes=(str(i),)) for i in range(28))
    marks = footnotes(TableSpec("", "", "", (), (Block("", (Group(many),)),)))
    assert list(marks.values())[25:] == ["z", "aa", "ab"]
