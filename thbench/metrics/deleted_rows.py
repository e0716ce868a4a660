"""Nuclear norms of a square matrix after some rows, and the same columns, are deleted and the rest
is centred: what each replicate of the Frechet distance's jackknife asks for.

A replicate of n rows needs the singular values of an n x n matrix, n^3 operations. But it differs
from the whole matrix K by a projection along few directions only: the r = g + 1 unit vectors N of
the g deleted rows and of the mean of those that stay. With the singular values s of K and s' of the
projected matrix,

    pi sum(s') - pi sum(s)
        = integral over t > 0 of  sum log(t^2 + s'^2) - sum log(t^2 + s^2) + 2 r log t

for pi s is the integral of log(1 + s^2 / t^2). The difference of sums is the logarithm of a
determinant of size 2r (Schur's complement), with one decomposition of K K^T = U diag(s^2) U^T for
all replicates:

    A = N^T (t^2 + K K^T)^-1 N      B = N^T (t^2 + K K^T)^-1 K N
    C = 1 - (K N)^T (t^2 + K K^T)^-1 K N

    sum log(t^2 + s'^2) - sum log(t^2 + s^2) = log det A + log det (C + B^T A^-1 B)

The integrand is analytic in log t but for the singular values at a distance of pi / 2, so that the
trapezoid rule with steps h in log t errs by exp(-pi^2 / h).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

STEP = 0.75  # in log t: an error of 2e-6
LARGE = 0.1  # share of the rows: a larger group is not few directions
LOWEST, HIGHEST = -16.0, 14.0  # of log t, against the largest singular value


def norms_without(K: Matrix, groups: NDArray[np.intp]) -> Matrix:
    """The nuclear norm of K [n, n] without the rows and columns of each group, the rest centred in
    both directions.

    groups [n]: each row's group, 0 ... G - 1; each must leave two rows. Returns float64 [G]. A norm
    is known to about 1e-6 of what its group takes from the whole.
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
    """The same for one group, directly: cheaper where many rows leave."""
    kept = K[np.ix_(keep, keep)]
    kept = kept - kept.mean(0) - kept.mean(1, keepdims=True) + kept.mean()
    squares = np.linalg.eigvalsh(kept @ kept.T)

    return float(np.sqrt(np.maximum(squares, 0)).sum())


def _removed(U: Matrix, image: Matrix, groups: NDArray[np.intp]) -> Iterator[tuple[Matrix, Matrix]]:
    """Of each group the directions N that leave, in the coordinates of U: U^T N and U^T K N,
    [n, r].
    """
    for group in range(groups.max() + 1):
        out = groups == group
        mean = ~out / np.sqrt(np.count_nonzero(~out))

        yield (
            np.column_stack([U[out].T, U.T @ mean]),
            np.column_stack([image[:, out], image @ mean]),
        )


def _integral(t: Matrix, weights: Matrix, inside: Matrix, image: Matrix) -> float:
    """Over t of what the removal changes in sum log(1 + s^2 / t^2); weights [T, n]:
    1 / (t^2 + s^2).
    """
    r = inside.shape[1]
    both = np.hstack([inside, image])
    products = np.stack([(both.T * weight) @ both for weight in weights])
    A, B = products[:, :r, :r], products[:, :r, r:]
    C = np.eye(r) - products[:, r:, r:]

    schur = C + B.transpose(0, 2, 1) @ np.linalg.solve(A, B)
    changes = np.linalg.slogdet(A)[1] + np.linalg.slogdet(schur)[1] + 2 * r * np.log(t)

    return float(STEP * (changes * t).sum())
