"""The HTML report: one folder that opens from disk, works offline, and loads nothing from anywhere
else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.drivers import Ranking, drivers_text, rankings
from reports.figures import Rule, people
from reports.latex import to_latex
from reports.media import Clip, Comparison, clips, comparisons, failures, has_pictures
from reports.plots import Plot, plots
from reports.published import display_name
from reports.results import Results, Time, open_all
from reports.svg import inline_svg
from reports.table import Cell, TableSpec, footnotes, ranked, without_empty_columns
from reports.tables import table1
from reports.time_table import table2
from reports.worst import Worst, judge_of, worst_cases
from reports.writers import WRITERS, show, show_interval
from thbench.errors import ThbenchError
from thbench.files import atomic_folder
from thbench.runs import REAL, Unit

TEMPLATES = Path(__file__).parent / "templates"
DOWNLOADS = {"latex": "tex", "markdown": "md", "csv": "csv", "json": "json"}
MARKER = "thbench-report"
TOP_DRIVERS = 5  # shown of each head; all of them are in the table to download


@dataclass(frozen=True)
class _RunPart:
    """Everything that the page shows of one run; key is unique in the page and begins every id."""

    key: str
    results: Results
    names: Mapping[str, str]
    warning: str
    plots: Mapping[str, Sequence[tuple[Plot, Markup]]]
    comparisons: Sequence[Comparison]
    rule: str
    clips: Sequence[Clip]
    judge: str
    worst: Sequence[Worst]
    failures: Sequence[tuple[Unit, str]]
    times: Sequence[Time]
    rankings: Sequence[Ranking]


def write_report(
    paths: Sequence[Path],
    output: Path,
    *,
    with_paper: bool = False,
    allow_mixed: bool = False,
    rows: int = 4,
    seed: int = 0,
    films: Mapping[Path, str] | None = None,
) -> Path:
    """Writes the folder `output` (replacing an earlier report) and returns its index.html.

    films are videos to play in the page, each with what it shows. rows people are drawn at random
    by `seed` for the comparison. Unscored and unfinished runs get a page that says so. Raises
    `ThbenchError` for folders that are no runs, runs that may not share a table, and an `output`
    that exists and is no report.
    """
    runs = open_all(paths)
    if (
        output.exists()
        and not (output / f".{MARKER}").exists()
        and (not output.is_dir() or any(output.iterdir()))
    ):
        raise ThbenchError(f"{output} exists and is no report; choose another folder")
    with atomic_folder(output) as page:
        (page / f".{MARKER}").touch()
        tables = _tables(runs, with_paper, allow_mixed)
        downloads = {name: _write_table(page, name, table) for name, table in tables.items()}
        timed_apart = [time for run in runs if not run.is_scored for time in run.times]
        rule = Rule(rows=rows, seed=seed)
        parts = [
            _run_part(f"run{index}", run, page, run.times or timed_apart, rule)
            for index, run in enumerate(runs)
        ]
        shown = [(_copied(film, page), caption) for film, caption in (films or {}).items()]
        (page / "index.html").write_text(_render(parts, tables, downloads, shown), encoding="utf-8")
    return output / "index.html"


def _copied(film: Path, page: Path) -> str:
    """Copies a film into the page; returns its path there."""
    (page / "media").mkdir(exist_ok=True)
    shutil.copyfile(film, page / "media" / film.name)
    return f"media/{film.name}"


def _tables(runs: Sequence[Results], with_paper: bool, allow_mixed: bool) -> dict[str, TableSpec]:
    scored, timed = [run for run in runs if run.is_scored], [run for run in runs if run.times]
    tables = {}
    if scored:
        tables["scores"] = ranked(
            table1(scored, with_paper=with_paper, intervals=True, allow_mixed=allow_mixed),
            "within-noise",
        )
    if timed:
        tables["times"] = ranked(
            table2(timed, with_paper=with_paper, intervals=True, allow_mixed=allow_mixed)
        )
    return tables


def _write_table(page: Path, name: str, table: TableSpec) -> dict[str, str]:
    """Writes the table in every format; format -> path relative to the page."""
    folder = page / "tables"
    folder.mkdir(exist_ok=True)
    files = {}
    for format, suffix in DOWNLOADS.items():
        text = to_latex(table) if format == "latex" else WRITERS[format](table)
        (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")
        files[format] = f"tables/{name}.{suffix}"
    return files


def _run_part(key: str, run: Results, page: Path, times: Sequence[Time], rule: Rule) -> _RunPart:
    names = {label: display_name(label, method["spec"]) for label, method in run.methods.items()}
    judge, worst = "", list[Worst]()
    compared, animated = list[Comparison](), list[Clip]()
    drawn = dict[str, list[tuple[Plot, Markup]]]()
    for plot in plots(run, (), times) if run.is_scored else ():
        drawn.setdefault(plot.metric, []).append(
            (plot, Markup(inline_svg(plot, f"{key}-{plot.name}")))
        )
    if has_pictures(run):
        compared = comparisons(run, page, f"media/{key}/compare", rule)
        animated = clips(run, page, f"media/{key}/clips", run.videos[0])
    if has_pictures(run) and run.is_scored:
        judge = run.metrics[name].label if (name := judge_of(run)) else ""
        worst = worst_cases(run, page, f"media/{key}/worst")
    told = f"{people(len(compared))} and one hold-out frame of each, drawn at random (seed {rule.seed})"
    ranked = rankings(run, TOP_DRIVERS) if run.is_scored else []
    if ranked:
        (page / "tables").mkdir(exist_ok=True)
        (page / "tables" / f"{key}-drivers.csv").write_text(
            drivers_text(run.path, format="csv"), encoding="utf-8"
        )
    return _RunPart(
        key,
        run,
        names,
        run.warning(),
        drawn,
        compared,
        told,
        animated,
        judge,
        worst,
        failures(run),
        run.times,
        ranked,
    )


def _render(
    parts: Sequence[_RunPart],
    tables: Mapping[str, TableSpec],
    downloads: Mapping[str, Mapping[str, str]],
    films: Sequence[tuple[str, str]],
) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = {name: without_empty_columns(table) for name, table in tables.items()}
    environment.filters["cell_text"] = _cell_text
    environment.filters["interval_text"] = show_interval
    environment.filters["pretty_json"] = lambda value: json.dumps(
        value, indent=1, ensure_ascii=False, default=str
    )
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    policy = (
        f"default-src 'none'; img-src 'self' file:; media-src 'self' file:; style-src {_hash(css)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("report.html").render(
        parts=parts,
        tables=shown,
        films=films,
        downloads=downloads,
        marks={name: footnotes(table) for name, table in shown.items()},
        css=Markup(css),
        script=Markup(script),
        policy=policy,
        real=REAL,
        empty=Cell(),
    )


def _cell_text(cell: Cell, column: Any) -> str:
    return show(cell, column, interval=False)


def _hash(text: str) -> str:
    """A CSP source that allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
