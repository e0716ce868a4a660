"""Two copies of a dataset that lost different clips are compared on what both still have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from support.fake_run import make_run

from reports.changes import ScoreChange, score_changes
from reports.compare import compare_text
from reports.results import Results
from thbench.files import read_json, write_json
from thbench.runs import Run

N_VIDEOS, N_FRAMES = 40, 3


def copy_of(folder: Path, kept: NDArray[np.bool_], scores: NDArray[np.float64]) -> Path:
    """A run on the copy that kept these videos: its own dataset hash, its own split."""
    path = make_run(
        folder, methods=("m",), T=(1,), n_videos=len(kept), n_holdout=N_FRAMES, images=False
    )
    info = read_json(path / "run.json")
    videos = [video for video, stays in zip(info["split"]["videos"], kept, strict=True) if stays]
    info["split"]["videos"] = videos
    digest = f"{abs(hash(kept.tobytes())):064x}"[-64:]
    info["dataset"]["sha256"] = info["split"]["dataset_sha256"] = digest
    write_json(path / "run.json", info)
    set_scores(path, kept, scores)
    return path


def set_scores(path: Path, kept: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
    """Gives the kept videos their scores [videos, frames] and takes the others out."""
    frames = pd.read_parquet(Run(path).frames_parquet)
    frames["ssim"] = np.tile(scores.ravel(), frames["method"].nunique())
    stays = np.tile(np.repeat(kept, scores.shape[1]), frames["method"].nunique())
    frames[stays].to_parquet(Run(path).frames_parquet)


def changes_of(a: Path, b: Path) -> list[ScoreChange]:
    return score_changes(Results.open(a), Results.open(b))


def ssim_change(a: Path, b: Path) -> ScoreChange:
    return next(change for change in changes_of(a, b) if change.metric == "ssim")


def test_the_difference_is_over_what_both_have(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    before = random.normal(0.6, 0.1, (N_VIDEOS, N_FRAMES))
    after = before + 0.05
    lost_a, lost_b = np.arange(N_VIDEOS) < 5, np.arange(N_VIDEOS) >= 32
    a = copy_of(tmp_path / "a", ~lost_a, before)
    b = copy_of(tmp_path / "b", ~lost_b, after)

    change = ssim_change(a, b)
    assert (change.paired, change.n_common) == (True, 27)
    assert change.difference == pytest.approx(0.05)
    assert change.b - change.a == pytest.approx(change.difference)
    assert change.a == pytest.approx(before[~lost_a & ~lost_b].mean())
    text = compare_text(a, b)
    assert (
        "over the 27 videos that both runs have (35 of A and 32 of B), found by the names of their "
        "frames." in text
    )


def test_sets_of_other_frames_get_no_difference(tmp_path: Path) -> None:
    scores = np.full((N_VIDEOS, N_FRAMES), 0.5)
    kept = np.arange(N_VIDEOS) >= 5
    a = copy_of(tmp_path / "a", kept, scores)
    b = copy_of(tmp_path / "b", np.ones(N_VIDEOS, bool), scores)
    c = copy_of(tmp_path / "c", kept, scores)

    fid = next(each for each in changes_of(a, b) if each.metric == "fid")
    assert (fid.difference, fid.ci95, fid.p) == (None, None, None)
    assert (
        "No difference of FID, which compares sets: A and B are over other frames (105 frames of A "
        "and 120 of B, 105 of them in both)." in compare_text(a, b)
    )
    same = next(each for each in changes_of(a, c) if each.metric == "fid")
    assert same.difference == 0


def test_frames_of_another_size_are_not_the_same_frames(tmp_path: Path) -> None:
    scores = np.full((N_VIDEOS, N_FRAMES), 0.5)
    everything = np.ones(N_VIDEOS, bool)
    a = copy_of(tmp_path / "a", everything, scores)
    b = copy_of(tmp_path / "b", everything, scores)
    info = read_json(b / "run.json")
    info["dataset"]["size_px"] *= 2
    write_json(b / "run.json", info)
    assert not any(change.paired for change in changes_of(a, b))


def test_copies_of_other_names_are_paired_by_their_frames(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    before = random.normal(0.6, 0.1, (N_VIDEOS, N_FRAMES))
    everything = np.ones(N_VIDEOS, bool)
    a = copy_of(tmp_path / "a", everything, before)
    b = copy_of(tmp_path / "b", everything, before + 0.02)
    info = read_json(b / "run.json")
    info["dataset"] |= {"name": "our-vox", "label": "our-vox", "sha256": "ee" * 32}
    write_json(b / "run.json", info)

    change = ssim_change(a, b)
    assert (change.paired, change.n_common, change.by_name) == (True, N_VIDEOS, True)
    assert "over the 40 videos that both runs have (40 of A and 40 of B)" in compare_text(a, b)


def test_copies_that_share_no_clip_are_not_paired(tmp_path: Path) -> None:
    scores = np.full((N_VIDEOS, N_FRAMES), 0.5)
    half = np.arange(N_VIDEOS) < N_VIDEOS // 2
    a = copy_of(tmp_path / "a", half, scores)
    b = copy_of(tmp_path / "b", ~half, scores)
    assert not ssim_change(a, b).paired


@pytest.mark.slow
def test_intervals_over_the_intersection_cover_what_they_say(tmp_path: Path) -> None:
    """A fifth of the clips is lost at random from each copy; the true difference is known."""
    random, simulations, difference = np.random.default_rng(4), 250, 0.03
    covered = 0
    runs = [
        Results.open(make_run(tmp_path / name, methods=("m",), T=(1,), images=False))
        for name in "ab"
    ]
    names = [f"v{number}" for number in range(N_VIDEOS)]

    for _ in range(simulations):
        level = random.normal(0.6, 0.08, (N_VIDEOS, 1))
        own = random.normal(difference, 0.04, (N_VIDEOS, 1))  # of each video
        before = level + random.normal(0, 0.02, (N_VIDEOS, N_FRAMES))
        after = level + own + random.normal(0, 0.02, (N_VIDEOS, N_FRAMES))
        for run, scores in zip(runs, (before, after), strict=True):
            kept = random.random(N_VIDEOS) >= 0.2
            run.__dict__["frames"] = table(names, kept, scores)
        change = next(each for each in score_changes(*runs) if each.metric == "ssim")
        assert change.paired
        assert change.ci95 is not None
        covered += change.ci95[0] <= difference <= change.ci95[1]

    # Two and a half standard deviations of a rate of 95 % in so many simulations.
    assert 0.915 <= covered / simulations <= 0.985


def table(names: list[str], kept: NDArray[np.bool_], scores: NDArray[np.float64]) -> pd.DataFrame:
    """The frames of a run whose scores are those of the videos that were kept."""
    n = scores.shape[1]
    videos = [name for name, stays in zip(names, kept, strict=True) if stays]
    return pd.DataFrame(
        {
            "method": "m",
            "T": 1,
            "person": np.repeat(videos, n),
            "video": "v",
            "frame": np.tile([f"f{frame}" for frame in range(n)], len(videos)),
            "position": np.tile(range(n), len(videos)),
            "error": "",
            "ssim": scores[kept].ravel(),
        }
    )
