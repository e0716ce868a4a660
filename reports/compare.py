"""What changed between two runs: settings, versions, and numbers paired by video."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports.latex import to_latex
from reports.results import Metric, Results, Score
from reports.table import Block, Cell, Column, Group, Row, TableSpec, ranked
from reports.tables import DECIMALS
from reports.writers import to_json, to_markdown
from thbench.metrics.statistics import Difference, difference_from_zero, holm, video_mean

FRAME_KEY = ["person", "video", "position"]
COMPARED = ("protocol", "dataset", "T", "methods", "metrics", "split", "status", "partial", "seeds", "versions",
            "hardware", "git_commit")
FORMATS = ("markdown", "json", "latex")


@dataclass(frozen=True)
class Change:
    """One setting that differs; None stands for absent."""

    where: str
    a: Any
    b: Any


@dataclass(frozen=True)
class ScoreChange:
    """B minus A for one metric, method and T; paired says whether difference and interval are from the same frames."""

    metric: str
    method: str
    T: int
    a: float
    b: float
    difference: float
    ci95: tuple[float, float] | None
    p: float | None
    paired: bool


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
        return json.dumps({"changes": told, "scores": json.loads(to_json(table))}, indent=1, ensure_ascii=False) + "\n"
    if format == "latex":
        return to_latex(table)
    lines = [f"# {path_a} → {path_b}", "", "## Settings", ""]
    lines += [f"- {change.where}: {_brief(change.a)} → {_brief(change.b)}" for change in changes] or ["- all the same"]
    return "\n".join([*lines, "", "## Scores", "", to_markdown(table) if scores else
                      "- no score is in both runs\n"])


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

    Per-frame metrics are paired on the frames that both runs scored. Set metrics (FID) and runs without common frames
    get an interval that treats the runs as independent, too wide when they share videos.
    """
    found = []
    for name in [name for name in a.metrics if name in b.metrics]:
        both = [(row, other) for row in a.rows if row.T and (other := b.row(row.method, row.T))]
        changes = [change for row, other in both
                   if (change := _score_change(a, b, a.metrics[name], row.method, row.T,
                                               row.scores.get(name, Score()), other.scores.get(name, Score())))]
        corrected = holm([float("nan") if change.p is None else change.p for change in changes])
        found += [ScoreChange(**{**vars(change), "p": None if np.isnan(p) else p})
                  for change, p in zip(changes, corrected, strict=True)]
    return found


def _score_change(a: Results, b: Results, metric: Metric, method: str, T: int, first: Score,
                  second: Score) -> ScoreChange | None:
    if first.value is None or second.value is None:
        return None
    paired = _paired(a, b, metric, method, T)
    if paired is not None:
        known = bool(np.isfinite(paired.p))
        return ScoreChange(metric.name, method, T, first.value, second.value, paired.difference,
                           paired.ci95 if known else None, paired.p if known else None, True)
    difference, interval = second.value - first.value, None
    if first.se is not None and second.se is not None:
        width = 1.96 * float(np.hypot(first.se, second.se))
        interval = (difference - width, difference + width)
    return ScoreChange(metric.name, method, T, first.value, second.value, difference, interval, None, False)


def _paired(a: Results, b: Results, metric: Metric, method: str, T: int) -> Difference | None:
    """The paired difference; None when the runs share no scored frame or the metric scores sets."""
    if a.info["dataset"]["sha256"] != b.info["dataset"]["sha256"] or not all(
            metric.name in run.frames.columns for run in (a, b)):
        return None
    tables = []
    for run in (a, b):
        frames = run.frames[(run.frames["method"] == method) & (run.frames["T"] == T) & (run.frames["error"] == "")]
        filler = 0.0 if metric.policy == "score-zero" else np.nan
        tables.append(frames.assign(value=frames[metric.name].fillna(filler))[[*FRAME_KEY, "frame", "value"]])
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
    columns = (Column("a", "A", None, digits), Column("b", "B", None, digits),
               Column("difference", "B - A", None, digits), Column("p", "p (Holm)", None, 3))
    return TableSpec(f"From A ({a.path.name}) to B ({b.path.name}); ± is the half-width of the 95 % interval",
                     "tab:compare", "Method (T)", columns, tuple(blocks), (), "", True)


def _row(change: ScoreChange, metric: Metric) -> Row:
    width = None if change.ci95 is None else (change.ci95[1] - change.ci95[0]) / 2
    notes = () if change.paired else (f"{metric.label} is not paired: the interval treats the runs as independent.",)
    significant = change.p is not None and change.p < 0.05
    cells = {"a": Cell(change.a), "b": Cell(change.b),
             "difference": Cell(change.difference, width, notes=notes, best=significant), "p": Cell(change.p)}
    return Row(change.method, cells, change.T)


def _brief(value: Any) -> str:
    """A value on one line of at most 100 characters."""
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    flat = " ".join(text.split())
    return f"`{flat[:97]}...`" if len(flat) > 100 else f"`{flat}`"
