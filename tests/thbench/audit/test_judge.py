"""From harms by video to verdicts, held against simulated experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from thbench.audit.judge import NEEDED, VIDEOS, judged, smallest_seen, values_by_video
from thbench.metrics.statistics import Estimate, video_mean

STRENGTHS = (1.0, 2.0, 4.0)
VIDEO_NAMES = [f"v{number:02d}" for number in range(12)]


def harm(mean: float, sd: float, videos: list[str] | None = None, seed: int = 0) -> Estimate:
    """Harms by video with exactly this mean and standard deviation."""
    names = videos or VIDEO_NAMES
    drawn = np.random.default_rng(seed).normal(size=len(names))
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return video_mean(mean + sd * drawn, names)


def test_the_strength_in_between_where_50_videos_tell_it() -> None:
    sd = np.sqrt(VIDEOS) / NEEDED  # z = mean * NEEDED
    found = judged("m", "d", STRENGTHS, [harm(0, sd), harm(0.5, sd, seed=1), harm(1.5, sd, seed=2)])
    assert found.smallest == pytest.approx(3.0)  # z reaches NEEDED half-way from 2 to 4
    assert not found.at_most
    assert found.smallest_se is not None
    assert found.smallest_se > 0


def test_at_that_strength_four_of_five_experiments_tell_it() -> None:
    random, mean, experiments = np.random.default_rng(1), NEEDED / np.sqrt(VIDEOS), 4000
    drawn = random.normal(mean, 1, (experiments, VIDEOS))
    t = drawn.mean(1) / (drawn.std(1, ddof=1) / np.sqrt(VIDEOS))
    told = (np.abs(t) > stats.t.ppf(0.975, VIDEOS - 1)).mean()
    assert told == pytest.approx(0.8, abs=0.04)


def test_verdicts() -> None:
    def verdict(mean: float, sd: float) -> str:
        return judged("m", "d", (1.0,), [harm(mean, sd)]).verdict

    assert verdict(1, 0.5) == "sees"
    assert verdict(-1, 0.5) == "rewards"
    assert verdict(0.01, 1) == "blind"
    assert verdict(0.5, 1) == "unclear"  # 50 videos would tell it, 12 do not


def test_a_step_back_beyond_its_error_is_not_monotone() -> None:
    up, down = harm(1, 0.1), harm(0.5, 0.1)
    assert judged("m", "d", (1.0, 2.0), [down, up]).monotone
    assert not judged("m", "d", (1.0, 2.0), [up, down]).monotone
    assert judged("m", "d", (1.0, 2.0), [up, harm(0.999, 0.1, seed=3)]).monotone


def test_videos_that_only_some_strengths_have_are_compared_where_both_have_them() -> None:
    harms = [harm(1, 0.1), harm(2, 0.1, VIDEO_NAMES[:5]), harm(float("nan"), 0.1)]
    table = values_by_video(harms)
    assert np.isfinite(table).sum(1).tolist() == [12, 5, 0]
    found = judged("m", "d", STRENGTHS, harms)
    assert found.monotone
    assert found.verdict == "sees"
    assert found.effects[2].harm is None


def test_by_video_values_of_a_mean_are_the_videos_own() -> None:
    values = np.arange(12.0)
    assert values_by_video([video_mean(values, VIDEO_NAMES)])[0] == pytest.approx(values)


def test_nothing_is_smallest_where_the_strongest_is_not_seen() -> None:
    assert smallest_seen(STRENGTHS, np.array([9.0, 9.0, 1.0])) == (None, False)
    assert smallest_seen(STRENGTHS, np.array([9.0, 9.0, np.inf])) == (1.0, True)
    assert smallest_seen(STRENGTHS, np.array([np.nan, 9.0, 9.0])) == (2.0, True)
