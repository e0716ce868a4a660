"""The five formats: every name survives its format, and LaTeX compiles."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_run import SPECIAL_NAMES, make_run

from reports.emit import FORMATS, table_text
from reports.latex import escape, to_latex
from reports.ranking import ranked
from reports.table import Block, Cell, Column, Group, Row, TableSpec
from reports.writers import to_csv, to_html, to_json, to_markdown

needs_tex = pytest.mark.skipif(
    not shutil.which("pdflatex"), reason="pdflatex is not installed (texlive-latex-recommended)"
)


def _table(name: str, note: str = "", value: float | None = 0.5) -> TableSpec:
    row = Row(name, {"x": Cell(value, 0.1, notes=(note,) if note else ())}, T=8)
    blocks = (Block("Data", (Group((row,)),)),)
    return ranked(TableSpec("Caption", "tab:x", "Method", (Column("x", "X", True),), blocks))


def _compile(tex: str, folder: Path) -> str:
    """Compiles and returns the text of the PDF."""
    (folder / "t.tex").write_text(tex, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-1500:]
    assert b"Overfull" not in done.stdout
    if not shutil.which("pdftotext"):
        return ""
    return subprocess.run(
        ["pdftotext", "-layout", "t.pdf", "-"],
        cwd=folder,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


@needs_tex
def test_a_run_with_every_special_character_compiles_and_reads_back(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", methods=SPECIAL_NAMES, T=(1, 8), dataset="My data_set & 50%", images=False
    )
    text = _compile(table_text([run], standalone=True, with_paper=True, intervals=True), tmp_path)
    if text:
        for name in (
            "a_b & c%",
            "#1",
            "back\\slash <script>alert(1)</script>",
            "=HYPERLINK(1)",
            "My data_set & 50%",
            "FangFa",
            "--dash",
        ):
            assert re.search(re.escape(name).replace("_", ".?"), text), (
                name
            )  # the font draws _ as a rule


@needs_tex
def test_tables_of_twenty_methods_and_three_datasets_compile_onto_pages(tmp_path: Path) -> None:
    runs = [
        make_run(
            tmp_path / name, dataset=name, methods=[f"method-{i}" for i in range(20)], images=False
        )
        for name in ("VoxCeleb1", "VoxCeleb2", "synth")
    ]
    text = _compile(table_text(runs, standalone=True, intervals=True), tmp_path)
    if text:
        assert len(re.findall(r"method-\d+ \(\d+\)", text)) == 180
        assert "(5 of 6)" in text or "(4 of 5)" in text


@needs_tex
def test_bold_is_bold_in_the_pdf(tmp_path: Path) -> None:
    if not shutil.which("pdffonts"):
        pytest.skip("pdffonts is not installed (poppler-utils)")
    fonts = []
    for value in (0.5, None):
        _compile(to_latex(_table("m", value=value), standalone=True), tmp_path)
        fonts.append(
            subprocess.run(
                ["pdffonts", "t.pdf"], cwd=tmp_path, capture_output=True, check=True
            ).stdout
        )
    assert b"CMBX10" in fonts[0]
    assert b"CMBX10" not in fonts[1]


@needs_tex
@settings(max_examples=3, deadline=None)
@given(names=st.lists(st.text(max_size=12), min_size=40, max_size=40))
def test_any_text_compiles(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = tuple(Row(name, {"x": Cell(0.5, notes=(name,) if name else ())}) for name in names)
    table = TableSpec(
        names[0],
        "t",
        names[1],
        (Column("x", names[2], True),),
        (Block(names[3], (Group(rows),)),),
        (),
    )
    tex = to_latex(table, standalone=True)
    folder = tmp_path_factory.mktemp("any")
    (folder / "t.tex").write_text(tex, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-1500:]


@settings(deadline=None)
@given(st.text())
def test_escaped_latex_holds_no_active_character(text: str) -> None:
    bare = re.sub(r"\\[a-zA-Z]+(\{\})?|\\[&%$#_{}]|\$[^$]*\$|\{[`\[\]*]\}|-\{\}", "", escape(text))
    assert not set(bare) & set('&%$#_{}~^\\[]*<>|"')
    assert "\n" not in escape(text)


@settings(deadline=None)
@given(st.text(min_size=1))
def test_csv_reads_back_and_never_starts_a_formula(name: str) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(_table(name, note=name)), newline="")))
    assert len(rows) == 2
    method = rows[1][1]
    assert method.removeprefix("'") == " ".join(name.split()).removeprefix("'")
    assert method[:1] not in tuple("=+-@")
    assert float(rows[1][3]) == 0.5


@settings(deadline=None)
@given(st.text(min_size=1))
def test_html_shows_exactly_the_name(name: str) -> None:
    seen: list[tuple[str, str]] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            seen.append(("tag", tag))

        def handle_data(self, data: str) -> None:
            seen.append(("text", data))

    Reader().feed(to_html(_table(name, note=name)))
    assert {tag for kind, tag in seen if kind == "tag"} <= {
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "sup",
        "ul",
        "li",
    }
    shown = "".join(text for kind, text in seen if kind == "text")
    plain = (
        name.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
    assert plain in shown or any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def test_latex_prints_names_of_other_scripts_in_latin_letters() -> None:
    assert escape("方法 Жук é λ") == r"FangFa Zhuk é $\lambda$"
    assert escape("😀_\ue000") == r":grinning:\_U+E000"


def test_markdown_escapes_cells() -> None:
    text = to_markdown(_table("a|b *c* <i>\nd"))
    assert r"a\|b \*c\* &lt;i&gt; d (8)" in text


def test_json_is_strict_and_holds_the_unrounded_values() -> None:
    value = json.loads(to_json(_table("m", value=0.123456)))
    cell = value["rows"][0]["cells"]["x"]
    assert (cell["value"], cell["text"], cell["best"]) == (0.123456, "0.12", True)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_names_every_method(format: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("alpha", "beta"), timing=True, images=False)
    for table in ("1", "2", "ablation"):
        text = table_text([run], table, format=format, intervals=True)  # type: ignore[arg-type]
        assert text.endswith("\n")
        assert "alpha" in text
        assert "beta" in text
