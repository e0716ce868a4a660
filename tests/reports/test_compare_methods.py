"""How two methods of one run differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.fake_run import make_run

from cli import thbench
from reports.compare_methods import compare_methods_text
from thbench.errors import ThbenchError


def _run(folder: Path, n_videos: int = 6, ci95: tuple[float, float] = (0.1, 0.3)) -> Path:
    """Methods "a" and "b" at T = 1; a is better in SSIM and in AKD."""
    run = make_run(folder, methods=("a", "b"), T=(1,), n_videos=n_videos, images=False)
    summary = json.loads((run / "summary.json").read_text())
    summary["differences"] = [
        {
            "metric": metric,
            "T": 1,
            "a": "a",
            "b": "b",
            "difference": value,
            "ci95": ci95,
            "p_holm": 0.002,
        }
        for metric, value in (("ssim", 0.2), ("akd", -0.2))
    ]
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def test_it_reads_both_ways_round(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    forth, back = compare_methods_text(run, "a", "b"), compare_methods_text(run, "b", "a")
    assert "SSIM         +0.2 [+0.1, +0.3]  p = 0.002  a is better" in forth
    assert "SSIM         -0.2 [-0.3, -0.1]  p = 0.002  a is better" in back
    assert "AKD          -0.2 [+0.1, +0.3]  p = 0.002  a is better" in forth


def test_a_difference_that_lost_a_video_has_no_winner(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    frames = pd.read_parquet(run / "frames.parquet")
    frames.loc[(frames["method"] == "a") & (frames["video"] == "vid0"), "akd"] = np.nan
    frames.to_parquet(run / "frames.parquet")
    ssim, akd = compare_methods_text(run, "a", "b").splitlines()[1:]
    assert ssim.endswith("a is better")
    assert "(-0.2)" in akd
    assert akd.endswith("5 of 6 videos only: not ranked")


def test_few_videos_have_no_winner_and_a_marked_interval_within_the_range(tmp_path: Path) -> None:
    text = compare_methods_text(_run(tmp_path / "run", n_videos=2, ci95=(-7.0, 9.0)), "a", "b")
    assert "+0.2 [-2, +2]*  p = 0.002  2 videos, fewer than 6: not ranked" in text


def test_methods_are_named_in_order_after_the_run(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    result = CliRunner().invoke(thbench, ["compare", str(run), "a", "b"])
    assert result.output.startswith("a - b, paired by video")
    with pytest.raises(ThbenchError, match="did you mean 'a'"):
        compare_methods_text(run, "aa", "b")
    with pytest.raises(ThbenchError, match="a is named twice"):
        compare_methods_text(run, "a", "a")
