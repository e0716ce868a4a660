"""What differs between two runs: settings by their place in run.json, scores paired by video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.ranges import clipped, range_of_difference
from reports.results import Results
from thbench.metrics.statistics import PairedDifference, difference_from_zero, holm, video_mean
from thbench.records.coverage import Coverage
from thbench.records.scores import LEVEL, Metric, Score
from thbench.records.video_key import video_keys

FRAME_KEY = ["person", "video", "position", "frame"]
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
Z_95 = 1.96


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
    common = [metric for name, metric in a.metrics.items() if name in b.metrics]
    return [change for metric in common for change in _changes_of(a, b, metric)]


def _changes_of(a: Results, b: Results, metric: Metric) -> list[ScoreChange]:
    """The changes of one metric, their p-values corrected together."""
    found = []
    for row in a.rows:
        other = b.row(row.method, row.T)
        if row.T and other is not None:
            cell = (row.method, row.T)
            found.append(
                _change(a, b, metric, cell, row.score(metric.name), other.score(metric.name))
            )

    changes = [change for change in found if change is not None]
    corrected = holm([float("nan") if change.p is None else change.p for change in changes])
    return [
        replace(change, p=None if np.isnan(p) else p)
        for change, p in zip(changes, corrected, strict=True)
    ]


def _change(
    a: Results, b: Results, metric: Metric, cell: tuple[str, int], first: Score, second: Score
) -> ScoreChange | None:
    """The change of one score; None where a run did not compute it."""
    if first.value is None or second.value is None:
        return None

    difference, interval, p = second.value - first.value, None, None
    paired = _paired(a, b, metric, cell)
    if paired is not None:
        difference = paired.difference
        interval, p = (paired.ci95, paired.p) if np.isfinite(paired.p) else (None, None)
    elif first.se is not None and second.se is not None:
        width = Z_95 * float(np.hypot(first.se, second.se))
        interval = (difference - width, difference + width)

    method, T = cell
    return ScoreChange(
        metric=metric.name,
        method=method,
        T=T,
        a=first.value,
        b=second.value,
        difference=difference,
        ci95=None if interval is None else clipped(interval, range_of_difference(metric.name)),
        p=p,
        paired=paired is not None,
        coverage_a=first.coverage or Coverage(0, 0),
        coverage_b=second.coverage or Coverage(0, 0),
    )


def _paired(
    a: Results, b: Results, metric: Metric, cell: tuple[str, int]
) -> PairedDifference | None:
    """The paired difference; None when the runs share no scored frame or the metric scores sets."""
    is_same_data = a.record.dataset.sha256 == b.record.dataset.sha256
    if not is_same_data or not all(metric.name in run.frames.columns for run in (a, b)):
        return None

    ours, theirs = (_values(run, metric, cell) for run in (a, b))
    both = ours.merge(theirs, on=FRAME_KEY, suffixes=("_a", "_b"))
    estimate = video_mean(both["value_b"] - both["value_a"], video_keys(both))
    return difference_from_zero(estimate) if estimate.videos else None


def _values(run: Results, metric: Metric, cell: tuple[str, int]) -> pd.DataFrame:
    """The frames of a method at T with the number of each that enters means."""
    method, T = cell
    frames = run.frames
    is_wanted = (frames["method"] == method) & (frames["T"] == T) & (frames["error"] == "")
    frames = frames[is_wanted]

    filler = 0.0 if metric.policy == "score-zero" else np.nan
    return frames.assign(value=frames[metric.name].fillna(filler))[[*FRAME_KEY, "value"]]
