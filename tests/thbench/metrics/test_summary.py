"""Values, failures, policies and paired differences of a small run worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from thbench.errors import ThbenchError
from thbench.metrics.base import FailurePolicy, MetricCard
from thbench.metrics.statistics import Estimate, jackknife
from thbench.metrics.summary import Cell
from thbench.metrics.summary import summarise as summary_record
from thbench.records.encode import encode

VIDEOS = ["v0", "v1", "v2", "v3"]


def card(name: str, policy: FailurePolicy = "drop-pairwise") -> MetricCard:
    return MetricCard(name, name.upper(), True, "", "", "formula", "source", policy)


def summarise(*args: Any, **options: Any) -> Any:
    """What summary.json says."""
    return encode(summary_record(*args, **options))


def run_of(cells: dict[tuple[str, int], Any], frames: int = 3) -> pd.DataFrame:
    """One row per frame; a cell's value is an array [videos, frames] of the metric `m`."""
    return pd.DataFrame(
        [
            {
                "method": method,
                "T": T,
                "person": "p",
                "video": video,
                "frame": f"f{frame}",
                "position": frame,
                "error": "",
                "m": float(values[row][frame]),
            }
            for (method, T), values in cells.items()
            for row, video in enumerate(VIDEOS)
            for frame in range(frames)
        ]
    )


def normal(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(4, 3))


def entry(summary: dict[str, Any], method: str, T: int) -> dict[str, Any]:
    row = next(row for row in summary["rows"] if (row["method"], row["T"]) == (method, T))
    found: dict[str, Any] = row["metrics"]["m"]
    return found


def test_values_errors_and_intervals_are_those_of_the_video_means() -> None:
    values = normal(0)
    found = entry(summarise(run_of({("a", 8): values}), {"m": card("m")}), "a", 8)
    means = values.mean(1)
    assert found["value"] == pytest.approx(means.mean())
    assert found["se"] == pytest.approx(stats.sem(means))
    assert found["ci95"] == pytest.approx(stats.t.interval(0.95, 3, means.mean(), stats.sem(means)))
    assert (found["n"], found["n_failed"], found["reason"]) == (12, 0, None)


def test_real_comes_first_then_methods_as_they_appear_with_T_ascending() -> None:
    frames = run_of(
        {("z", 8): normal(0), ("z", 1): normal(1), ("a", 1): normal(2), ("real", 0): normal(3)}
    )
    rows = summarise(frames, {"m": card("m")})["rows"]
    assert [(row["method"], row["T"]) for row in rows] == [
        ("real", 0),
        ("z", 1),
        ("z", 8),
        ("a", 1),
    ]


def test_differences_are_paired_by_video_and_holm_is_over_the_metric() -> None:
    cells = {
        ("real", 0): normal(9),
        **{
            (method, T): normal(seed)
            for seed, (method, T) in enumerate((method, T) for method in "abc" for T in (1, 8))
        },
    }
    differences = summarise(run_of(cells), {"m": card("m")})["differences"]
    assert {(d["a"], d["b"], d["T"]) for d in differences} == {
        (a, b, T) for a, b in ("ab", "ac", "bc") for T in (1, 8)
    }
    for found in differences:
        ours, theirs = cells[found["a"], found["T"]].mean(1), cells[found["b"], found["T"]].mean(1)
        assert found["difference"] == pytest.approx((ours - theirs).mean())
        assert found["p"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    smallest = min(differences, key=lambda d: d["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 6 * smallest["p"]))


def test_a_dropped_frame_is_left_out_of_both_methods_in_a_difference() -> None:
    ours, theirs = normal(0), normal(1)
    ours[2, 1] = np.nan
    summary = summarise(run_of({("a", 1): ours, ("b", 1): theirs}), {"m": card("m")})
    assert (entry(summary, "a", 1)["n"], entry(summary, "a", 1)["n_failed"]) == (11, 1)
    assert entry(summary, "b", 1)["value"] == pytest.approx(theirs.mean())
    assert summary["differences"][0]["difference"] == pytest.approx(
        np.nanmean(ours - theirs, axis=1).mean()
    )


def test_score_zero_counts_a_failed_frame_as_zero_and_as_failed() -> None:
    values = np.ones((4, 3))
    values[0, 0] = np.nan
    summary = summarise(
        run_of({("a", 1): values, ("b", 1): np.ones((4, 3))}), {"m": card("m", "score-zero")}
    )
    found = entry(summary, "a", 1)
    assert found["value"] == pytest.approx(11 / 12)
    assert (found["n"], found["n_failed"]) == (11, 1)
    assert summary["differences"][0]["difference"] == pytest.approx(-1 / 12)


def test_a_metric_that_may_not_fail_names_the_frame_where_it_did() -> None:
    values = np.ones((4, 3))
    values[1, 2] = np.nan
    with pytest.raises(ThbenchError, match=r"M failed on a, T = 1, p/v1 frame f2"):
        summarise(run_of({("a", 1): values}), {"m": card("m", "error")})


def test_a_failed_unit_is_counted_and_left_out_whatever_the_policy() -> None:
    frames = run_of({("a", 1): np.ones((4, 3))})
    frames.loc[frames.video == "v3", ["error", "m"]] = ["out of memory", np.nan]
    row = summarise(frames, {"m": card("m", "score-zero")})["rows"][0]
    assert (row["n_videos"], row["n_frames"], row["n_failed_units"]) == (3, 9, 1)
    assert row["metrics"]["m"]["value"] == 1
    assert (row["metrics"]["m"]["n"], row["metrics"]["m"]["n_failed"]) == (9, 3)


def test_a_metric_that_was_not_computed_is_empty_with_its_reason() -> None:
    summary = summarise(
        run_of({("a", 1): normal(0), ("b", 1): normal(1)}),
        {"m": card("m"), "gone": card("gone")},
        unavailable={"gone": "weights are missing"},
    )
    found = summary["rows"][0]["metrics"]["gone"]
    assert found == {
        "value": None,
        "se": None,
        "ci95": None,
        "n": 0,
        "n_failed": 0,
        "reason": "weights are missing",
    }
    assert all(d["metric"] == "m" for d in summary["differences"])


def test_set_metrics_are_compared_by_the_paired_jackknife() -> None:
    ours, theirs = normal(0).mean(1), normal(1).mean(1)
    estimates = {
        (method, 1): {"m": jackknife(lambda rows, v=values: float(v[rows].mean() ** 2), VIDEOS)}
        for method, values in (("a", ours), ("b", theirs))
    }
    frames = run_of({("a", 1): normal(0), ("b", 1): normal(1)}).drop(columns="m")
    summary = summarise(frames, {"m": card("m")}, estimates)
    a, b = estimates["a", 1]["m"], estimates["b", 1]["m"]
    assert entry(summary, "a", 1)["value"] == pytest.approx(ours.mean() ** 2)
    deviations = a.replicates - b.replicates - (a.replicates - b.replicates).mean()
    assert summary["differences"][0]["se"] == pytest.approx(np.sqrt(3 / 4 * (deviations**2).sum()))


def test_a_set_difference_over_other_videos_is_empty_with_a_reason() -> None:
    estimates = {
        ("a", 1): {"m": Estimate(1.0, np.ones(2), ("v0", "v1"), 6)},
        ("b", 1): {"m": Estimate(1.0, np.ones(2), ("v0", "v2"), 6)},
    }
    frames = run_of({("a", 1): normal(0), ("b", 1): normal(1)}).drop(columns="m")
    found = summarise(frames, {"m": card("m")}, estimates)["differences"][0]
    assert found["p_holm"] is None
    assert "same videos" in found["reason"]


def test_a_set_difference_is_estimated_over_the_videos_that_both_have() -> None:
    values = {"a": normal(0).mean(1), "b": normal(1).mean(1)}

    def over(name: str, cell: Cell, videos: Set[str]) -> Estimate:
        chosen = [VIDEOS.index(video) for video in sorted(videos)]
        return jackknife(lambda rows: float(values[cell[0]][chosen][rows].mean()), sorted(videos))

    estimates = {
        ("a", 1): {"m": over("m", ("a", 1), set(VIDEOS))},
        ("b", 1): {"m": over("m", ("b", 1), {"v0", "v1", "v3"})},
    }
    frames = run_of({("a", 1): normal(0), ("b", 1): normal(1)}).drop(columns="m")
    found = summarise(frames, {"m": card("m")}, estimates, estimate_over=over)["differences"][0]
    common = [0, 1, 3]
    assert found["p"] == pytest.approx(
        stats.ttest_rel(values["a"][common], values["b"][common]).pvalue
    )


def test_a_set_metric_without_enough_videos_says_so() -> None:
    estimates = {("a", 1): {"m": Estimate(float("nan"), np.array([np.nan]), ("v0",), 3)}}
    found = entry(
        summarise(run_of({("a", 1): normal(0)}).drop(columns="m"), {"m": card("m")}, estimates),
        "a",
        1,
    )
    assert found["value"] is None
    assert found["reason"] == "too few: 3 frames of 1 videos"


def test_is_strict_json_even_with_one_video_and_nothing_scored() -> None:
    frames = run_of({("a", 1): np.full((4, 3), np.nan), ("b", 1): normal(0)})
    frames = frames[frames.video == "v0"]
    summary = summarise(frames, {"m": card("m")})
    json.dumps(summary, allow_nan=False)
    assert entry(summary, "a", 1)["reason"] == "no frame could be scored"
    assert entry(summary, "b", 1)["se"] is None
