"""KID against the definition written as a double loop, and its bias on clustered frames."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from thbench.metrics.kid import kid_jackknife

Matrix = NDArray[np.float64]


def kid_by_definition(x: Matrix, y: Matrix, videos: NDArray[np.intp]) -> float:
    def kernel(a: Matrix, b: Matrix) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if videos[i] != videos[j]]
    return 1000 * float(
        np.mean(
            [kernel(x[i], x[j]) + kernel(y[i], y[j]) - 2 * kernel(x[i], y[j]) for i, j in pairs]
        )
    )


def test_equals_the_double_loop_and_so_does_every_replicate() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(14, 6)), generator.normal(size=(14, 6)) + 0.3
    videos = np.repeat([0, 1, 2, 3], [2, 3, 4, 5])
    estimate = kid_jackknife(x, y, videos)
    assert estimate.value == pytest.approx(kid_by_definition(x, y, videos), rel=1e-10)
    left_out = [
        kid_by_definition(x[videos != v], y[videos != v], videos[videos != v]) for v in range(4)
    ]
    np.testing.assert_allclose(estimate.replicates, left_out, rtol=1e-9)


def test_is_unbiased_for_clustered_real_frames_where_the_usual_estimator_is_not() -> None:
    """Two sets of real frames of the same videos have a true KID of 0."""
    generator = np.random.default_rng(1)
    videos = np.repeat(np.arange(12), 6)
    off_diagonal = ~np.eye(72, dtype=bool)
    ours, usual = [], []
    for _ in range(200):
        people = generator.normal(size=(12, 40))[videos]
        x, y = (people + 0.5 * generator.normal(size=(72, 40)) for _ in range(2))
        ours.append(kid_jackknife(x, y, videos).value)
        xx, yy, xy = ((a @ b.T / 40 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        usual.append(1000 * (xx[off_diagonal].mean() + yy[off_diagonal].mean() - 2 * xy.mean()))
    error = np.std(ours, ddof=1) / np.sqrt(200)
    assert abs(np.mean(ours)) < 3 * error
    assert abs(np.mean(usual)) > 3 * np.std(usual, ddof=1) / np.sqrt(200)


def test_order_of_frames_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    x, y, videos = (
        generator.normal(size=(20, 6)),
        generator.normal(size=(20, 6)),
        np.arange(20) // 4,
    )
    order = generator.permutation(20)
    shuffled = kid_jackknife(x[order], y[order], videos[order])
    assert shuffled.value == pytest.approx(kid_jackknife(x, y, videos).value)
    assert shuffled.se == pytest.approx(kid_jackknife(x, y, videos).se)


def test_one_video_has_no_value_and_two_have_no_error() -> None:
    one = kid_jackknife(np.ones((4, 3)), np.ones((4, 3)), np.zeros(4))
    two = kid_jackknife(np.ones((4, 3)), np.ones((4, 3)), np.array([0, 0, 1, 1]))
    assert np.isnan(one.value)
    assert two.value == 0
    assert np.isnan(two.se)


def test_replicates_by_person_are_those_of_the_frames_that_stay() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(24, 4)), rng.normal(size=(24, 4))
    videos = np.repeat([f"v{i}" for i in range(8)], 3)
    persons = np.repeat(["p", "q", "p", "r", "q", "r", "s", "p"], 3)
    estimate = kid_jackknife(x, y, videos, persons)
    by_hand = [
        kid_jackknife(x[kept], y[kept], videos[kept]).value
        for kept in (persons != person for person in "pqrs")
    ]
    np.testing.assert_allclose(estimate.replicates, by_hand)
    assert estimate.value == pytest.approx(kid_jackknife(x, y, videos).value)
