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

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.drivers import Ranking, drivers_text, rankings
from reports.media import Clip, Comparison, clips, comparisons, failures, has_pictures
from reports.picks import Rule, n_people
from reports.plot import Plot
from reports.plots import plots
from reports.ranking import ranked
from reports.results import Results, open_all
from reports.sections import method_name
from reports.svg import inline_svg
from reports.table import Cell, Column, TableSpec, footnotes, without_empty_columns
from reports.tables import table1
from reports.time_table import table2
from reports.worst import Worst, judge_of, worst_cases
from reports.writers import WRITERS, show, show_interval
from thbench.errors import ThbenchError
from thbench.files import atomic_folder
from thbench.records.timing import TimeRecord
from thbench.runs import Unit

TEMPLATES = Path(__file__).parent / "templates"
DOWNLOADS = {"latex": "tex", "markdown": "md", "csv": "csv", "json": "json"}
MARKER = ".thbench-report"  # a file that only reports have: such a folder may be replaced
TOP_DRIVERS = 5  # shown of each head; all of them are in the table to download


@dataclass(frozen=True)
class _RunPart:
    """Everything that the page shows of one run; key is unique in the page and begins every id.

    definition is what run.json says of protocol, methods and split, as text.
    """

    key: str
    results: Results
    names: Mapping[str, str]
    warning: str
    definition: str
    plots: Mapping[str, Sequence[tuple[Plot, Markup]]]
    comparisons: Sequence[Comparison]
    rule: str
    clips: Sequence[Clip]
    judge: str
    worst: Sequence[Worst]
    failures: Sequence[tuple[Unit, str]]
    times: Sequence[TimeRecord]
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
    `ThbenchError` for a folder that is not a run, runs that may not share a table, and an
    `output` that exists and is not a report.
    """
    runs = open_all(paths)
    _refuse_other_folders(output)
    rule = Rule(rows=rows, seed=seed)
    timed_apart = [time for run in runs if not run.is_scored for time in run.times]

    with atomic_folder(output) as page:
        (page / MARKER).touch()
        tables = _tables(runs, with_paper, allow_mixed)
        downloads = {name: _write_table(page, name, table) for name, table in tables.items()}
        parts = [
            _run_part(f"run{index}", run, page, run.times or timed_apart, rule)
            for index, run in enumerate(runs)
        ]
        shown = [(_copied(film, page), caption) for film, caption in (films or {}).items()]

        text = _rendered(parts, tables, downloads, shown)
        (page / "index.html").write_text(text, encoding="utf-8")

    return output / "index.html"


def _refuse_other_folders(output: Path) -> None:
    is_report = (output / MARKER).exists()
    is_empty = output.is_dir() and not any(output.iterdir())
    if output.exists() and not is_report and not is_empty:
        raise ThbenchError(f"{output} exists and is not a report; choose another folder")


def _copied(film: Path, page: Path) -> str:
    """Copies a film into the page; returns its path there."""
    (page / "media").mkdir(exist_ok=True)
    shutil.copyfile(film, page / "media" / film.name)
    return f"media/{film.name}"


def _tables(runs: Sequence[Results], with_paper: bool, allow_mixed: bool) -> dict[str, TableSpec]:
    scored = [run for run in runs if run.is_scored]
    timed = [run for run in runs if run.times]

    tables = {}
    if scored:
        scores = table1(scored, with_paper=with_paper, intervals=True, allow_mixed=allow_mixed)
        tables["scores"] = ranked(scores, "within-noise")
    if timed:
        times = table2(timed, with_paper=with_paper, intervals=True, allow_mixed=allow_mixed)
        tables["times"] = ranked(times)
    return tables


def _write_table(page: Path, name: str, table: TableSpec) -> dict[str, str]:
    """Writes the table in every format; format -> path relative to the page."""
    (page / "tables").mkdir(exist_ok=True)

    files = {}
    for format, suffix in DOWNLOADS.items():
        file = f"tables/{name}.{suffix}"
        (page / file).write_text(WRITERS[format](table), encoding="utf-8")
        files[format] = file
    return files


def _run_part(
    key: str, run: Results, page: Path, times: Sequence[TimeRecord], rule: Rule
) -> _RunPart:
    shows_pictures = has_pictures(run)
    shows_worst = shows_pictures and run.is_scored
    media = f"media/{key}"

    compared = comparisons(run, page, f"{media}/compare", rule) if shows_pictures else []
    animated = clips(run, page, f"{media}/clips", run.videos[0]) if shows_pictures else []
    worst = worst_cases(run, page, f"{media}/worst") if shows_worst else []
    judge = judge_of(run) if shows_worst else ""
    people = n_people(len(compared))
    told = f"{people} and one hold-out frame of each, drawn at random (seed {rule.seed})"

    return _RunPart(
        key=key,
        results=run,
        names={label: method_name(run, label) for label in run.methods},
        warning=run.warning(),
        definition=_definition(run),
        plots=_plots(key, run, times),
        comparisons=compared,
        rule=told,
        clips=animated,
        judge=run.metrics[judge].label if judge else "",
        worst=worst,
        failures=failures(run),
        times=run.times,
        rankings=_rankings(key, run, page),
    )


def _definition(run: Results) -> str:
    """Protocol, methods and split, word for word as run.json has them."""
    stored = run.stored
    shown = {
        "protocol": run.record.protocol.definition,
        **{name: stored[name] for name in ("methods", "split")},
    }
    return json.dumps(shown, indent=1, ensure_ascii=False)


def _plots(
    key: str, run: Results, times: Sequence[TimeRecord]
) -> dict[str, list[tuple[Plot, Markup]]]:
    """The plots of a scored run by the label of their metric, as SVG for the page."""
    if not run.is_scored:
        return {}

    drawn: dict[str, list[tuple[Plot, Markup]]] = {}
    for plot in plots(run, (), times):
        svg = Markup(inline_svg(plot, f"{key}-{plot.name}"))
        drawn.setdefault(plot.metric, []).append((plot, svg))
    return drawn


def _rankings(key: str, run: Results, page: Path) -> list[Ranking]:
    """The best drivers; where there are any, all of them go into a table beside the page."""
    found = rankings(run, TOP_DRIVERS) if run.is_scored else []
    if found:
        (page / "tables").mkdir(exist_ok=True)
        text = drivers_text(run.path, format="csv")
        (page / "tables" / f"{key}-drivers.csv").write_text(text, encoding="utf-8")
    return found


def _rendered(
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
    environment.filters["cell_text"] = _cell_text
    environment.filters["interval_text"] = show_interval

    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    shown = {name: without_empty_columns(table) for name, table in tables.items()}

    return environment.get_template("report.html").render(
        parts=parts,
        tables=shown,
        films=films,
        downloads=downloads,
        marks={name: footnotes(table) for name, table in shown.items()},
        css=Markup(css),
        script=Markup(script),
        policy=_policy(css, script),
    )


def _policy(css: str, script: str) -> str:
    """The content security policy: nothing from elsewhere, and only this style and this script."""
    return (
        "default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
        f"style-src {_hash(css)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    """A CSP source that allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _cell_text(cell: Cell, column: Column) -> str:
    return show(cell, column, interval=False)
