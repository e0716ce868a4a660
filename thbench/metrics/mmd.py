"""The squared maximum mean discrepancy of two matched sets of frames, with its jackknife by video.

    MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

The pairs that the three means are over make the estimator (Gretton et al. 2012): biased over all of
them, unbiased over independent ones. Frames of one video are not independent, and row i of the two
sets is one frame: so what is unbiased for frames that come in videos leaves out all pairs of frames
of one video, from all three means.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.statistics import Estimate, video_groups

Matrix = NDArray[np.float64]
Kernel = Callable[[Matrix, Matrix], Matrix]  # rows [N, D] and [M, D] -> [N, M]


def unbiased_mmd(
    generated: NDArray[Any],
    real: NDArray[Any],
    videos: NDArray[Any],
    clusters: NDArray[Any] | None,
    kernel: Kernel,
    scale: float,
) -> Estimate:
    """scale times MMD^2 of matched sets [N, D] over all pairs of frames of different videos.

    Its mean over draws of videos is the true MMD^2, so single values can be negative. clusters [N]:
    what the jackknife leaves out as one; by default each video. The value is NaN below two videos,
    a replicate where fewer than two stay.
    """
    labels, groups = video_groups(videos)
    sums, pairs = _by_videos(generated, real, groups, kernel)
    np.fill_diagonal(sums, 0)
    np.fill_diagonal(pairs, 0)

    return _estimate(sums, pairs, labels, groups, clusters, scale)


def biased_mmd(
    generated: NDArray[Any],
    real: NDArray[Any],
    videos: NDArray[Any],
    clusters: NDArray[Any] | None,
    kernel: Kernel,
    scale: float,
) -> Estimate:
    """scale times MMD^2 of matched sets [N, D] over all pairs, each frame with itself among them.

    Never negative, and 0 for equal sets; larger than the true MMD^2 on average. clusters: as for
    `unbiased_mmd`. A replicate is NaN where no frame stays.
    """
    labels, groups = video_groups(videos)
    sums, pairs = _by_videos(generated, real, groups, kernel)

    return _estimate(sums, pairs, labels, groups, clusters, scale)


def polynomial(a: Matrix, b: Matrix) -> Matrix:
    """(a.b / D + 1)^3, the kernel of KID."""
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3, np.float64)


def gaussian(a: Matrix, b: Matrix, sigma: float) -> Matrix:
    """exp(-|a - b|^2 / (2 sigma^2))."""
    squares = np.sum(a * a, 1)[:, None] + np.sum(b * b, 1) - 2 * a @ b.T
    return np.asarray(np.exp(-np.maximum(squares, 0) / (2 * sigma**2)), np.float64)


def _by_videos(
    generated: NDArray[Any], real: NDArray[Any], groups: NDArray[np.intp], kernel: Kernel
) -> tuple[Matrix, Matrix]:
    """[V, V] sums of h(i, j) = k(xi, xj) + k(yi, yj) - 2 k(xi, yj) over the frames of two videos,
    and their numbers. A replicate of the jackknife is a subtraction from these.
    """
    x, y = np.asarray(generated, np.float64), np.asarray(real, np.float64)
    member = np.eye(groups.max(initial=-1) + 1)[groups]
    frames = member.sum(0)
    sums = member.T @ (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)) @ member

    return sums, np.outer(frames, frames)


def _estimate(
    sums: Matrix,
    pairs: Matrix,
    labels: tuple[str, ...],
    groups: NDArray[np.intp],
    clusters: NDArray[Any] | None,
    scale: float,
) -> Estimate:
    left_out = np.eye(len(labels)) if clusters is None else _videos_of(groups, clusters)
    with np.errstate(invalid="ignore"):  # no pair is left: NaN
        replicates = scale * _without(sums, left_out) / _without(pairs, left_out)
        value = float(scale * sums.sum() / pairs.sum())
    return Estimate(value, replicates, labels, len(groups))


def _videos_of(groups: NDArray[np.intp], clusters: NDArray[Any]) -> Matrix:
    """[C, V]: 1 where a video lies in a cluster. groups [N]: the number of each row's video."""
    labels, of_rows = video_groups(clusters)
    inside = np.zeros((len(labels), groups.max() + 1))
    inside[of_rows, groups] = 1
    return inside


def _without(pairs: Matrix, left_out: Matrix) -> Matrix:
    """[C]: the sum of [V, V] without the rows and columns of the videos of each cluster [C, V]."""
    crossing = left_out @ (pairs.sum(0) + pairs.sum(1))
    within = np.einsum("cv,vw,cw->c", left_out, pairs, left_out)
    return np.asarray(pairs.sum() - crossing + within, np.float64)
