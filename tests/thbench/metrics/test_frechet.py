"""The Frechet distance against closed forms, pytorch-fid's matrix square root, and simulations."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.metrics.frechet import frechet_distance, frechet_from_statistics, frechet_jackknife

Matrix = NDArray[np.float64]


def features(n: int, dimensions: int, seed: int, power: float = 0.5) -> Matrix:
    """Gaussian features with a decaying spectrum, as those of Inception have."""
    return (
        np.random.default_rng(seed).normal(size=(n, dimensions))
        * np.arange(1, dimensions + 1) ** -power
    )


@pytest.mark.parametrize(
    "n", [40, 400], ids=["fewer frames than dimensions", "more frames than dimensions"]
)
class TestBothForms:
    dimensions = 100

    def test_distance_to_itself_is_zero(self, n: int) -> None:
        x = features(n, self.dimensions, 0)
        assert abs(frechet_distance(x, x)) < 1e-8

    def test_a_shift_costs_its_squared_length(self, n: int) -> None:
        x, shift = features(n, self.dimensions, 0), np.linspace(0, 1, self.dimensions)
        assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-9)

    def test_scaling_has_its_closed_form(self, n: int) -> None:
        x = features(n, self.dimensions, 0)
        x -= x.mean(0)
        trace = np.trace(np.cov(x, rowvar=False))
        assert frechet_distance(x, 3 * x) == pytest.approx((1 - 3) ** 2 * trace, rel=1e-9)

    def test_order_of_frames_and_of_sets_does_not_matter(self, n: int) -> None:
        x, y = features(n, self.dimensions, 0), features(n, self.dimensions, 1)
        shuffled = np.random.default_rng(2).permutation(n)
        assert frechet_distance(x[shuffled], y) == pytest.approx(frechet_distance(x, y), abs=1e-8)
        assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), abs=1e-8)

    def test_agrees_with_the_matrix_square_root_of_pytorch_fid(self, n: int) -> None:
        fid_score = pytest.importorskip("pytorch_fid.fid_score")
        x, y = features(n, self.dimensions, 0), 0.9 * features(n, self.dimensions, 1) + 0.05
        moments = (x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                reference = fid_score.calculate_frechet_distance(*moments)
            except TypeError:
                pytest.skip("pytorch-fid's square root does not run with SciPy 1.18 and later")
        assert frechet_distance(x, y) == pytest.approx(reference, rel=1e-4)
        assert frechet_from_statistics(*moments) == pytest.approx(reference, rel=1e-4)

    def test_jackknife_replicates_are_the_distances_without_one_video(self, n: int) -> None:
        x, y = features(n, self.dimensions, 0), features(n, self.dimensions, 1) + 0.1
        videos = np.arange(n) // 8
        estimate = frechet_jackknife(x, y, videos)
        expected = [frechet_distance(x[videos != v], y[videos != v]) for v in range(n // 8)]
        np.testing.assert_allclose(estimate.replicates, expected, rtol=1e-6)
        assert estimate.value == pytest.approx(frechet_distance(x, y))


def test_both_forms_agree_where_they_meet() -> None:
    x, y = features(101, 100, 0), features(101, 100, 1)
    as_low_rank = frechet_distance(
        np.pad(x, ((0, 0), (0, 5))), np.pad(y, ((0, 0), (0, 5)))
    )  # 105 dimensions, 5 empty
    assert as_low_rank == pytest.approx(frechet_distance(x, y), rel=1e-7)


def test_near_copies_of_few_frames_lose_no_digits() -> None:
    """Frames of a video are near-copies: most singular values are tiny, and squaring them would
    cost their digits.
    """
    x = np.repeat(features(10, 300, 0), 20, axis=0) + 1e-6 * features(200, 300, 1, power=0)
    assert abs(frechet_distance(x, x)) < 1e-8
    assert frechet_distance(np.ones((4, 9)), np.ones((4, 9))) == 0


def test_sets_of_different_size() -> None:
    x, y = features(30, 100, 0), features(50, 100, 1)
    moments = (x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet_distance(x, y) == pytest.approx(frechet_from_statistics(*moments), rel=1e-5)


def test_jackknife_error_is_right_where_the_video_bootstrap_is_not() -> None:
    """Truth by simulation: draws of 30 videos x 4 frames, a paired generator, fewer frames than
    dimensions.
    """
    generator = np.random.default_rng(0)
    videos, dimensions = np.repeat(np.arange(30), 4), 160
    scale = np.arange(1, dimensions + 1) ** -0.75

    def draw() -> tuple[Matrix, Matrix]:
        identity = 0.9 * generator.normal(size=(30, dimensions))[videos]
        real = (identity + 0.45 * generator.normal(size=(120, dimensions))) * scale
        return real + 0.3 * generator.normal(size=(120, dimensions)) * scale, real

    truth = np.std([frechet_distance(*draw()) for _ in range(300)], ddof=1)
    jackknife, bootstrap = [], []
    for _ in range(12):
        fake, real = draw()
        jackknife.append(frechet_jackknife(fake, real, videos).se)
        resampled = []
        for _ in range(40):
            rows = (generator.integers(30, size=30)[:, None] * 4 + np.arange(4)).ravel()
            resampled.append(frechet_distance(fake[rows], real[rows]))
        bootstrap.append(np.std(resampled, ddof=1))
    assert 0.8 < np.mean(jackknife) / truth < 1.5
    assert np.mean(bootstrap) / truth > 1.5


def test_features_that_are_not_numbers_are_refused() -> None:
    broken = np.full((4, 3), np.nan)
    with pytest.raises(ThbenchError, match="not all finite"):
        frechet_distance(broken, np.ones((4, 3)))
    with pytest.raises(ThbenchError, match="at least 2 generated frames"):
        frechet_distance(np.ones((1, 3)), np.ones((4, 3)))
    with pytest.raises(ThbenchError, match="one row per frame"):
        frechet_jackknife(np.ones((4, 3)), np.ones((3, 3)), np.arange(4))


def test_one_video_has_a_distance_and_no_error() -> None:
    estimate = frechet_jackknife(features(8, 20, 0), features(8, 20, 1), np.zeros(8))
    assert estimate.value > 0
    assert np.isnan(estimate.se)
    assert np.isnan(frechet_jackknife(np.ones((1, 3)), np.ones((1, 3)), np.zeros(1)).value)
