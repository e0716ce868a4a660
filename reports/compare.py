"""What changed between two runs: settings, versions, and numbers paired by video."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports.latex import to_latex
from reports.ranges import clipped, range_of_difference
from reports.results import Metric, Results, Score
from reports.table import (
    LEVEL,
    NO_BOLD,
    Block,
    Cell,
    Column,
    Group,
    Row,
    TableSpec,
    interval_cell,
    ranked,
)
from reports.tables import DECIMALS
from reports.writers import to_json, to_markdown
from thbench.metrics.coverage import Coverage
from thbench.metrics.statistics import Difference, difference_from_zero, holm, video_mean

FRAME_KEY = ["person", "video", "position"]
COMPARED = (
    "protocol",
    "dataset",
    "T",
    "methods",
    "metrics",
    "split",
    "status",
    "partial",
    "seeds",
    "versions",
    "hardware",
    "git_commit",
)
FORMATS = ("markdown", "json", "latex")
BOLD = "Bold: told from chance at 5 %, after Holm's correction over the differences of the metric."


@dataclass(frozen=True)
class Change:
    """One setting that differs; None stands for absent."""

    where: str
    a: Any
    b: Any


@dataclass(frozen=True)
class ScoreChange:
    """B minus A for one metric, method and T; paired says whether difference and interval are from
    the same frames.

    coverage_a and coverage_b: over how many of its planned videos each run's score is. ci95 lies
    inside the range that a difference can take.
    """

    metric: str
    method: str
    T: int
    a: float
    b: float
    difference: float
    ci95: tuple[float, float] | None
    p: float | None
    paired: bool
    coverage_a: Coverage
    coverage_b: Coverage

    @property
    def coverage(self) -> Coverage:
        """Of the side that lost more videos, or has fewer."""
        sides = self.coverage_a, self.coverage_b
        return min(sides, key=lambda side: (side.is_whole, side.n_videos))

    @property
    def is_significant(self) -> bool:
        """Whether the difference is told from chance, over enough and all of the videos."""
        return self.coverage.may_rank and self.p is not None and self.p < LEVEL


def compare_text(path_a: Path, path_b: Path, format: str = "markdown") -> str:
    """What changed from run A to run B, in one of `FORMATS`.

    Raises `ThbenchError` for folders that are no runs.
    """
    a, b = Results.open(path_a), Results.open(path_b)
    changes = list(setting_changes(a.info, b.info))
    scores = score_changes(a, b) if a.is_scored and b.is_scored else []
    table = ranked(_table(a, b, scores))
    if format == "json":
        told = [{"where": change.where, "a": change.a, "b": change.b} for change in changes]
        return (
            json.dumps(
                {"changes": told, "scores": json.loads(to_json(table))},
                indent=1,
                ensure_ascii=False,
            )
            + "\n"
        )
    if format == "latex":
        return to_latex(table)
    lines = [f"# {path_a} → {path_b}", "", "## Settings", ""]
    lines += [
        f"- {change.where}: {_brief(change.a)} → {_brief(change.b)}" for change in changes
    ] or ["- all the same"]
    return "\n".join(
        [
            *lines,
            "",
            "## Scores",
            "",
            to_markdown(table) if scores else "- no score is in both runs\n",
        ]
    )


def setting_changes(a: Any, b: Any, where: str = "") -> Iterator[Change]:
    """Every leaf of run.json that differs, by its dotted path; lists are compared as wholes."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        keys = [key for key in dict.fromkeys([*a, *b]) if where or key in COMPARED]
        for key in keys:
            yield from setting_changes(a.get(key), b.get(key), f"{where}.{key}" if where else key)
    elif a != b:
        yield Change(where, a, b)


def score_changes(a: Results, b: Results) -> list[ScoreChange]:
    """B minus A for every score that both runs hold, with Holm-corrected p-values over each metric.

    Per-frame metrics are paired on the frames that both runs scored. Set metrics (FID) and runs
    without common frames get an interval that treats the runs as independent, too wide when they
    share videos.
    """
    found = []
    for name in [name for name in a.metrics if name in b.metrics]:
        both = [(row, other) for row in a.rows if row.T and (other := b.row(row.method, row.T))]
        changes = [
            change
            for row, other in both
            if (
                change := _score_change(
                    a,
                    b,
                    a.metrics[name],
                    row.method,
                    row.T,
                    row.scores.get(name, Score()),
                    other.scores.get(name, Score()),
                )
            )
        ]
        corrected = holm([float("nan") if change.p is None else change.p for change in changes])
        found += [
            ScoreChange(**{**vars(change), "p": None if np.isnan(p) else p})
            for change, p in zip(changes, corrected, strict=True)
        ]
    return found


def _score_change(
    a: Results, b: Results, metric: Metric, method: str, T: int, first: Score, second: Score
) -> ScoreChange | None:
    if first.value is None or second.value is None:
        return None
    covered_a, covered_b = first.coverage or Coverage(0, 0), second.coverage or Coverage(0, 0)
    difference, interval, p = second.value - first.value, None, None
    paired = _paired(a, b, metric, method, T)

    if paired is not None:
        difference = paired.difference
        interval, p = (paired.ci95, paired.p) if np.isfinite(paired.p) else (None, None)
    elif first.se is not None and second.se is not None:
        width = 1.96 * float(np.hypot(first.se, second.se))
        interval = (difference - width, difference + width)

    if interval is not None:
        interval = clipped(interval, range_of_difference(metric.name))
    return ScoreChange(
        metric.name,
        method,
        T,
        first.value,
        second.value,
        difference,
        interval,
        p,
        paired is not None,
        covered_a,
        covered_b,
    )


def _paired(a: Results, b: Results, metric: Metric, method: str, T: int) -> Difference | None:
    """The paired difference; None when the runs share no scored frame or the metric scores sets."""
    if a.info["dataset"]["sha256"] != b.info["dataset"]["sha256"] or not all(
        metric.name in run.frames.columns for run in (a, b)
    ):
        return None
    tables = []
    for run in (a, b):
        frames = run.frames[
            (run.frames["method"] == method) & (run.frames["T"] == T) & (run.frames["error"] == "")
        ]
        filler = 0.0 if metric.policy == "score-zero" else np.nan
        tables.append(
            frames.assign(value=frames[metric.name].fillna(filler))[[*FRAME_KEY, "frame", "value"]]
        )
    both = tables[0].merge(tables[1], on=[*FRAME_KEY, "frame"], suffixes=("_a", "_b"))
    estimate = video_mean(both["value_b"] - both["value_a"], both["person"] + "/" + both["video"])
    return difference_from_zero(estimate) if estimate.videos else None


def _table(a: Results, b: Results, scores: list[ScoreChange]) -> TableSpec:
    blocks = []
    for name in dict.fromkeys(change.metric for change in scores):
        metric = a.metrics[name]
        rows = tuple(_row(change, metric) for change in scores if change.metric == name)
        blocks.append(Block(metric.label, (Group(rows),)))
    digits = max((DECIMALS.get(change.metric, 2) for change in scores), default=2) + 1
    columns = (
        Column("a", "A", None, digits),
        Column("b", "B", None, digits),
        Column("difference", "B - A", None, digits),
        Column("p", "p (Holm)", None, 3),
    )
    notes = [BOLD] if any(change.is_significant for change in scores) else []
    notes += [NO_BOLD] if any(change.coverage.is_few for change in scores) else []
    return TableSpec(
        f"From A ({a.path.name}) to B ({b.path.name}); ± is the half-width of the 95 % interval",
        "tab:compare",
        "Method (T)",
        columns,
        tuple(blocks),
        tuple(notes),
        "",
        True,
    )


def _row(change: ScoreChange, metric: Metric) -> Row:
    notes = (
        ()
        if change.paired
        else (f"{metric.label} is not paired: the interval treats the runs as independent.",)
    )
    difference = Cell(
        change.difference, notes=notes, best=change.is_significant, coverage=change.coverage
    )
    cells = {
        "a": Cell(change.a, notes=_lost(metric, change.coverage_a), coverage=change.coverage_a),
        "b": Cell(change.b, notes=_lost(metric, change.coverage_b), coverage=change.coverage_b),
        "difference": interval_cell(difference, change.ci95),
        "p": Cell(change.p),
    }
    return Row(change.method, cells, change.T)


def _lost(metric: Metric, covered: Coverage) -> tuple[str, ...]:
    return () if covered.is_whole else (f"{metric.label} over {covered} only.",)


def _brief(value: Any) -> str:
    """A value on one line of at most 100 characters."""
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    flat = " ".join(text.split())
    return f"`{flat[:97]}...`" if len(flat) > 100 else f"`{flat}`"
