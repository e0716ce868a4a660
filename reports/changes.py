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

FRAME_KEY = ["person", "video", "driver", "frame"]  # names: no second lab has the same dataset
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
    inside the range that a difference can take. n_common: the videos that both runs scored, over
    whose common frames a, b and difference are where they are paired; 0 where they are not.
    by_name: whether the datasets have other bytes, so that names are all that pairs their frames.
    unlike: why there is no difference, where the runs scored sets of other frames.
    """

    metric: str
    method: str
    T: int
    a: float
    b: float
    difference: float | None
    ci95: tuple[float, float] | None
    p: float | None
    paired: bool
    coverage_a: Coverage
    coverage_b: Coverage
    n_common: int = 0
    by_name: bool = False
    unlike: str = ""

    @property
    def is_intersection(self) -> bool:
        """Whether the runs are compared on fewer videos than one of them scored."""
        sides = self.coverage_a.n_videos, self.coverage_b.n_videos
        return self.paired and self.n_common < max(sides)

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

    Per-frame metrics are paired on the frames that both runs scored, found by their names: of two
    copies of a dataset that lost different clips, what both still have. Runs without common frames,
    and set metrics (FID) over the same frames, get an interval that treats the runs as independent:
    too wide where they share videos. A set metric over sets of other frames gets no difference, for
    its value depends on the frames as much as on the method.
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

    before, after = first.value, second.value
    interval, p, n_common = None, None, 0
    difference: float | None = after - before
    paired = _paired(a, b, metric, cell)
    unlike = "" if _is_by_frame(a, b, metric) else _unlike_sets(a, b, cell)
    if unlike:
        difference = None
    elif paired is not None:
        before, after, n_common = paired.a, paired.b, paired.n_videos
        difference, found = paired.found.difference, paired.found
        interval, p = (found.ci95, found.p) if np.isfinite(found.p) else (None, None)
    elif first.se is not None and second.se is not None:
        width = Z_95 * float(np.hypot(first.se, second.se))
        interval = (after - before - width, after - before + width)

    method, T = cell
    return ScoreChange(
        metric=metric.name,
        method=method,
        T=T,
        a=before,
        b=after,
        difference=difference,
        ci95=None if interval is None else clipped(interval, range_of_difference(metric.name)),
        p=p,
        paired=paired is not None,
        coverage_a=first.coverage or Coverage(0, 0),
        coverage_b=second.coverage or Coverage(0, 0),
        n_common=n_common,
        by_name=paired is not None and a.record.dataset.sha256 != b.record.dataset.sha256,
        unlike=unlike,
    )


@dataclass(frozen=True)
class _Paired:
    """Two runs over the frames that both scored."""

    a: float
    b: float
    found: PairedDifference
    n_videos: int


def _paired(a: Results, b: Results, metric: Metric, cell: tuple[str, int]) -> _Paired | None:
    """The paired difference; None when the runs share no scored frame or the metric scores sets."""
    if not _is_by_frame(a, b, metric) or not _are_of_one_size(a, b):
        return None

    ours, theirs = (_values(run, metric, cell) for run in (a, b))
    both = ours.merge(theirs, on=FRAME_KEY, suffixes=("_a", "_b"))
    both = both[both["value_a"].notna() & both["value_b"].notna()]
    videos = video_keys(both)
    estimate = video_mean(both["value_b"] - both["value_a"], videos)
    if not estimate.videos:
        return None

    before, after = (video_mean(both[side], videos).value for side in ("value_a", "value_b"))
    return _Paired(before, after, difference_from_zero(estimate), len(estimate.videos))


def _is_by_frame(a: Results, b: Results, metric: Metric) -> bool:
    """Whether a metric scores frame by frame in both runs; otherwise it scores sets."""
    return all(metric.name in run.frames.columns for run in (a, b))


def _are_of_one_size(a: Results, b: Results) -> bool:
    """A frame and its smaller copy have one name and are not one picture."""
    return a.record.dataset.size_px == b.record.dataset.size_px


def _unlike_sets(a: Results, b: Results, cell: tuple[str, int]) -> str:
    """How the frames of a cell differ between two runs, by their names; "" where they do not."""
    ours, theirs = (
        set(_frames_of(run, cell)[FRAME_KEY].itertuples(index=False, name=None)) for run in (a, b)
    )
    if ours == theirs and _are_of_one_size(a, b):
        return ""
    return f"{len(ours)} frames of A and {len(theirs)} of B, {len(ours & theirs)} of them in both"


def _values(run: Results, metric: Metric, cell: tuple[str, int]) -> pd.DataFrame:
    """The frames of a method at T with the number of each that enters means."""
    frames = _frames_of(run, cell)
    filler = 0.0 if metric.policy == "score-zero" else np.nan
    return frames.assign(value=frames[metric.name].fillna(filler))[[*FRAME_KEY, "value"]]


def _frames_of(run: Results, cell: tuple[str, int]) -> pd.DataFrame:
    """The frames that a method rendered at T."""
    method, T = cell
    frames = run.frames
    is_wanted = (frames["method"] == method) & (frames["T"] == T) & (frames["error"] == "")
    frames = frames[is_wanted]

    if "driver" in frames:
        return frames
    return frames.assign(driver=video_keys(frames))  # of before it was recorded: itself
