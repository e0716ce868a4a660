"""The Frechet distance between two Gaussians fitted to features (Heusel et al. 2017), and its
jackknife by video.

    d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

With fewer frames than dimensions the covariances are singular and the matrix square root of their
product is slow and inaccurate. Its trace is the nuclear norm of X1 X2^T / sqrt((n1 - 1)(n2 - 1))
for centred features X1, X2, which is exact, real by construction and needs no covariance at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.metrics.deleted_rows import norms_without
from thbench.metrics.statistics import Estimate, video_groups

Matrix = NDArray[np.float64]
ACCURACY = 1e-7  # of tr (S1 S2)^(1/2), relative

# What the cards of the metrics that use it say.
FORMULA = "|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))"
SETTINGS = {
    "reference": "the matched hold-out frames",
    "uncertainty": "delete-one-video jackknife",
}


def frechet_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The distance between features [n1, D] and [n2, D]. Raises `ThbenchError` below two rows or if
    not finite.
    """
    a, b = _checked(a, "generated"), _checked(b, "real")
    if min(len(a), len(b)) > a.shape[1]:
        return frechet_from_statistics(
            a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False)
        )
    X1, X2 = a - a.mean(0), b - b.mean(0)
    shared = _nuclear_norm(X1 @ X2.T) / np.sqrt((len(a) - 1) * (len(b) - 1))
    spread = np.sum(X1 * X1) / (len(a) - 1) + np.sum(X2 * X2) / (len(b) - 1)
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + spread - 2 * shared)


def frechet_from_statistics(mu1: Matrix, sigma1: Matrix, mu2: Matrix, sigma2: Matrix) -> float:
    """The distance from means [D] and covariances [D, D], as in the .npz files of other tools."""
    sigma1, sigma2 = np.atleast_2d(sigma1), np.atleast_2d(sigma2)
    root = _root(sigma1)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root.T @ sigma2 @ root), 0)).sum()
    return float(np.sum((mu1 - mu2) ** 2) + np.trace(sigma1) + np.trace(sigma2) - 2 * shared)


def frechet_jackknife(a: NDArray[Any], b: NDArray[Any], videos: NDArray[Any]) -> Estimate:
    """The distance of two matched sets [N, D] with its delete-one-video jackknife; `videos` [N]
    names each row's video.

    Features are multiplied and decomposed once for all replicates (`deleted_rows`). The value is
    NaN below two rows, the replicates where fewer stay. Raises `ThbenchError` when the sets do not
    match.
    """
    labels, groups = video_groups(videos)
    if not len(a) == len(b) == len(groups):
        raise ThbenchError(
            f"a matched set needs one row per frame, got {len(a)} generated, {len(b)} real and "
            f"{len(groups)} videos"
        )
    if len(a) < 2:
        return Estimate(float("nan"), np.full(len(labels), np.nan), labels, len(a))
    a, b = _checked(a, "generated"), _checked(b, "real")
    if len(a) - np.bincount(groups).max() < 2:
        return Estimate(frechet_distance(a, b), np.full(len(labels), np.nan), labels, len(a))
    replicates = _low_rank_replicates if len(a) <= a.shape[1] else _moment_replicates
    return Estimate(frechet_distance(a, b), replicates(a, b, groups, len(labels)), labels, len(a))


def frechet_estimate(
    generated: NDArray[Any], real: NDArray[Any], videos: NDArray[Any], clusters: NDArray[Any]
) -> Estimate:
    """`SetMetric.estimate` of the Frechet distance, for which only the clusters matter."""
    return frechet_jackknife(generated, real, clusters)


def _low_rank_replicates(a: Matrix, b: Matrix, groups: NDArray[np.intp], videos: int) -> Matrix:
    # Centring on the full means first keeps the small differences of the later centring exact.
    a, b, offset = a - a.mean(0), b - b.mean(0), a.mean(0) - b.mean(0)
    cross, norms_a, norms_b = a @ b.T, np.sum(a * a, 1), np.sum(b * b, 1)
    # What squaring loses is the same in every replicate to far below their differences.
    shared = norms_without(cross, groups)
    replicates = np.empty(videos)

    for video in range(videos):
        keep = groups != video
        n = int(keep.sum())
        mean_a, mean_b = a[~keep].sum(0) / -n, b[~keep].sum(0) / -n
        means = n * (mean_a @ mean_a + mean_b @ mean_b)
        spread = norms_a[keep].sum() + norms_b[keep].sum() - means
        apart = np.sum((offset + mean_a - mean_b) ** 2)
        replicates[video] = apart + (spread - 2 * shared[video]) / (n - 1)

    return replicates


def _moment_replicates(a: Matrix, b: Matrix, groups: NDArray[np.intp], videos: int) -> Matrix:
    a, b, offset = a - a.mean(0), b - b.mean(0), a.mean(0) - b.mean(0)
    moment_a, moment_b = a.T @ a, b.T @ b
    replicates = np.empty(videos)
    for video in range(videos):
        out_a, out_b = a[groups == video], b[groups == video]
        n = len(a) - len(out_a)
        mean_a, mean_b = out_a.sum(0) / -n, out_b.sum(0) / -n
        sigma_a = (moment_a - out_a.T @ out_a - n * np.outer(mean_a, mean_a)) / (n - 1)
        sigma_b = (moment_b - out_b.T @ out_b - n * np.outer(mean_b, mean_b)) / (n - 1)
        replicates[video] = frechet_from_statistics(offset + mean_a, sigma_a, mean_b, sigma_b)
    return replicates


def _nuclear_norm(K: Matrix) -> float:
    """The sum of singular values, from the eigenvalues of K K^T where these are accurate enough: 3
    times as fast.
    """
    squares = _squares(K)
    singular = np.sqrt(squares)
    # Squaring costs small singular values up to half of their digits: each eigenvalue is known to
    # about this much.
    known_to = np.finfo(np.float64).eps * squares.max()
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where K is 0 throughout: no doubt
        doubt = np.fmin(known_to / (2 * singular), np.sqrt(known_to)).sum()
    if doubt > ACCURACY * singular.sum():
        singular = np.linalg.svd(K, compute_uv=False)
    return float(singular.sum())


def _squares(K: Matrix) -> Matrix:
    """The squared singular values of K, rising."""
    gram = K @ K.T if len(K) <= K.shape[1] else K.T @ K
    return np.asarray(np.maximum(np.linalg.eigvalsh(gram), 0), np.float64)


def _root(sigma: Matrix) -> Matrix:
    """R with R R^T = sigma: Cholesky where it exists, eigenvectors where sigma is singular."""
    try:
        return np.asarray(np.linalg.cholesky(sigma), np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(sigma)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0)), np.float64)


def _checked(features: NDArray[Any], which: str) -> Matrix:
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ThbenchError(
            f"the Frechet distance needs at least 2 {which} frames, got features {features.shape}"
        )
    if not np.isfinite(features).all():
        raise ThbenchError(
            f"the features of the {which} frames are not all finite: check the frames and the "
            "weights"
        )
    return features
