"""A leaderboard from run folders: one static page that sorts, filters and shows its evidence."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.html import TEMPLATES, write_report
from reports.media import has_pictures
from reports.ranks import Entrant, borda, ranks
from reports.results import Results
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, write_text
from thbench.locks import holds_nothing
from thbench.records.coverage import FEW_VIDEOS
from thbench.records.scores import Metric, Score
from thbench.runs import slug

MARKER = ".thbench-leaderboard"
_DIGITS = 4


@dataclass(frozen=True)
class Figure:
    """A score as the page shows it: the number, its interval, its rank."""

    value: float | None
    text: str
    interval: str
    rank: int | None
    reason: str


@dataclass(frozen=True)
class Line:
    """One method at one T of one run."""

    method: str
    run: str
    T: int
    sees: str
    figures: Mapping[str, Figure]
    borda: float | None
    seconds: float | None
    provenance: str
    pictures: str
    note: str


@dataclass(frozen=True)
class Board:
    """All lines that may be compared: the same protocol, frames and true videos."""

    key: str
    protocol: str
    sha256: str
    dataset: str
    n_videos: int
    metrics: Sequence[Metric]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Dot:
    """A method in a plot; x, y from 0 to 1. x is the logarithm of its seconds a frame, y Borda."""

    method: str
    x: float
    y: float


@dataclass(frozen=True)
class Plot:
    """Quality against cost at one T; the ends of the axis of seconds are those of the dots."""

    T: int
    dots: Sequence[Dot]
    fastest_s: float
    slowest_s: float


def write_leaderboard(runs: Mapping[str, Results], output: Path) -> Path:
    """Writes the folder `output` (replacing an earlier leaderboard) and returns its index.html.

    runs: verified runs by the name that the page gives them. Raises `ThbenchError` for runs that
    are not scored, and where two protocols share a name but not their sha256.
    """
    if output.exists() and not (output / MARKER).exists() and not holds_nothing(output):
        raise ThbenchError(f"{output} exists and is not a leaderboard; choose another folder")
    for name, results in runs.items():
        if not results.is_scored:
            raise ThbenchError(f"{name} holds no scores; score it before it can be ranked")

    with atomic_folder(output) as site:
        (site / MARKER).touch()
        links = {name: _write_evidence(site, name, results) for name, results in runs.items()}
        write_text(site / "index.html", _page(boards(runs, links)))
    return output / "index.html"


def boards(runs: Mapping[str, Results], links: Mapping[str, tuple[str, str]]) -> list[Board]:
    """The runs by what may be compared. links: of each run its provenance and its pictures."""
    groups: dict[str, dict[str, Results]] = {}
    for name, results in runs.items():
        groups.setdefault(results.comparison_key, {})[name] = results
    return [
        _board(f"b{index}", group, links) for index, group in enumerate(groups.values(), start=1)
    ]


def _board(key: str, runs: Mapping[str, Results], links: Mapping[str, tuple[str, str]]) -> Board:
    first = next(iter(runs.values()))
    metrics = {
        name: metric
        for results in runs.values()
        for name, metric in results.metrics.items()
        if metric.higher_is_better is not None
    }
    lines: list[Line] = []
    for T in sorted({T for results in runs.values() for T in results.shots}):
        entrants = [
            (name, Entrant(results, method, T))
            for name, results in runs.items()
            for method in results.methods
            if results.row(method, T) is not None
        ]
        lines += _lines(entrants, list(metrics.values()), links)
    shown = [m for m in metrics.values() if any(line.figures[m.name].text for line in lines)]
    return Board(
        key,
        first.record.protocol.name,
        first.record.protocol.sha256,
        first.dataset,
        len(first.videos),
        shown,
        lines,
    )


def _lines(
    named: Sequence[tuple[str, Entrant]],
    metrics: Sequence[Metric],
    links: Mapping[str, tuple[str, str]],
) -> list[Line]:
    entrants = [entrant for _, entrant in named]
    points = borda(entrants, metrics)
    placed = {metric.name: ranks(entrants, metric) for metric in metrics}
    lines = []
    for place, (name, entrant) in enumerate(named):
        method = entrant.results.methods[entrant.method]
        lines.append(
            Line(
                entrant.method,
                name,
                entrant.T,
                "landmarks" if method.drives_with == "landmarks" else "true frame",
                {m.name: _figure(entrant.score(m.name), placed[m.name][place]) for m in metrics},
                points[place],
                _seconds(entrant),
                *links[name],
                entrant.results.warning(),
            )
        )
    return sorted(lines, key=lambda line: (-1 if line.borda is None else -line.borda, line.method))


def _figure(score: Score | None, rank: int | None) -> Figure:
    if score is None or score.value is None:
        return Figure(None, "", "", None, score.reason if score else "not computed in this run")
    low, high = score.ci95 or (None, None)
    interval = "" if low is None or high is None else f"{_number(low)} to {_number(high)}"
    return Figure(score.value, _number(score.value), interval, rank, "")


def _seconds(entrant: Entrant) -> float | None:
    """Rendering time of a frame, where the run was timed."""
    times = [time for time in entrant.results.times if time.method == entrant.method]
    return next((time.median_s for time in times if time.phase == "inference"), None)


def _number(value: float) -> str:
    return f"{value:.{_DIGITS}g}"


def _write_evidence(site: Path, name: str, results: Results) -> tuple[str, str]:
    """run.json and, where its frames are here, the run's report: their links."""
    folder = f"runs/{slug(name)}"
    (site / folder).mkdir(parents=True)
    write_text(site / folder / "run.json", results.run.run_json.read_text(encoding="utf-8"))
    if not has_pictures(results):
        return f"{folder}/run.json", ""
    write_report([results.path], site / folder / "report")
    return f"{folder}/run.json", f"{folder}/report/index.html"


def _page(found: Sequence[Board]) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    css = (TEMPLATES / "leaderboard.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "leaderboard.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(css)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    plots = {board.key: plot for board in found if (plot := _plot(board)) is not None}
    return environment.get_template("leaderboard.html").render(
        boards=found,
        css=Markup(css),
        script=Markup(script),
        policy=policy,
        plots=plots,
        few_videos=FEW_VIDEOS,
    )


def _plot(board: Board) -> Plot | None:
    """Of the largest T; None where fewer than two methods were timed and ranked there."""
    largest = max(line.T for line in board.lines)
    timed = [
        (line.method, line.seconds, line.borda)
        for line in board.lines
        if largest == line.T and line.seconds and line.borda is not None
    ]
    if len(timed) < 2:
        return None

    times_s = [seconds for _, seconds, _ in timed]
    fastest, slowest = min(times_s), max(times_s)
    span = max(log10(slowest / fastest), 1e-9)
    dots = [
        Dot(method, log10(seconds / fastest) / span, points) for method, seconds, points in timed
    ]
    return Plot(largest, dots, fastest, slowest)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
