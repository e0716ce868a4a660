"""The nuclear norm of a square matrix without a few rows and columns, for many such deletions.

The jackknife of the Frechet distance needs it: each replicate deletes some rows and the columns of
the same numbers, centres the rest, and sums the singular values.

Computed directly, each replicate of an n x n matrix costs n^3 operations. But it differs from the
whole matrix K only by a projection that removes r = g + 1 directions: one for each of the g deleted
rows, and one for the mean of the rows that stay. Their unit vectors are the columns of N [n, r].

Let s be the n singular values of K, and s' the n - r that the projection leaves. Since the integral
of log(1 + s^2 / t^2) over t > 0 is pi s,

    pi sum(s') - pi sum(s)
        = integral over t > 0 of  sum log(t^2 + s'^2) - sum log(t^2 + s^2) + 2 r log t

The difference of sums is the logarithm of a determinant of size 2r (Schur's complement). It needs
one decomposition, K K^T = U diag(s^2) U^T, for all replicates:

    A = N^T (t^2 + K K^T)^-1 N      B = N^T (t^2 + K K^T)^-1 K N
    C = 1 - (K N)^T (t^2 + K K^T)^-1 K N

    sum log(t^2 + s'^2) - sum log(t^2 + s^2) = log det A + log det (C + B^T A^-1 B)

The integral is taken over log t by the trapezoid rule with steps h. In the complex plane of log t
the integrand is analytic up to a distance of pi / 2 from the real axis, where the singular values
are, so the rule's error falls as exp(-pi^2 / h).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

STEP = 0.75  # of log t: the rule's error is 2e-6
LARGE = 0.1  # share of the rows in one group; above it, computing directly is cheaper
LOWEST, HIGHEST = -16.0, 14.0  # the range of log(t / largest singular value)


def norms_without(K: Matrix, groups: NDArray[np.intp]) -> Matrix:
    """The nuclear norms of K [n, n] without each group's rows and columns, the rest centred.

    groups [n]: the group of each row (and of the column of the same number), 0 ... G - 1. Without
    any one group at least two rows must remain. Rows and columns that remain are both centred.

    Returns float64 [G]. The error of a norm is about 1e-6 of what deleting its group takes from the
    nuclear norm of K.
    """
    sizes = np.bincount(groups)
    if not K.any():
        return np.zeros(len(sizes))
    if sizes.max() > LARGE * len(K):
        return np.array([_norm_of(K, groups != group) for group in range(len(sizes))])

    squares, U = np.linalg.eigh(K @ K.T)
    singular = np.sqrt(np.maximum(squares, 0))
    t = singular[-1] * np.exp(np.arange(LOWEST, HIGHEST, STEP))
    weights = 1 / (t[:, None] ** 2 + singular**2)

    integrals = [
        _integral(t, weights, inside, image) for inside, image in _removed(U, U.T @ K, groups)
    ]

    return np.asarray(singular.sum() + np.array(integrals) / np.pi, np.float64)


def _norm_of(K: Matrix, keep: NDArray[np.bool_]) -> float:
    """The nuclear norm of the rows and columns to keep, centred, computed directly."""
    kept = K[np.ix_(keep, keep)]
    kept = kept - kept.mean(0) - kept.mean(1, keepdims=True) + kept.mean()
    squares = np.linalg.eigvalsh(kept @ kept.T)

    return float(np.sqrt(np.maximum(squares, 0)).sum())


def _removed(U: Matrix, image: Matrix, groups: NDArray[np.intp]) -> Iterator[tuple[Matrix, Matrix]]:
    """For each group the removed directions N and their images K N, as U^T N and U^T K N [n, r].

    image: U^T K.
    """
    for group in range(groups.max() + 1):
        out = groups == group
        stay = ~out
        mean = stay / np.sqrt(np.count_nonzero(stay))  # a unit vector

        yield (
            np.column_stack([U[out].T, U.T @ mean]),
            np.column_stack([image[:, out], image @ mean]),
        )


def _integral(t: Matrix, weights: Matrix, inside: Matrix, image: Matrix) -> float:
    """Pi times what the removal changes in the sum of the singular values.

    weights [T, n]: 1 / (t^2 + s^2). inside, image: U^T N and U^T K N, see `_removed`.
    """
    r = inside.shape[1]
    both = np.hstack([inside, image])
    products = np.stack([(both.T * weight) @ both for weight in weights])
    A, B = products[:, :r, :r], products[:, :r, r:]
    C = np.eye(r) - products[:, r:, r:]

    schur = C + B.transpose(0, 2, 1) @ np.linalg.solve(A, B)
    changes = np.linalg.slogdet(A)[1] + np.linalg.slogdet(schur)[1] + 2 * r * np.log(t)

    # The steps are of log t: dt = t d(log t).
    return float(STEP * (changes * t).sum())
