"""From differences by video to a verdict: what a metric sees of a defect, and from which strength
on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from thbench.metrics.statistics import Estimate, jackknife_se
from thbench.records.audit import EffectRecord, ReactionRecord, Verdict

VIDEOS = 50  # of the paper's protocol
LEVEL, POWER = 0.05, 0.8
SURE = 0.01  # the level at which the audit itself must see a defect: it asks hundreds of questions
# Two-sided at 5 %, and seen in four of five experiments.
NEEDED = float(stats.t.ppf(1 - LEVEL / 2, VIDEOS - 1) + stats.t.ppf(POWER, VIDEOS - 1))

FAR = 1e9  # stands for an infinite z

Array = NDArray[np.float64]


def judged(
    metric: str, defect: str, strengths: Sequence[float], harms: Sequence[Estimate]
) -> ReactionRecord:
    """The reaction of a metric to a defect; harms: how much worse it finds each strength."""
    by_video = values_by_video(harms)
    values = np.array([harm.value for harm in harms])
    errors = standard_errors(by_video)
    z = z_at_50(values, by_video)
    smallest, at_most = smallest_seen(strengths, z)

    return ReactionRecord(
        metric=metric,
        defect=defect,
        verdict=verdict(z, by_video),
        monotone=is_monotone(by_video),
        smallest=smallest,
        smallest_se=None if at_most or smallest is None else _smallest_se(strengths, by_video),
        at_most=at_most,
        effects=[
            EffectRecord(strength, *map(_number, numbers))
            for strength, *numbers in zip(strengths, values, errors, z, strict=True)
        ],
    )


def values_by_video(harms: Sequence[Estimate]) -> Array:
    """[strengths, videos]: what each video adds to the mean harm; NaN where it could not be scored.

    For a mean over videos that is the video's own value, for a statistic of sets the jackknife's
    pseudo-value.
    """
    videos = sorted({video for harm in harms for video in harm.videos})
    table = np.full((len(harms), len(videos)), np.nan)
    for row, harm in zip(table, harms, strict=True):
        n = len(harm.videos)
        if n > 1:
            columns = [videos.index(video) for video in harm.videos]
            row[columns] = n * harm.value - (n - 1) * harm.replicates
    return table


def standard_errors(by_video: Array) -> Array:
    """Of the mean of each row, NaN below two videos: the jackknife's, as `Estimate.se`."""
    return np.array([_standard_error(row) for row in by_video])


def z_at_50(values: Array, by_video: Array) -> Array:
    """Each harm in standard errors of 50 such videos; infinite where all videos agree."""
    n = np.isfinite(by_video).sum(1)
    errors = standard_errors(by_video) * np.sqrt(n / VIDEOS)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values == 0, 0.0, values / errors)


def verdict(z: Array, by_video: Array) -> Verdict:
    """What 50 videos tell of the strongest defect that could be scored.

    "unclear" where they would tell it, but the audit's own videos are too few to be sure.
    """
    scored = np.flatnonzero(~np.isnan(z))
    if not len(scored) or abs(z[scored[-1]]) < NEEDED:
        return "blind"

    strongest = by_video[scored[-1]]
    n = int(np.isfinite(strongest).sum())
    own_z = z[scored[-1]] * math.sqrt(n / VIDEOS)
    if abs(own_z) < stats.t.ppf(1 - SURE / 2, n - 1):
        return "unclear"
    return "sees" if own_z > 0 else "rewards"


def is_monotone(by_video: Array) -> bool:
    """Whether no step to a stronger defect lowers the harm by more than twice its error, over the
    videos that have both.
    """
    steps = np.diff(by_video, axis=0, prepend=0.0)
    for step in steps:
        known = step[np.isfinite(step)]
        if len(known) > 1 and known.mean() < -2 * _standard_error(known):
            return False
    return True


def smallest_seen(strengths: Sequence[float], z: Array) -> tuple[float | None, bool]:
    """The weakest defect that is seen as one, and whether it is the weakest that was tried.

    Between two strengths z is taken to rise in a straight line. None where no defect is seen from
    some strength on up to the strongest.
    """
    scored = [each for each, value in enumerate(z) if not math.isnan(value)]
    seen = [each for each in scored if z[each] >= NEEDED]
    unseen = [each for each in scored if z[each] < NEEDED]
    if not seen or (unseen and unseen[-1] > seen[-1]):
        return None, False
    if not unseen:
        return float(strengths[scored[0]]), True

    low, high = unseen[-1], seen[seen.index(min(each for each in seen if each > unseen[-1]))]
    part = (NEEDED - z[low]) / (min(z[high], FAR) - z[low])
    return float(strengths[low] + part * (strengths[high] - strengths[low])), False


def _smallest_se(strengths: Sequence[float], by_video: Array) -> float | None:
    """The jackknife standard error of the smallest strength; None where without some video there
    would be none.
    """
    n = by_video.shape[1]
    found = []
    for left_out in range(n):
        rest = np.delete(by_video, left_out, axis=1)
        smallest, _ = smallest_seen(strengths, z_at_50(_means(rest), rest))
        if smallest is None:
            return None
        found.append(smallest)
    return jackknife_se(np.array(found)) if n > 2 else None


def _means(by_video: Array) -> Array:
    known = [row[np.isfinite(row)] for row in by_video]
    return np.array([row.mean() if len(row) else np.nan for row in known])


def _standard_error(row: Array) -> float:
    known = row[np.isfinite(row)]
    return float(known.std(ddof=1) / math.sqrt(len(known))) if len(known) > 1 else math.nan


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
