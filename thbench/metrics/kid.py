"""KID for frames that come in clusters: pairs of frames of one video are left out of all three
kernel sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import SetFormula
from thbench.metrics.inception import INCEPTION, INCEPTION_NAME, SETTINGS
from thbench.metrics.statistics import Estimate, video_groups

SCALE = 1000  # KID is printed times 1000


def kid(device: str = "cpu") -> SetFormula:
    """Entry point: kernel Inception distance with same-video pairs excluded, times 1000.

    The usual estimator is unbiased for independent frames only: for several frames per video it is
    far from 0 even between two sets of real frames. It can be negative, as any unbiased estimator
    of a squared distance.
    """
    return SetFormula(_CARD, INCEPTION, kid_jackknife, device)


def kid_jackknife(
    generated: NDArray[Any],
    real: NDArray[Any],
    videos: NDArray[Any],
    clusters: NDArray[Any] | None = None,
) -> Estimate:
    """1000 KID of matched sets [N, D] over pairs of different videos, with its jackknife.

    clusters [N]: what the jackknife leaves out as one; by default each video. Kernel sums are kept
    per pair of videos, so a replicate is a subtraction. The value is NaN below two videos, a
    replicate where fewer than two stay.
    """
    labels, groups = video_groups(videos)
    x, y = np.asarray(generated, np.float64), np.asarray(real, np.float64)
    member = np.eye(len(labels))[groups]
    frames = member.sum(0)

    # [V, V] sums of h(i, j) = k(xi, xj) + k(yi, yj) - 2 k(xi, yj) over the frames of two videos,
    # and their numbers.
    sums = member.T @ (_kernel(x, x) + _kernel(y, y) - 2 * _kernel(x, y)) @ member
    pairs = np.outer(frames, frames)
    np.fill_diagonal(sums, 0)
    np.fill_diagonal(pairs, 0)

    left_out = np.eye(len(labels)) if clusters is None else _videos_of(groups, clusters)
    with np.errstate(invalid="ignore"):  # no pair is left: NaN
        replicates = SCALE * _without(sums, left_out) / _without(pairs, left_out)
        value = float(SCALE * sums.sum() / pairs.sum())
    return Estimate(value, replicates, labels, len(groups))


def _videos_of(groups: NDArray[np.intp], clusters: NDArray[Any]) -> NDArray[np.float64]:
    """[C, V]: 1 where a video lies in a cluster. groups [N]: the number of each row's video."""
    labels, of_rows = video_groups(clusters)
    inside = np.zeros((len(labels), groups.max() + 1))
    inside[of_rows, groups] = 1
    return inside


def _without(pairs: NDArray[np.float64], left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """[C]: the sum of [V, V] without the rows and columns of the videos of each cluster [C, V]."""
    crossing = left_out @ (pairs.sum(0) + pairs.sum(1))
    within = np.einsum("cv,vw,cw->c", left_out, pairs, left_out)
    return np.asarray(pairs.sum() - crossing + within, np.float64)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


_CARD = MetricCard(
    name="kid",
    label="KID",
    higher_is_better=False,
    unit="10^-3",
    value_range="0 upwards on average, single values can be negative",
    formula=(
        "1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) over all pairs from different "
        "videos, k(a, b) = (a.b / D + 1)^3"
    ),
    settings={
        **SETTINGS,
        "pairs": "all, same-video pairs excluded",
        "subsets": "none",
        "uncertainty": "delete-one-video jackknife",
    },
    source="Binkowski et al., ICLR 2018; pairs as the clusters demand",
    policy="drop-pairwise",
    network=INCEPTION_NAME,
)
