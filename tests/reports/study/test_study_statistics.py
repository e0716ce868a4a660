from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from reports.study import statistics
from reports.study.forms import RatedTriplet, balanced_forms
from reports.study.power import (
    ratings_to_show_equivalence,
    ratings_to_tell_apart,
    ratings_to_tell_from_chance,
)
from reports.study.simulate import chance_of, skill_of
from reports.study.statistics import (
    clopper_pearson,
    d_prime,
    fleiss_kappa,
    position_bias,
    rate_difference,
    success_rate,
)

STUDIES = 300


def test_two_way_variance_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    raters, videos, hits = rng.integers(0, 7, 60), rng.integers(0, 5, 60), rng.integers(0, 2, 60)
    videos[:7], raters[:7] = 0, np.arange(7)
    deviation = (hits - hits.mean()) / len(hits)

    def one_way(labels: NDArray[np.int64]) -> float:
        """sum over pairs of ratings in one cluster, the double sum written out"""
        same = labels[:, None] == labels[None, :]
        groups = len(set(labels.tolist()))
        return float((same * np.outer(deviation, deviation)).sum() * groups / (groups - 1))

    rater, video, both = one_way(raters), one_way(videos), one_way(raters * 100 + videos)
    assert success_rate(hits, raters, videos).se == pytest.approx(
        np.sqrt(max(rater + video - both, rater, video))
    )


def test_ratings_that_are_all_alike_or_of_one_rater_get_no_interval() -> None:
    alike = success_rate([1] * 20, list(range(20)), [0, 1] * 10)
    single = success_rate([1, 0] * 10, [0] * 20, list(range(20)))
    assert alike.value == 1
    for rate in (alike, single):
        assert np.isnan([rate.se, *rate.ci95, rate.p_one_third, rate.p_equivalent]).all()


def test_naive_intervals_agree_with_scipy() -> None:
    for hits, n in ((0, 30), (11, 30), (30, 30), (533, 1600)):
        test = stats.binomtest(hits, n)
        assert statistics.wilson(hits, n) == pytest.approx(
            tuple(test.proportion_ci(method="wilson")), abs=1e-12
        )
        assert clopper_pearson(hits, n) == pytest.approx(
            tuple(test.proportion_ci(method="exact")), abs=1e-12
        )


def test_d_prime_of_three_alternatives_agrees_with_a_simulated_observer() -> None:
    assert d_prime(1 / 3) == pytest.approx(0, abs=1e-9)
    assert [d_prime(rate) for rate in (0.38, 0.43, 0.61, 0.71, 0.82)] == pytest.approx(
        [0.16, 0.33, 0.92, 1.28, 1.75], abs=0.005
    )
    assert d_prime(0.25) == pytest.approx(-d_prime_lower(0.25), abs=0.02)
    assert d_prime(0.0) is None
    assert d_prime(1.0) is None


def d_prime_lower(rate: float) -> float:
    """The (positive) d' at which the odd one is the largest of three with this rate, its mean
    lowered by d'.
    """
    noise = np.random.default_rng(0).normal(size=(400_000, 3))
    candidates = np.linspace(0, 1, 101)
    rates = [(noise[:, 0] - d > noise[:, 1:].max(1)).mean() for d in candidates]
    return float(candidates[np.abs(np.array(rates) - rate).argmin()])


def test_fleiss_kappa_of_the_published_example() -> None:
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]  # Fleiss 1971
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    guessing = np.random.default_rng(0).multinomial(5, [1 / 3] * 3, size=4000)
    assert abs(fleiss_kappa(guessing)) < 0.02


def test_a_favourite_position_shows() -> None:
    assert position_bias([0, 1, 2] * 40) == pytest.approx(1)
    assert position_bias([0] * 60 + [1, 2] * 30) < 0.01


def test_equivalence_needs_more_than_a_test_that_finds_nothing() -> None:
    rng = np.random.default_rng(3)
    few, many = rng.random(45) < 1 / 3, rng.random(4500) < 1 / 3
    small = success_rate(few, np.arange(45) % 9, np.arange(45) % 5)
    large = success_rate(many, np.arange(4500) % 90, np.arange(4500) // 90)
    assert small.p_one_third > 0.05
    assert small.p_equivalent > 0.05
    assert large.p_one_third > 0.05
    assert large.p_equivalent < 0.05


def test_pairing_by_video_makes_differences_sharper() -> None:
    rng = np.random.default_rng(5)
    videos = np.repeat(np.arange(40), 25)
    easy = np.repeat(rng.uniform(-0.3, 0.3, 40), 25)
    first, second = (rng.random(1000) < rate + easy for rate in (0.6, 0.5))
    raters = np.arange(1000) % 100
    paired = rate_difference((first, raters, videos), (second, raters + 100, videos))
    apart = rate_difference((first, raters, videos), (second, raters + 100, videos + 40))
    assert paired.difference == pytest.approx(apart.difference)
    assert paired.se < 0.7 * apart.se


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "wilson"), [(0.62, (0.5, 0.85)), (0.36, (0.9, 0.98))])
def test_headline_interval_covers_where_wilsons_does_not(
    rate: float, wilson: tuple[float, float]
) -> None:
    """300 studies of the paper's size: 480 raters, 50 videos, 320 triplets of one row, 5 ratings
    each.

    Near chance there is little for raters, videos and triplets to differ in, so Wilson's interval
    covers there too.
    """
    rng = np.random.default_rng(11)
    rows = [RatedTriplet(number % 50, number % 50, number // 320) for number in range(4800)]
    forms = balanced_forms(rows, 5, 50, rng)
    rated = [
        (rater, trial.triplet)
        for rater, form in enumerate(forms)
        for trial in form
        if trial.triplet < 320
    ]
    raters, triplets = np.array(rated).T
    videos = triplets % 50
    skill = float(skill_of(rate))
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    truth = float(chance_of(skill + np.sqrt(3) * 0.8 * nodes) @ weights / weights.sum())
    headline = naive = 0
    for _ in range(STUDIES):
        effects = (
            rng.normal(0, 0.8, len(forms))[raters]
            + rng.normal(0, 0.8, 50)[videos]
            + rng.normal(0, 0.8, 320)[triplets]
        )
        found = success_rate(rng.random(1600) < chance_of(skill + effects), raters, videos)
        headline += found.ci95[0] <= truth <= found.ci95[1]
        naive += found.wilson95[0] <= truth <= found.wilson95[1]
    assert 0.92 <= headline / STUDIES <= 0.98
    assert wilson[0] <= naive / STUDIES <= wilson[1]


@pytest.mark.parametrize(("a", "b"), [(0.62, 0.82), (0.62, 0.71), (0.33, 0.38)])
def test_planned_ratings_reach_four_fifths_power(a: float, b: float) -> None:
    n = round(ratings_to_tell_apart(a, b))
    first, second = (
        np.random.default_rng(seed).binomial(n, rate, 20_000) / n for seed, rate in ((0, a), (1, b))
    )
    pooled = (first + second) / 2
    power = (np.abs(first - second) / np.sqrt(2 * pooled * (1 - pooled) / n) > 1.96).mean()
    assert power == pytest.approx(0.8, abs=0.02)


def test_planned_ratings_against_chance_and_for_equivalence_reach_four_fifths_power() -> None:
    n = round(ratings_to_tell_from_chance(0.38))
    found = np.random.default_rng(0).binomial(n, 0.38, 20_000) / n
    assert (np.abs(found - 1 / 3) / np.sqrt(2 / 9 / n) > 1.96).mean() == pytest.approx(
        0.8, abs=0.02
    )
    n = round(ratings_to_show_equivalence())
    found = np.random.default_rng(0).binomial(n, 1 / 3, 20_000) / n
    inside = (0.05 - np.abs(found - 1 / 3)) / np.sqrt(found * (1 - found) / n) > 1.645
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
