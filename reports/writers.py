"""A ranked table as Markdown, CSV, HTML or JSON; text from data is escaped for its format."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping

from reports.latex import to_latex
from reports.table import Block, Cell, Column, Row, TableSpec, footnotes, without_empty_columns

ARROWS = {True: " ↑", False: " ↓", None: ""}
DASH = "–"
CSV_SUFFIXES = ("", "_low", "_high", "_videos", "_ranks", "_best", "_note")


def to_markdown(table: TableSpec) -> str:
    """A GitHub-style table with the notes below it; columns that no row fills are left out."""
    table = without_empty_columns(table)
    marks = footnotes(table)
    n_columns = len(table.columns)

    lines = [
        f"**{_md(table.caption)}.** {_md(table.stamp)}".strip(),
        "",
        _md_line([_md(table.head), *(_md_head(column, marks) for column in table.columns)]),
        _md_line([":--", *["--:"] * n_columns]),
    ]
    for block in table.blocks:
        if block.title:
            lines.append(_md_line([f"**{_md(block.title)}**", *[""] * n_columns]))
        lines += [_md_row(row, table, marks) for group in block.groups for row in group.rows]

    lines.append("")
    lines += [f"- {_md(note)}" for note in table.notes]
    lines += [f"- <sup>{mark}</sup> {_md(note)}" for note, mark in marks.items()]
    return "\n".join(lines) + "\n"


def to_csv(table: TableSpec) -> str:
    """One line per row, full precision; text that a spreadsheet would run as a formula begins with
    an apostrophe.

    Of each column: the value, the ends of its interval, its videos, whether it may be ranked and is
    best, its notes.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")

    keys = [f"{column.key}{suffix}" for column in table.columns for suffix in CSV_SUFFIXES]
    writer.writerow(["block", "method", "T", *map(_formula_safe, keys), "note"])

    for block, _, row in table.rows():
        values = [value for column in table.columns for value in _csv_cell(row.cell(column))]
        names = [_formula_safe(block.title), _formula_safe(row.method)]
        writer.writerow([*names, row.T, *values, _formula_safe("; ".join(row.notes))])

    return out.getvalue()


def to_html(table: TableSpec) -> str:
    """An accessible <table> fragment with caption, column and row headers, and the notes as a list.

    Columns that no row fills are left out.
    """
    table = without_empty_columns(table)
    marks = footnotes(table)
    head = "".join(_html_head(column, marks) for column in table.columns)
    stamp = f" <strong>{html.escape(table.stamp)}</strong>" if table.stamp else ""

    lines = [
        f"<table><caption>{html.escape(table.caption)}.{stamp}</caption>",
        f'<thead><tr><th scope="col">{html.escape(table.head)}</th>{head}</tr></thead>',
    ]
    for block in table.blocks:
        lines.append("<tbody>" + _html_title(block, len(table.columns)))
        lines += [_html_row(row, table, marks) for group in block.groups for row in group.rows]
        lines.append("</tbody>")
    lines.append("</table>")

    notes = [html.escape(note) for note in table.notes]
    notes += [f"<sup>{mark}</sup> {html.escape(note)}" for note, mark in marks.items()]
    items = "".join(f"<li>{note}</li>" for note in notes)
    lines.append(f'<ul class="notes">{items}</ul>')
    return "\n".join(lines) + "\n"


def to_json(table: TableSpec) -> str:
    """Everything in the table, unrounded, with the printed text beside it."""
    value = {
        "caption": table.caption,
        "stamp": table.stamp,
        "columns": [_json_column(column) for column in table.columns],
        "rows": [_json_row(block, row, table) for block, _, row in table.rows()],
        "notes": table.notes,
    }
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


WRITERS: Mapping[str, Callable[[TableSpec], str]] = {
    "latex": to_latex,
    "markdown": to_markdown,
    "csv": to_csv,
    "html": to_html,
    "json": to_json,
}


def show(cell: Cell, column: Column, *, interval: bool) -> str:
    """The plain text of a cell: "0.62", "(0.62)", "0.62 ± 0.04", "0.95 [0.70, 1.00]*" or a dash."""
    if cell.value is None:
        return DASH

    value = column.show(cell.value)
    value = f"({value})" if cell.is_partial else value
    width = show_interval(cell, column) if interval else ""
    return f"{value} {width}" if width else value


def show_interval(cell: Cell, column: Column) -> str:
    """The interval of a cell: "± 0.04", or "[0.70, 1.00]" where the metric's range cuts it, with a
    star over few videos; "" without one.
    """
    if cell.ends is None:
        return ""

    low, high = cell.ends
    text = f"[{column.show(low)}, {column.show(high)}]"
    if cell.half_width is not None:
        text = f"± {column.show(cell.half_width)}"
    return text + ("*" if cell.is_rough else "")


def _md_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _md(text: str) -> str:
    flat = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", flat)


def _md_head(column: Column, marks: Mapping[str, str]) -> str:
    return _md(column.label) + ARROWS[column.higher_is_better] + _sup(column.notes, marks)


def _md_row(row: Row, table: TableSpec, marks: Mapping[str, str]) -> str:
    label = _md(row.label) + _sup(row.notes, marks)
    cells = [_md_cell(row.cell(column), column, table, marks) for column in table.columns]
    return _md_line([label, *cells])


def _md_cell(cell: Cell, column: Column, table: TableSpec, marks: Mapping[str, str]) -> str:
    text = _md(show(cell, column, interval=table.show_intervals))
    return (f"**{text}**" if cell.best else text) + _sup(cell.notes, marks)


def _csv_cell(cell: Cell) -> list[object]:
    """The fields of a cell in the order of `CSV_SUFFIXES`."""
    low, high = cell.ends or (None, None)
    n_videos = None if cell.coverage is None else cell.coverage.n_videos
    notes = _formula_safe("; ".join(cell.notes))
    return [cell.value, low, high, n_videos, cell.may_rank, bool(cell.best), notes]


def _html_head(column: Column, marks: Mapping[str, str]) -> str:
    label = html.escape(column.label) + ARROWS[column.higher_is_better]
    return f'<th scope="col">{label}{_sup(column.notes, marks)}</th>'


def _html_title(block: Block, n_columns: int) -> str:
    """The row that names a block, "" for one without a title."""
    if not block.title:
        return ""
    span = f'scope="rowgroup" colspan="{n_columns + 1}"'
    return f"<tr><th {span}>{html.escape(block.title)}</th></tr>"


def _html_row(row: Row, table: TableSpec, marks: Mapping[str, str]) -> str:
    label = html.escape(row.label) + _sup(row.notes, marks)
    cells = [_html_cell(row.cell(column), column, table, marks) for column in table.columns]
    return f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>'


def _html_cell(cell: Cell, column: Column, table: TableSpec, marks: Mapping[str, str]) -> str:
    text = show(cell, column, interval=table.show_intervals)
    text = f"<strong>{text}</strong>" if cell.best else text
    return f"<td>{text}{_sup(cell.notes, marks)}</td>"


def _sup(notes: tuple[str, ...], marks: Mapping[str, str]) -> str:
    return f"<sup>{','.join(marks[note] for note in notes)}</sup>" if notes else ""


def _json_column(column: Column) -> dict[str, object]:
    return {
        "key": column.key,
        "label": column.label,
        "higher_is_better": column.higher_is_better,
        "notes": column.notes,
    }


def _json_row(block: Block, row: Row, table: TableSpec) -> dict[str, object]:
    return {
        "block": block.title,
        "method": row.method,
        "T": row.T,
        "ranked": row.ranked,
        "notes": row.notes,
        "cells": {column.key: _json_cell(row.cell(column), column) for column in table.columns},
    }


def _json_cell(cell: Cell, column: Column) -> dict[str, object]:
    videos = None if cell.coverage is None else cell.coverage.n_videos
    return {
        "value": cell.value,
        "interval": cell.ends,
        "se": cell.se,
        "videos": videos,
        "ranks": cell.may_rank,
        "best": bool(cell.best),
        "text": show(cell, column, interval=False),
        "notes": cell.notes,
    }


def _formula_safe(text: str) -> str:
    flat = " ".join(text.split())
    return f"'{flat}" if flat.startswith(("=", "+", "-", "@")) else flat
