"""The gap between hold-out frames and shots, told with every table."""

from __future__ import annotations

from pathlib import Path

from support.fake_run import make_run

from reports.gaps import Gap, gap_note, gap_to_shots
from reports.results import Results
from thbench.files import read_json, write_json


def test_gaps_are_medians_over_the_holdout_frames_at_each_T(tmp_path: Path) -> None:
    results = _with_split(tmp_path, shots=[20, 2, 10], holdout=[11, 14, 17], part=False)
    assert gap_to_shots(results, 1) == Gap(6, None)  # 9, 6, 3 from frame 20
    assert gap_to_shots(results, 3) == Gap(3, None)  # 1, 4, 3


def test_seconds_are_counted_within_one_clip_only(tmp_path: Path) -> None:
    results = _with_split(
        tmp_path,
        shots=[20, 2, 10],
        holdout=[11, 14, 17],
        part=True,
        shot_times_s=[0.2, 0.4, 3.0],
        holdout_times_s=[3.5, 5.0, 0.3],
        shot_names=["b/1", "a/1", "a/2"],
        holdout_names=["a/3", "a/4", "b/2"],
    )
    gap = gap_to_shots(results, 3)
    assert gap is not None
    assert gap.seconds == 0.5  # .5 and 2 from 3.0 in clip a, .1 in clip b
    assert gap_to_shots(results, 1) == Gap(6, 0.3 - 0.2)


def test_the_note_says_the_rule_and_every_T(tmp_path: Path) -> None:
    results = _with_split(tmp_path, shots=[20, 2, 10], holdout=[11, 14, 17], part=True)
    assert gap_note([results]) == (
        "Hold-out frames are a part of the video apart from the shots; median gap to the nearest "
        "shot: 6 frames at T = 1, 3 frames at T = 3."
    )


def test_the_note_says_where_the_shot_is_the_first_frame(tmp_path: Path) -> None:
    results = _with_split(tmp_path, shots=[0, 2, 10], holdout=[11, 14, 17], part=True)
    info = read_json(results.path / "run.json")
    info["protocol"]["definition"]["shot_rule"] = "first-frame"
    write_json(results.path / "run.json", info)
    assert gap_note([Results.open(results.path)]).startswith("The shot is the first frame")


def test_a_run_of_before_the_rule_was_interleaved(tmp_path: Path) -> None:
    run = Results.open(make_run(tmp_path / "run", T=(1, 3), images=False))
    assert gap_note([run]).startswith("Hold-out frames lie between the shots; ")


def test_heads_that_others_drive_have_no_gap(tmp_path: Path) -> None:
    run = Results.open(make_run(tmp_path / "run", kind="cross-reenactment", images=False))
    assert gap_to_shots(run, 1) is None
    assert gap_note([run]) == ""


def _with_split(folder: Path, *, part: bool, **video: object) -> Results:
    """A run of one video with these frames."""
    path = make_run(folder / "run", T=(1, 3), n_videos=1, n_holdout=3, images=False)
    info = read_json(path / "run.json")
    info["split"]["videos"][0].update(video)
    if part:
        info["protocol"]["definition"]["holdout_rule"] = "part"
    write_json(path / "run.json", info)
    return Results.open(path)
