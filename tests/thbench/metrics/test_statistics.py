"""Closed forms, textbook formulas, and simulations with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from thbench.errors import ThbenchError
from thbench.metrics.statistics import (
    Estimate,
    difference_from_zero,
    holm,
    jackknife,
    paired_difference,
    video_mean,
)

RNG = np.random.default_rng(0)


def test_jackknife_of_a_mean_is_the_textbook_standard_error() -> None:
    values = RNG.normal(size=20)
    videos = [f"v{i:02}" for i in range(20)]
    estimate = jackknife(lambda rows: float(values[rows].mean()), videos)
    assert estimate.se == pytest.approx(values.std(ddof=1) / np.sqrt(20), rel=1e-12)
    assert estimate.value == pytest.approx(values.mean())


def test_video_mean_agrees_with_the_generic_jackknife_and_with_scipy() -> None:
    videos = np.repeat([f"v{i}" for i in range(7)], 5)
    values = RNG.normal(size=35)
    fast, slow = (
        video_mean(values, videos),
        jackknife(lambda rows: float(values[rows].mean()), videos),
    )
    assert fast.value == pytest.approx(slow.value)
    np.testing.assert_allclose(fast.replicates, slow.replicates)
    means = values.reshape(7, 5).mean(1)
    low, high = stats.t.interval(0.95, 6, means.mean(), stats.sem(means))
    assert fast.interval() == pytest.approx((low, high))


def test_frames_that_failed_are_left_out_and_videos_weigh_the_same() -> None:
    estimate = video_mean([1.0, np.nan, np.nan, 3.0, 5.0, np.nan], ["a", "a", "a", "b", "b", "c"])
    assert estimate.value == pytest.approx((1 + 4) / 2)
    assert (estimate.videos, estimate.n_frames) == (("a", "b"), 3)
    assert np.isnan(video_mean([np.nan], ["a"]).value)


def test_one_video_has_a_value_and_no_interval() -> None:
    estimate = video_mean([1.0, 2.0], ["a", "a"])
    assert estimate.value == 1.5
    assert np.isnan([estimate.se, *estimate.interval()]).all()


def test_a_cluster_of_videos_is_left_out_as_one() -> None:
    videos = np.repeat(["a1", "a2", "b1", "c1", "c2", "c3"], 2)
    values = RNG.normal(size=12)
    estimate = video_mean(values, videos, [video[0] for video in videos])
    means = values.reshape(6, 2).mean(1)
    by_hand = [means[2:].mean(), np.delete(means, 2).mean(), means[:3].mean()]
    assert estimate.value == pytest.approx(means.mean())
    np.testing.assert_allclose(estimate.replicates, by_hand)
    assert estimate.videos == ("a1", "a2", "b1", "c1", "c2", "c3")


def test_clusters_of_one_video_each_change_nothing() -> None:
    videos = np.repeat([f"v{i}" for i in range(7)], 5)
    values = RNG.normal(size=35)
    alone = video_mean(values, videos)
    clustered = video_mean(values, videos, [f"person of {video}" for video in videos])
    np.testing.assert_array_equal(alone.replicates, clustered.replicates)
    assert alone.interval() == clustered.interval()


def test_paired_difference_refuses_other_clusters() -> None:
    by_video = video_mean([1.0, 2.0, 3.0], ["a", "b", "c"])
    by_person = video_mean([1.0, 2.0, 3.0], ["a", "b", "c"], ["p", "p", "q"])
    with pytest.raises(ThbenchError, match="same clusters"):
        paired_difference(by_video, by_person)


def test_intervals_by_person_cover_where_those_by_video_are_too_narrow() -> None:
    """1000 draws of 50 videos of 30 persons, as the paper has, each person's videos alike."""
    generator = np.random.default_rng(2)
    persons = np.concatenate([np.arange(30), generator.integers(0, 30, 20)])
    videos = np.arange(50)
    covered = {"person": 0, "video": 0}
    for _ in range(1000):
        values = 0.3 + generator.normal(size=30)[persons] + 0.3 * generator.normal(size=50)
        for cluster, labels in (("person", persons), ("video", videos)):
            low, high = video_mean(values, videos, labels).interval()
            covered[cluster] += low <= 0.3 <= high
    # 1000 binomial draws at .95 leave 930 to 970 about once in 500; the jackknife of uneven
    # clusters is a little wide.
    assert 925 <= covered["person"] <= 980
    assert covered["video"] < 920


def test_paired_difference_is_the_paired_t_test() -> None:
    videos = [f"v{i:02}" for i in range(12)]
    a, b = RNG.normal(size=12), RNG.normal(size=12)
    found = paired_difference(video_mean(a, videos), video_mean(b, videos))
    assert found.p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.difference == pytest.approx((a - b).mean())


def test_paired_difference_refuses_other_videos() -> None:
    with pytest.raises(ThbenchError, match="1 in common"):
        paired_difference(video_mean([1.0, 2.0], ["a", "b"]), video_mean([1.0, 2.0], ["b", "c"]))


def test_a_difference_without_spread_is_certain_or_none() -> None:
    def estimate(value: float) -> Estimate:
        return Estimate(value, np.full(3, value), ("a", "b", "c"), 3)

    assert difference_from_zero(estimate(0.0)).p == 1
    assert difference_from_zero(estimate(0.5)).p == 0


def test_holm_of_a_worked_example() -> None:
    # Four tests: the smallest p times 4, the next times 3, then made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, np.nan, 0.8])[::2] == pytest.approx([1.0, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_nor_exceeds_bonferroni(p_values: list[float]) -> None:
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= min(1.0, p * len(p_values)) + 1e-12


@pytest.mark.parametrize("paired", [False, True])
def test_intervals_cover_the_truth_in_95_percent_of_draws(paired: bool) -> None:
    """1000 draws of 50 videos x 8 frames whose frames are strongly correlated within a video."""
    generator = np.random.default_rng(1)
    videos = np.repeat(np.arange(50), 8)
    covered, covered_by_frame = 0, 0
    for _ in range(1000):
        identity = generator.normal(size=50)[videos]  # what both methods share
        values = (
            0.3
            + identity
            + 0.5 * generator.normal(size=50)[videos]
            + 0.5 * generator.normal(size=400)
        )
        if paired:
            other = (
                identity
                + 0.5 * generator.normal(size=50)[videos]
                + 0.5 * generator.normal(size=400)
            )
            low, high = paired_difference(
                video_mean(values, videos), video_mean(other, videos)
            ).ci95
            values = values - other
        else:
            low, high = video_mean(values, videos).interval()
        covered += low <= 0.3 <= high
        covered_by_frame += abs(values.mean() - 0.3) <= 1.96 * values.std(ddof=1) / 20
    assert 930 <= covered <= 970
    assert covered_by_frame < 900, (
        "treating frames as independent should fail here, or this test shows nothing"
    )
