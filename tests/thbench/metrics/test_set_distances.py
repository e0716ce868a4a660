"""MMD in both forms against double loops, and the distances of all networks against float64
references.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from thbench.metrics.cmmd import cmmd, cmmd_jackknife
from thbench.metrics.frechet import frechet_estimate
from thbench.metrics.kid import kid_heads
from thbench.metrics.mmd import biased_mmd, gaussian, polynomial

Matrix = NDArray[np.float64]


def sample(n: int, dimensions: int, seed: int) -> Matrix:
    return np.random.default_rng(seed).normal(size=(n, dimensions)) + 0.5


def cmmd_by_definition(x: Matrix, y: Matrix) -> float:
    """Jayasumana et al., section 5: all pairs, embeddings of length 1, sigma = 10."""

    def kernel(a: Matrix, b: Matrix) -> float:
        a, b = a / math.sqrt(a @ a), b / math.sqrt(b @ b)
        return math.exp(-float((a - b) @ (a - b)) / (2 * 10**2))

    def mean(first: Matrix, second: Matrix) -> float:
        values = [kernel(a, b) for a in first for b in second]
        return math.fsum(values) / len(values)

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def test_cmmd_equals_the_double_loop_and_so_does_every_replicate() -> None:
    x, y = sample(14, 6, 0), sample(14, 6, 1)
    videos = np.repeat([0, 1, 2, 3], [2, 3, 4, 5])
    persons = np.array(["p", "q", "p", "r"])[videos]
    estimate = cmmd_jackknife(x, y, videos, persons)
    assert estimate.value == pytest.approx(cmmd_by_definition(x, y), rel=1e-9)
    left_out = [cmmd_by_definition(x[persons != p], y[persons != p]) for p in "pqr"]
    np.testing.assert_allclose(estimate.replicates, left_out, rtol=1e-9)


def test_cmmd_is_zero_for_equal_frames_and_never_negative() -> None:
    videos = np.repeat(np.arange(5), 4)
    for seed in range(20):
        x, y = sample(20, 8, seed), sample(20, 8, seed + 100)
        assert cmmd_jackknife(x, y, videos).value > 0
        assert cmmd_jackknife(x, x, videos).value == pytest.approx(0, abs=1e-9)


def test_cmmd_has_its_closed_form_where_all_frames_of_a_set_are_alike() -> None:
    """2 (1 - exp(-d^2 / 200)) for two points d apart, here with a right angle between them."""
    x, y = np.tile([3.0, 0, 0], (6, 1)), np.tile([0, 0.1, 0], (6, 1))
    value = cmmd_jackknife(x, y, np.repeat([0, 1, 2], 2)).value
    assert value == pytest.approx(1000 * 2 * (1 - math.exp(-2 / 200)), rel=1e-12)


def test_kernels_equal_their_definitions() -> None:
    a, b = sample(5, 7, 0), sample(4, 7, 1)
    for i in range(5):
        for j in range(4):
            assert polynomial(a, b)[i, j] == pytest.approx((a[i] @ b[j] / 7 + 1) ** 3)
            distance = np.linalg.norm(a[i] - b[j])
            expected = math.exp(-(distance**2) / 18)
            assert gaussian(a, b, 3)[i, j] == pytest.approx(expected)


def test_of_one_video_there_is_a_value_without_an_error() -> None:
    estimate = biased_mmd(sample(4, 3, 0), sample(4, 3, 1), np.zeros(4), None, polynomial, 1)
    assert np.isfinite(estimate.value)
    assert np.isnan(estimate.se)


@pytest.mark.parametrize("dimensions", [160, 400], ids=["heads-net", "I3D"])
def test_the_frechet_distance_agrees_with_scipys_root_in_other_sizes(dimensions: int) -> None:
    """Full covariances, where the matrix square root is accurate."""
    scale = np.arange(1, dimensions + 1) ** -0.5
    x = sample(dimensions + 40, dimensions, 0) * scale
    y = sample(dimensions + 40, dimensions, 1) * scale * 1.1
    videos = np.arange(len(x)) // 50
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(
        covariances[0] + covariances[1] - 2 * np.real(root)
    )
    estimate = frechet_estimate(x, y, videos, videos)
    assert estimate.value == pytest.approx(expected, rel=1e-7)
    assert estimate.se > 0


def test_cards_say_what_is_biased_and_what_may_be_negative() -> None:
    assert "biased" in cmmd().card.settings["pairs"]
    assert "can be negative" in kid_heads().card.value_range
