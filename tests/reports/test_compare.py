"""What changed between two runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from support.fake_run import make_run

from reports.compare import compare_text, score_changes, setting_changes
from reports.results import Results
from thbench.files import read_json, write_json


def test_settings_are_compared_leaf_by_leaf(tmp_path: Path) -> None:
    a, b = (
        make_run(tmp_path / "a", images=False),
        make_run(tmp_path / "b", images=False, methods=("x2face", "mine")),
    )
    info = read_json(b / "run.json")
    info["versions"]["torch"] = "2.11.0"
    info["created_utc"] = "another day"
    write_json(b / "run.json", info)
    changes = {
        change.where: (change.a, change.b)
        for change in setting_changes(read_json(a / "run.json"), info)
    }
    assert changes.pop("versions.torch") == ("2.15.0", "2.11.0")
    assert changes.pop("methods.mine")[0] is None
    assert set(changes) == {"methods.ours-ff", "methods.ours-ft"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["seeds", "versions", "hardware"]), st.dictionaries(st.text(), json_values)
    )
)
def test_equal_settings_have_no_changes(info: dict[str, object]) -> None:
    assert not list(setting_changes(info, json.loads(json.dumps(info))))


def test_per_frame_scores_are_paired_by_video(tmp_path: Path) -> None:
    a, b = (
        Results.open(make_run(tmp_path / name, seed=seed, images=False, methods=("m",), T=(8,)))
        for name, seed in (("a", 0), ("b", 1))
    )
    change = next(change for change in score_changes(a, b) if change.metric == "ssim")
    means = [
        run.per_video("ssim").query("method == 'm'").sort_values("video")["value"].to_numpy()
        for run in (a, b)
    ]
    gap = means[1] - means[0]
    oracle = stats.ttest_1samp(gap, 0)
    assert change.paired
    assert change.difference == pytest.approx(gap.mean())
    assert change.p == pytest.approx(oracle.pvalue)
    assert change.ci95 == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_set_metrics_and_other_data_are_not_called_paired(tmp_path: Path) -> None:
    a = Results.open(make_run(tmp_path / "a", images=False))
    fid = next(change for change in score_changes(a, a) if change.metric == "fid")
    se = a.rows[1].scores["fid"].se
    assert (fid.paired, fid.p) == (False, None)
    assert se is not None
    assert fid.ci95 is not None
    assert fid.ci95[1] == pytest.approx(1.96 * np.sqrt(2) * se)
    other = Results.open(make_run(tmp_path / "b", images=False, dataset="VoxCeleb2"))
    frames = other.frames
    frames["person"] = "another " + frames["person"]
    changes = score_changes(a, other)
    assert not any(change.paired for change in changes)
    unlike = next(change for change in changes if change.metric == "fid")
    assert (unlike.difference, unlike.ci95, unlike.p) == (None, None, None)


def test_text_tells_settings_and_scores(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", images=False)
    b = make_run(tmp_path / "b", images=False, shift=0.1)
    text = compare_text(a, b)
    assert "- all the same" in text
    assert "| x2face (1) | 53.520 | 52.320 | -1.200 ±" in text
    assert "FID is not paired" in text
    value = json.loads(compare_text(a, b, "json"))
    assert value["changes"] == []
    assert value["scores"]["rows"][0]["cells"]["a"]["value"] == pytest.approx(53.52)
    unscored = make_run(tmp_path / "c", images=False, scored=False)
    assert "no score is in both runs" in compare_text(a, unscored)


def test_a_run_that_lost_a_video_is_marked_and_its_difference_is_not_bold(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", methods=("m",), T=(8,), n_videos=7, images=False)
    b = make_run(tmp_path / "b", methods=("m",), T=(8,), n_videos=7, images=False, shift=3)
    assert "**" in _line(compare_text(a, b), "SSIM")
    frames = pd.read_parquet(b / "frames.parquet")
    frames.loc[(frames["method"] == "m") & (frames["video"] == "vid0"), "ssim"] = np.nan
    frames.to_parquet(b / "frames.parquet")
    line = _line(compare_text(a, b), "SSIM")
    assert "**" not in line
    assert "(0." in line
    assert "SSIM over 6 of 7 videos only." in compare_text(a, b)


def test_few_videos_are_not_bold_and_intervals_stay_within_what_a_difference_can_be(
    tmp_path: Path,
) -> None:
    a, b = (
        make_run(
            tmp_path / name,
            methods=("m",),
            T=(8,),
            n_videos=2,
            images=False,
            seed=seed,
            shift=9 * seed,
        )
        for name, seed in (("a", 0), ("b", 1))
    )
    text = compare_text(a, b)
    assert "No figure is bold that rests on fewer than 6 videos" in text
    assert "interval over fewer than 6 videos: a rough guide" in text
    for change in score_changes(Results.open(a), Results.open(b)):
        low, high = change.ci95 or (0, 0)
        assert change.metric in ("fid", "akd") or -2 <= low <= high <= 2


def _line(text: str, metric: str) -> str:
    """The first line of a metric's block."""
    lines = text.splitlines()
    return lines[
        lines.index(next(line for line in lines if line.startswith(f"| **{metric}**"))) + 1
    ]
