"""A table as LaTeX that needs no package but booktabs, whatever the names in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from reports.latin import in_latin
from reports.table import Block, Cell, Column, Group, Row, TableSpec, footnotes

MAX_ROWS = 40  # rows that fit on one page with caption and notes
ARROWS = {True: r"$\uparrow$", False: r"$\downarrow$", None: ""}

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": "{`}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",  # after \\ these would be read as its arguments
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "’": "'",
    "‘": "{`}",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "°": r"$^\circ$",
    "·": r"$\cdot$",
    "µ": r"$\mu$",
    "∞": r"$\infty$",
    "′": "$'$",
    "−": "$-$",
    "²": "$^2$",
    "³": "$^3$",
}
_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "λ": "lambda",
    "μ": "mu",
    "ξ": "xi",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "φ": "phi",
    "χ": "chi",
    "ψ": "psi",
    "ω": "omega",
    "Δ": "Delta",
    "Σ": "Sigma",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
_LATIN = "ßæøåœÆØÅŒçÇłŁ"
_ACCENTS = "\u0300\u0301\u0302\u0303\u0308\u030c"  # ` ´ ^ ~ ¨ ˇ


def to_latex(table: TableSpec, *, standalone: bool = False) -> str:
    """LaTeX of a ranked table; more than `MAX_ROWS` rows go to several floats.

    standalone wraps it in a document that compiles by itself.
    """
    pages = list(_pages(table))
    marks = footnotes(table)
    floats = [_float(page, marks, number, len(pages)) for number, page in enumerate(pages)]
    body = "% needs \\usepackage{booktabs}\n" + "\n".join(floats)
    if not standalone:
        return body

    return (
        "\\documentclass{article}\n"
        "\\usepackage[a4paper,margin=15mm]{geometry}\n"
        "\\usepackage{booktabs}\n"
        f"\\begin{{document}}\n{body}\\end{{document}}\n"
    )


def escape(text: str) -> str:
    """Any text as LaTeX that prints it.

    Characters that LaTeX's fonts lack are printed in Latin letters: "方法" becomes "FangFa".
    """
    flat = unicodedata.normalize("NFC", " ".join(text.split()))
    escaped = "".join(_character(character) for character in flat)
    return re.sub("-(?=-)", "-{}", escaped)


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else ""
    if character in _GREEK:
        return rf"$\{_GREEK[character]}$"
    if character in _LATIN or _is_accented_ascii(character):
        return character
    return "".join(_SPECIAL.get(letter, letter) for letter in in_latin(character))


def _is_accented_ascii(character: str) -> bool:
    decomposed = unicodedata.normalize("NFD", character)
    return len(decomposed) == 2 and decomposed[0].isascii() and decomposed[1] in _ACCENTS


def _float(table: TableSpec, marks: Mapping[str, str], number: int, n_pages: int) -> str:
    used = [note for note in marks if note in footnotes(table)]
    continued = f" ({number + 1} of {n_pages})" if n_pages > 1 else ""
    stamp = rf" \textbf{{{escape(table.stamp)}}}" if table.stamp else ""
    head = [escape(table.head), *(_head(column, marks) for column in table.columns)]

    lines = [
        r"\begin{table}[p]" if n_pages > 1 else r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escape(table.caption)}{continued}.{stamp}}}",
        rf"\label{{{table.label}{f'-{number + 1}' if number else ''}}}",
        r"\smallskip",
        *_size(table),
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{\hskip 1em}}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
    ]
    for block in table.blocks:
        lines += _block(block, table, marks)

    lines += [r"\bottomrule", r"\end{tabular}", *_notes(table, used, marks), r"\end{table}", ""]
    return "\n".join(lines)


def _size(table: TableSpec) -> list[str]:
    """Smaller letters where the columns would not fit the page."""
    n_figures = len(table.columns) * (2 if table.show_intervals else 1)
    if n_figures > 10:
        return [r"\scriptsize", r"\setlength{\tabcolsep}{4pt}"]
    return [r"\small"] if n_figures > 5 else []


def _head(column: Column, marks: Mapping[str, str]) -> str:
    mark = _superscript(column.notes, marks)
    text = escape(column.label) + ARROWS[column.higher_is_better] + mark
    return rf"\multicolumn{{1}}{{c}}{{{text}}}"


def _block(block: Block, table: TableSpec, marks: Mapping[str, str]) -> list[str]:
    lines = [r"\midrule"]
    if block.title:
        lines += [
            rf"\multicolumn{{{len(table.columns) + 1}}}{{c}}{{{escape(block.title)}}} \\",
            r"\midrule",
        ]
    for number, group in enumerate(block.groups):
        lines += [r"\addlinespace"] if number else []
        lines += [_row(row, table, marks) for row in group.rows]
    return lines


def _row(row: Row, table: TableSpec, marks: Mapping[str, str]) -> str:
    label = escape(row.label) + _superscript(row.notes, marks)
    cells = [_cell(row.cell(column), column, table, marks) for column in table.columns]
    return " & ".join([label, *cells]) + r" \\"


def _cell(cell: Cell, column: Column, table: TableSpec, marks: Mapping[str, str]) -> str:
    text = "--" if cell.value is None else _value(cell, column, cell.value)
    if cell.value is not None and table.show_intervals and cell.ends:
        text += f" {_interval(cell, column)}"

    mark = _superscript(cell.notes, marks)
    return text + (rf"\rlap{{{mark}}}" if mark else "")


def _value(cell: Cell, column: Column, value: float) -> str:
    text = _signed(column.show(value))
    text = rf"\textbf{{{text}}}" if cell.best else text
    return f"({text})" if cell.is_partial else text


def _signed(number: str) -> str:
    """A number with a minus sign instead of a hyphen."""
    return f"$-${number[1:]}" if number.startswith("-") else number


def _interval(cell: Cell, column: Column) -> str:
    star = "{*}" if cell.is_rough else ""
    if cell.half_width is not None:
        return rf"$\pm$ {column.show(cell.half_width)}{star}"
    low, high = cell.ends or (0.0, 0.0)
    return f"{{[}}{_signed(column.show(low))}, {_signed(column.show(high))}{{]}}{star}"


def _superscript(notes: tuple[str, ...], marks: Mapping[str, str]) -> str:
    if not notes:
        return ""
    return rf"\textsuperscript{{{','.join(marks[note] for note in notes)}}}"


def _notes(table: TableSpec, used: list[str], marks: Mapping[str, str]) -> list[str]:
    if not used and not table.notes:
        return []

    lines = [escape(note) for note in table.notes]
    lines += [rf"\textsuperscript{{{marks[note]}}}\,{escape(note)}" for note in used]
    return [
        r"\par\smallskip",
        r"\begin{minipage}{0.9\linewidth}\footnotesize\raggedright",
        " \\\\\n".join(lines),
        r"\end{minipage}",
    ]


def _pages(table: TableSpec) -> Iterator[TableSpec]:
    """Splits a long table where blocks and groups end, or inside a group where it must."""
    if sum(1 for _ in table.rows()) <= MAX_ROWS:
        yield table
        return

    page: list[Block] = []
    n_rows = 0
    for title, piece in _pieces(table):
        if n_rows and n_rows + len(piece.rows) > MAX_ROWS:
            yield replace(table, blocks=tuple(page))
            page, n_rows = [], 0

        if page and page[-1].title == title:
            page[-1] = replace(page[-1], groups=(*page[-1].groups, piece))
        else:
            page.append(Block(title, (piece,)))
        n_rows += len(piece.rows)

    yield replace(table, blocks=tuple(page))


def _pieces(table: TableSpec) -> Iterator[tuple[str, Group]]:
    """Every group with the title of its block, in parts that fit on one page."""
    for block in table.blocks:
        for group in block.groups:
            for part in _parts(group):
                yield block.title, part


def _parts(group: Group) -> Iterator[Group]:
    rows = iter(group.rows)
    while part := tuple(islice(rows, MAX_ROWS)):
        yield replace(group, rows=part)
