"""Uncertainty by cluster: frames of one video are near-copies of each other, and videos of one
person are alike, so what counts is the number of clusters: videos, or persons.

Delete-one-cluster jackknife for any statistic (Miller 2024, arXiv 2411.00640, calls the mean's case
clustered standard errors), Student intervals, paired differences of two methods on the same videos,
and Holm's correction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to import

from thbench.errors import ThbenchError


@dataclass(frozen=True)
class Estimate:
    """A number, the videos behind it, and its values with one cluster of videos left out.

    replicates: float64 [C], one for each cluster in the order of its name: the videos themselves
    (sorted, unique), or the persons in them. n_frames counts the frames that entered.
    """

    value: float
    replicates: NDArray[np.float64]
    videos: tuple[str, ...]
    n_frames: int

    @property
    def se(self) -> float:
        """The jackknife standard error; NaN below two clusters."""
        return jackknife_se(self.replicates)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The two-sided Student interval with C - 1 degrees of freedom; NaN below two clusters."""
        half = _t_quantile(level, len(self.replicates)) * self.se
        return self.value - half, self.value + half


@dataclass(frozen=True)
class PairedDifference:
    """a - b over the same videos: difference, its standard error, its 95% interval and the
    two-sided p-value of 0.
    """

    difference: float
    se: float
    ci95: tuple[float, float]
    p: float


def jackknife(statistic: Callable[[NDArray[np.intp]], float], clusters: ArrayLike) -> Estimate:
    """The delete-one-cluster jackknife of any statistic of rows.

    `statistic` maps the indices of the rows that stay to a number; `clusters` [N] names what each
    row belongs to, usually its video.
    """
    labels, groups = video_groups(clusters)
    rows = np.arange(len(groups))
    several = len(labels) > 1
    replicates = (
        [statistic(rows[groups != group]) for group in range(len(labels))] if several else [np.nan]
    )
    return Estimate(statistic(rows), np.array(replicates, np.float64), labels, len(rows))


def jackknife_se(replicates: NDArray[np.float64]) -> float:
    """sqrt((V - 1) / V * sum of squared deviations of the replicates from their mean); NaN below
    two videos.
    """
    v = len(replicates)
    return (
        float(np.sqrt((v - 1) / v * np.sum((replicates - replicates.mean()) ** 2)))
        if v > 1
        else float("nan")
    )


def video_mean(values: ArrayLike, videos: ArrayLike, clusters: ArrayLike | None = None) -> Estimate:
    """The mean of the videos' means of a per-frame number; frames that are NaN are left out.

    clusters [N]: what the jackknife leaves out as one (the person of each frame); by default the
    video, and the standard error is then the textbook one of V video means. A video lies in one
    cluster. The value is NaN when no frame is left.
    """
    numbers = np.asarray(values, np.float64)
    kept = np.isfinite(numbers)
    if not kept.any():
        return Estimate(float("nan"), np.empty(0), (), 0)

    labels, groups = video_groups(np.asarray(videos)[kept])
    means = np.bincount(groups, weights=numbers[kept]) / np.bincount(groups)
    cluster_of = np.arange(len(labels))
    if clusters is not None:
        first_frames = np.unique(groups, return_index=True)[1]
        cluster_of = video_groups(np.asarray(clusters)[kept][first_frames])[1]

    sums = np.bincount(cluster_of, weights=means)
    counts = np.bincount(cluster_of)
    several = len(sums) > 1
    replicates = (means.sum() - sums) / (len(means) - counts) if several else np.array([np.nan])
    return Estimate(float(means.mean()), replicates, labels, int(kept.sum()))


def paired_difference(a: Estimate, b: Estimate) -> PairedDifference:
    """a - b by the paired jackknife: the same video is left out of both, so what they share
    cancels.

    Raises `ThbenchError` when the two were not estimated over the same videos.
    """
    if a.videos != b.videos:
        raise ThbenchError(
            f"a paired difference needs the same videos on both sides, got {len(a.videos)} and "
            f"{len(b.videos)} with {len(set(a.videos) & set(b.videos))} in common"
        )
    if len(a.replicates) != len(b.replicates):
        raise ThbenchError(
            "a paired difference needs the same clusters on both sides, got "
            f"{len(a.replicates)} and {len(b.replicates)}"
        )
    return difference_from_zero(
        Estimate(
            a.value - b.value, a.replicates - b.replicates, a.videos, min(a.n_frames, b.n_frames)
        )
    )


def difference_from_zero(estimate: Estimate) -> PairedDifference:
    """Student's test of an estimated difference against 0, with C - 1 degrees of freedom.

    NaN below two clusters.
    """
    clusters, se = len(estimate.replicates), estimate.se
    if clusters < 2:
        p = float("nan")
    elif se == 0:
        p = float(estimate.value == 0)
    else:
        p = float(2 * stdtr(clusters - 1, -abs(estimate.value) / se))
    return PairedDifference(estimate.value, se, estimate.interval(), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; NaN (not tested) stays NaN and is not
    counted.
    """
    p = np.asarray(p_values, np.float64)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return [float(value) for value in adjusted]


def video_groups(videos: ArrayLike) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The sorted unique videos (or other labels), and for each row the position of its own."""
    labels, groups = np.unique(np.asarray(videos), return_inverse=True)
    return tuple(str(label) for label in labels), groups


def _t_quantile(level: float, clusters: int) -> float:
    return float(stdtrit(clusters - 1, (1 + level) / 2)) if clusters > 1 else float("nan")
