"""The numbers of a study: success rates whose intervals know that ratings share raters and videos.

Headline: the two-way cluster-robust variance of Cameron, Gelbach and Miller (2011) with a Student
interval. Wilson and Clopper-Pearson beside it take every rating for independent; they are printed
to be compared with, and named naive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

CHANCE = 1 / 3
TOST_MARGIN = 0.05
Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(100)


@dataclass(frozen=True)
class Rate:
    """A success rate and everything said about it.

    p_one_third: two-sided test against chance. p_equivalent: TOST, "within 0.05 of chance". se,
    interval and p-values are NaN where nothing can be said: one rater, one video, or ratings that
    are all alike.
    """

    value: float
    n: int
    raters: int
    videos: int
    se: float
    df: int
    ci95: tuple[float, float]
    p_one_third: float
    p_equivalent: float
    wilson95: tuple[float, float]
    clopper_pearson95: tuple[float, float]
    design_effect: float
    d_prime: float | None


@dataclass(frozen=True)
class RateDifference:
    """a - b, paired by rater and by video, with its two-sided p-value of no difference."""

    difference: float
    se: float
    ci95: tuple[float, float]
    p: float


def success_rate(correct: ArrayLike, raters: ArrayLike, videos: ArrayLike) -> Rate:
    """The rate of `correct` (0/1) [N] with ratings clustered by rater and by video [N]."""
    hits = np.asarray(correct, np.float64)
    n, value = len(hits), float(np.mean(hits))
    rater_of, video_of = _numbers(raters), _numbers(videos)

    se = two_way_se((hits - value) / n, rater_of, video_of)
    df = min(_count(rater_of), _count(video_of)) - 1
    naive_variance = value * (1 - value) / n

    return Rate(
        value=value,
        n=n,
        raters=_count(rater_of),
        videos=_count(video_of),
        se=se,
        df=df,
        ci95=_within_0_1(_student(value, se, df)),
        p_one_third=_two_sided(value - CHANCE, se, df),
        p_equivalent=_equivalence(value, se, df),
        wilson95=wilson(hits.sum(), n),
        clopper_pearson95=clopper_pearson(hits.sum(), n),
        design_effect=se**2 / naive_variance if naive_variance else float("nan"),
        d_prime=d_prime(value),
    )


def rate_difference(
    first: tuple[ArrayLike, ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike, ArrayLike]
) -> RateDifference:
    """The difference of two rates (correct, raters, videos); raters and videos that both share
    enter once.
    """
    hits = [np.asarray(side[0], np.float64) for side in (first, second)]
    rater_of = _numbers(np.concatenate([np.asarray(side[1]) for side in (first, second)]))
    video_of = _numbers(np.concatenate([np.asarray(side[2]) for side in (first, second)]))
    means = [float(side.mean()) for side in hits]
    difference = means[0] - means[1]

    influence = np.concatenate(
        [(hits[0] - means[0]) / len(hits[0]), (means[1] - hits[1]) / len(hits[1])]
    )
    se = two_way_se(influence, rater_of, video_of)
    df = min(_count(rater_of), _count(video_of)) - 1

    return RateDifference(
        difference,
        se,
        ci95=_student(difference, se, df),
        p=_two_sided(difference, se, df),
    )


def two_way_se(influence: Floats, raters: NDArray[np.intp], videos: NDArray[np.intp]) -> float:
    """The two-way cluster-robust standard error of a sum of influences [N].

    NaN with a single cluster on a side, or without any variation.

    V = V_rater + V_video - V_both, each with its G / (G - 1); where sampling noise brings V under
    the larger of the one-way variances, that one is taken (it is the smaller model in which V could
    not have done so).
    """
    if _count(raters) < 2 or _count(videos) < 2 or not influence.any():
        return float("nan")

    one_way = [_cluster_variance(influence, clusters) for clusters in (raters, videos)]
    both = _cluster_variance(influence, _numbers(raters.astype(np.int64) * _count(videos) + videos))
    return float(np.sqrt(max(sum(one_way) - both, *one_way)))


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Wilson's 95% interval; naive here, it takes ratings for independent."""
    z = stats.norm.ppf(0.975)
    centre = (hits + z**2 / 2) / (n + z**2)
    spread = z / (n + z**2) * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return float(max(centre - spread, 0)), float(min(centre + spread, 1))


def clopper_pearson(hits: float, n: int) -> tuple[float, float]:
    """The exact binomial 95% interval; naive here, it takes ratings for independent."""
    low = stats.beta.ppf(0.025, hits, n - hits + 1) if hits > 0 else 0.0
    high = stats.beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return float(low), float(high)


def d_prime(rate: float) -> float | None:
    """The d' at which an observer without bias finds the odd one of three at this rate; None at 0
    and 1.
    """
    if not 0 < rate < 1:
        return None
    return float(optimize.brentq(lambda d: three_alternatives(d) - rate, -20, 20))


def three_alternatives(d: float) -> float:
    """The rate of an observer of sensitivity d among three: the integral of phi(x - d) Phi(x)^2
    (Gauss-Hermite).
    """
    return float(WEIGHTS @ special.ndtr(NODES + d) ** 2 / WEIGHTS.sum())


def fleiss_kappa(counts: ArrayLike) -> float:
    """Agreement above chance; counts [triplets, categories], the same number of ratings in every
    row.

    Near 0 is what a success rate near 1/3 brings with it: raters who cannot tell do not agree.
    """
    table = np.asarray(counts, np.float64)
    ratings = table[0].sum()
    agreement = ((table**2).sum(1) - ratings) / (ratings * (ratings - 1))
    expected = float(((table.sum(0) / table.sum()) ** 2).sum())
    return float((agreement.mean() - expected) / (1 - expected)) if expected < 1 else float("nan")


def position_bias(choices: ArrayLike) -> float:
    """The p-value of chi-square that the three positions (0, 1, 2) are chosen equally often."""
    return float(stats.chisquare(np.bincount(np.asarray(choices, np.int64), minlength=3)).pvalue)


def _numbers(labels: ArrayLike) -> NDArray[np.intp]:
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)


def _count(clusters: NDArray[np.intp]) -> int:
    return int(clusters.max()) + 1


def _cluster_variance(influence: Floats, clusters: NDArray[np.intp]) -> float:
    sums = np.bincount(clusters, weights=influence)
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum())


def _student(value: float, se: float, df: int) -> tuple[float, float]:
    half = float(stats.t.ppf(0.975, max(df, 1))) * se
    return value - half, value + half


def _within_0_1(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = np.clip(interval, 0, 1)  # leaves NaN
    return float(low), float(high)


def _two_sided(difference: float, se: float, df: int) -> float:
    return float(2 * stats.t.sf(abs(difference) / se, df))


def _equivalence(value: float, se: float, df: int) -> float:
    """The larger of the one-sided p-values of "1/3 - margin or less" and "1/3 + margin or more"."""
    return float(stats.t.sf((TOST_MARGIN - abs(value - CHANCE)) / se, df))
