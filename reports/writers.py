"""A ranked table as Markdown, CSV, HTML or JSON; text from data is escaped for its format."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from reports.latex import to_latex
from reports.table import Cell, Column, Row, TableSpec, footnotes, without_empty_columns

ARROWS = {True: " ↑", False: " ↓", None: ""}
DASH = "–"
CSV_SUFFIXES = ("", "_low", "_high", "_videos", "_ranks", "_best", "_note")


def to_markdown(table: TableSpec) -> str:
    """A GitHub-style table with the notes below it; columns that no row fills are left out."""
    table = without_empty_columns(table)
    marks = footnotes(table)
    columns = table.columns
    head = [
        _md(table.head),
        *(
            _md(column.label) + ARROWS[column.higher_is_better] + _sup(column.notes, marks)
            for column in columns
        ),
    ]
    lines = [
        f"**{_md(table.caption)}.** {_md(table.stamp)}".strip(),
        "",
        _md_line(head),
        _md_line([":--", *["--:"] * len(columns)]),
    ]
    for block in table.blocks:
        lines += (
            [_md_line([f"**{_md(block.title)}**", *[""] * len(columns)])] if block.title else []
        )
        for group in block.groups:
            lines += [
                _md_line(
                    [
                        _md(row.label) + _sup(row.notes, marks),
                        *(_md_cell(row.cells.get(c.key, Cell()), c, table, marks) for c in columns),
                    ]
                )
                for row in group.rows
            ]
    lines += [
        "",
        *(f"- {_md(note)}" for note in table.notes),
        *(f"- <sup>{mark}</sup> {_md(note)}" for note, mark in marks.items()),
    ]
    return "\n".join(lines) + "\n"


def to_csv(table: TableSpec) -> str:
    """One line per row, full precision; text that a spreadsheet would run as a formula begins with
    an apostrophe.

    Of each column: the value, the ends of its interval, its videos, whether it may be ranked and is
    best, its notes.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "block",
            "method",
            "T",
            *(
                _formula_safe(f"{column.key}{suffix}")
                for column in table.columns
                for suffix in CSV_SUFFIXES
            ),
            "note",
        ]
    )
    for block, _, row in table.rows():
        values: list[object] = []
        for column in table.columns:
            cell = row.cells.get(column.key, Cell())
            low, high = cell.ends or (None, None)
            n_videos = None if cell.coverage is None else cell.coverage.n_videos
            values += [
                cell.value,
                low,
                high,
                n_videos,
                cell.may_rank,
                bool(cell.best),
                _formula_safe("; ".join(cell.notes)),
            ]
        writer.writerow(
            [
                _formula_safe(block.title),
                _formula_safe(row.method),
                row.T,
                *values,
                _formula_safe("; ".join(row.notes)),
            ]
        )
    return out.getvalue()


def to_html(table: TableSpec) -> str:
    """An accessible <table> fragment with caption, column and row headers, and the notes as a list.

    Columns that no row fills are left out.
    """
    table = without_empty_columns(table)
    marks = footnotes(table)
    head = "".join(
        f'<th scope="col">{html.escape(c.label)}{ARROWS[c.higher_is_better]}{_sup(c.notes, marks)}</th>'
        for c in table.columns
    )
    stamp = f" <strong>{html.escape(table.stamp)}</strong>" if table.stamp else ""
    lines = [
        f"<table><caption>{html.escape(table.caption)}.{stamp}</caption>",
        f'<thead><tr><th scope="col">{html.escape(table.head)}</th>{head}</tr></thead>',
    ]
    for block in table.blocks:
        title = f'<tr><th scope="rowgroup" colspan="{len(table.columns) + 1}">{html.escape(block.title)}</th></tr>'
        lines += ["<tbody>" + (title if block.title else "")]
        lines += [_html_row(row, table, marks) for group in block.groups for row in group.rows]
        lines += ["</tbody>"]
    notes = [html.escape(note) for note in table.notes]
    notes += [f"<sup>{mark}</sup> {html.escape(note)}" for note, mark in marks.items()]
    lines += [
        "</table>",
        '<ul class="notes">' + "".join(f"<li>{note}</li>" for note in notes) + "</ul>",
    ]
    return "\n".join(lines) + "\n"


def to_json(table: TableSpec) -> str:
    """Everything in the table, unrounded, with the printed text beside it."""
    value: dict[str, Any] = {
        "caption": table.caption,
        "stamp": table.stamp,
        "columns": [
            {
                "key": c.key,
                "label": c.label,
                "higher_is_better": c.higher_is_better,
                "notes": c.notes,
            }
            for c in table.columns
        ],
        "rows": [
            {
                "block": block.title,
                "method": row.method,
                "T": row.T,
                "ranked": row.ranked,
                "notes": row.notes,
                "cells": {
                    c.key: _json_cell(row.cells.get(c.key, Cell()), c) for c in table.columns
                },
            }
            for block, _, row in table.rows()
        ],
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
    """ "± 0.04", "[0.70, 1.00]" where the metric's range cuts it, with a star over few videos; ""
    without one.
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


def _md_cell(cell: Cell, column: Column, table: TableSpec, marks: Mapping[str, str]) -> str:
    text = show(cell, column, interval=table.show_intervals)
    text = _md(text)
    return (f"**{text}**" if cell.best else text) + _sup(cell.notes, marks)


def _html_row(row: Row, table: TableSpec, marks: Mapping[str, str]) -> str:
    cells = []
    for column in table.columns:
        cell = row.cells.get(column.key, Cell())
        text = show(cell, column, interval=table.show_intervals)
        cells.append(
            f"<td>{f'<strong>{text}</strong>' if cell.best else text}{_sup(cell.notes, marks)}</td>"
        )
    return f'<tr><th scope="row">{html.escape(row.label)}{_sup(row.notes, marks)}</th>{"".join(cells)}</tr>'


def _sup(notes: tuple[str, ...], marks: Mapping[str, str]) -> str:
    return f"<sup>{','.join(marks[note] for note in notes)}</sup>" if notes else ""


def _json_cell(cell: Cell, column: Column) -> dict[str, Any]:
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
