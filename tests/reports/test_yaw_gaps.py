"""Scores by the yaw gap: known poses give known bins, and a score that falls with the gap falls in
the table.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support.fake_run import make_run
from support.posed_heads import landmarks_at

from cli import thbench
from reports.results import Results
from reports.yaw_gaps import BIN, GAP, with_yaw_gaps, write_yaw_gaps
from thbench.errors import ThbenchError
from thbench.runs import Run

HELD_DEG = (-30.0, -15.0, 0.0, 30.0)
SHOTS_DEG = (0.0, 28.0, -30.0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """T = 1 has the shot at 0 degrees alone, T = 3 all three."""
    path = make_run(
        tmp_path / "run",
        T=(1, 3),
        n_videos=7,
        n_holdout=len(HELD_DEG),
        images=False,
    )
    for video in Results.open(path).videos:
        for folder, yaws in (
            (Run(path).real_folder(video), HELD_DEG),
            (Run(path).shots_folder(video), SHOTS_DEG),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / "landmarks.npy", landmarks_at(yaws, size_px=64))

    frames = pd.read_parquet(Run(path).frames_parquet)
    frames["ssim"] = 0.9 - 0.1 * frames["position"]  # 0.9, 0.8, 0.7, 0.6 at the four poses
    frames.to_parquet(Run(path).frames_parquet)
    return path


def test_gaps_are_those_to_the_nearest_of_the_first_T_shots(run: Path) -> None:
    frames = with_yaw_gaps(Results.open(run))
    for T, expected in ((1, [30, 15, 0, 30]), (3, [0, 15, 0, 2])):
        gaps = frames[frames["T"] == T].groupby("position")[GAP].first()
        assert gaps.to_list() == pytest.approx(expected, abs=7)  # a nose flatter than the mean
    assert set(frames[BIN].dropna()) == {"0-5", "10-20", "20-40"}


def test_each_bin_holds_the_mean_of_its_frames(run: Path) -> None:
    table = list(csv.DictReader(io.StringIO(write_yaw_gaps(run, None, ["ssim"], "csv"))))
    at_1 = next(row for row in table if row["T"] == "1")
    assert [float(at_1[gap]) for gap in ("0-5", "10-20", "20-40")] == pytest.approx(
        [0.7, 0.8, 0.75]
    )
    at_3 = next(row for row in table if row["T"] == "3")
    assert [float(at_3[gap]) for gap in ("0-5", "10-20")] == pytest.approx(
        [(0.9 + 0.7 + 0.6) / 3, 0.8]
    )
    assert at_3["20-40"] == ""


def test_the_command_prints_the_table_and_writes_the_plots(run: Path, tmp_path: Path) -> None:
    plots = tmp_path / "plots"
    result = CliRunner().invoke(
        thbench, ["report", "yaw-gaps", str(run), "-o", str(plots)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "| Method (T) | 0-5 | 10-20 | 20-40 |" in result.stdout
    assert {file.name for file in plots.iterdir()} >= {"by-yaw-gap-ssim.png", "by-yaw-gap-ssim.svg"}


def test_set_metrics_and_lost_landmarks_are_told(run: Path) -> None:
    with pytest.raises(ThbenchError, match="fid is measured frame by frame"):
        write_yaw_gaps(run, None, ["fid"])
    (Run(run).shots_folder(Results.open(run).videos[0]) / "landmarks.npy").unlink()
    with pytest.raises(ThbenchError, match=r"landmarks\.npy is missing"):
        write_yaw_gaps(run, None, ["ssim"])
