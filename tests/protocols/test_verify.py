"""What the commands around runs say: verify, show, list, compare, split files, mock-run."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from protocols.definition import load_definition, method_entry
from protocols.mock import mock_run
from protocols.run import RunOptions, run_protocol
from protocols.runs_text import list_text, show_text
from protocols.score import score_run
from protocols.stored_split import export_split, read_split
from protocols.verify import verify_run
from reports.compare_methods import compare_methods_text
from reports.results import Results
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.runs import Run

DEFINITION = load_definition("self-reenactment").with_values(
    methods=(
        method_entry("copy-nearest"),
        method_entry("command:none=false --shots {shots} --out {out}"),
    ),
    T=(2,),
    videos=2,
    holdout=2,
    metrics=("l1", "psnr"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of a method that works and of one that never does."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    run_protocol(DEFINITION, synth(64), out, RunOptions(checkpoints={}))
    return out


@pytest.fixture
def run(finished, tmp_path):
    return Run(Path(shutil.copytree(finished, tmp_path / "run")))


def whole(run: Run) -> list[str]:
    """What verify says beside the two units that failed."""
    return [line for line in verify_run(run)[1] if ": failed: " not in line]


def test_a_run_as_it_was_written_has_nothing_wrong_but_its_failures(run):
    checked, wrong = verify_run(run)
    assert checked[0] == "6 units, 8 frames and the references of 2 videos hashed"
    assert len(wrong) == 2
    assert whole(run) == []


def test_an_edited_frame_is_named(run):
    frame = next((run.path / "images" / "copy-nearest").rglob("01.png"))
    frame.write_bytes(frame.read_bytes() + b"x")
    (line,) = whole(run)
    assert line.startswith("copy-nearest T=2 p4")
    assert line.endswith("01.png is not the frame that was committed")


def test_an_edited_summary_says_which_number(run):
    summary = read_json(run.summary_json)
    cell = next(row for row in summary["rows"] if row["method"] == "copy-nearest")["metrics"][
        "psnr"
    ]
    cell["value"] += 1
    write_json(run.summary_json, summary)
    (line,) = whole(run)
    assert line.startswith("summary.json: rows[copy-nearest T=2].metrics.psnr.value is ")


def test_an_edited_table_says_which_row(run):
    table = pd.read_parquet(run.frames_parquet)
    table.loc[3, "l1"] *= 0.5
    table.to_parquet(run.frames_parquet)
    (line,) = whole(run)
    assert line.startswith("frames.parquet: real T=0 p4")
    assert ": l1 is " in line


def score_files(run: Run) -> list[Path]:
    return sorted((run.path / "scores").rglob("*.json"))


def edit_scores(file: Path) -> None:
    """Makes the l1 of one unit too good to be true."""
    stored = read_json(file)
    stored["metrics"]["l1"]["values"] = [0.99 for _ in stored["metrics"]["l1"]["values"]]
    write_json(file, stored)


def test_an_edited_score_is_named_and_never_reaches_a_table(run, caplog):
    before = (run.frames_parquet.read_bytes(), run.summary_json.read_bytes())
    edited = next(file for file in score_files(run) if "copy-nearest" in str(file))
    edit_scores(edited)
    (line,) = whole(run)
    name = edited.relative_to(run.path).as_posix()
    assert line.startswith(f"stored scores: {name} is not the file that was written; `thbench sc")

    score_run(run, ["l1", "psnr"])
    assert f"{name} is not the file that was written (edited or damaged)" in caplog.text
    assert (run.frames_parquet.read_bytes(), run.summary_json.read_bytes()) == before
    assert whole(run) == []


def test_scores_edited_beside_their_record_do_not_pass_for_recorded(run):
    edited = score_files(run)[0]
    edit_scores(edited)
    info = read_json(run.run_json)
    del info["scored"][edited.relative_to(run.path).as_posix()]
    write_json(run.run_json, info)
    (line,) = whole(run)
    assert line.endswith("makes it again from the frames")
    assert "is not on record" in line


def test_an_altered_table_is_not_reported(run):
    summary = read_json(run.summary_json)
    table = pd.read_parquet(run.frames_parquet)
    table.loc[3, "l1"] *= 0.5
    table.to_parquet(run.frames_parquet)
    with pytest.raises(ThbenchError, match=r"frames\.parquet is not the file that was written"):
        _ = Results.open(run.path).frames
    summary["rows"][0]["metrics"]["psnr"]["value"] = 99.0
    write_json(run.summary_json, summary)
    for read in (
        lambda: Results.open(run.path).summary,
        lambda: compare_methods_text(run.path, "copy-nearest", "none"),
    ):
        with pytest.raises(ThbenchError, match=r"summary\.json is not the file that was written"):
            read()


def test_a_lost_table_is_named(run):
    run.summary_json.unlink()
    assert any(line.startswith("summary.json is missing") for line in whole(run))


def test_a_run_scored_before_there_was_a_record_still_verifies(run):
    info = read_json(run.run_json)
    del info["scored"]
    write_json(run.run_json, info)
    checked, _ = verify_run(run)
    assert whole(run) == []
    assert checked[-1].startswith("no record of scores")
    assert Results.open(run.path).frames is not None


def test_altered_frames_are_not_scored(run):
    frame = next((run.path / "images" / "copy-nearest").rglob("01.png"))
    frame.write_bytes(frame.read_bytes() + b"x")
    with pytest.raises(ThbenchError, match=r"01\.png is not the frame that was committed"):
        score_run(run, ["l1", "psnr", "ssim"])


def test_lost_scores_and_marks_are_named(run):
    unit = next(unit for unit in run.planned() if unit.method == "copy-nearest")
    run.unit_mark(unit).unlink()
    assert any("no result" in line for line in whole(run))
    shutil.rmtree(run.path / "scores")
    assert any("the numbers cannot be derived again" in line for line in whole(run))


def test_an_edited_definition_is_noticed(run):
    info = read_json(run.run_json)
    info["protocol"]["definition"]["holdout"] = 3
    write_json(run.run_json, info)
    assert any(line.startswith("run.json: the definition") for line in whole(run))


def test_show_and_list_say_what_happened(run):
    assert "2 done, 2 failed, 0 to do" in show_text(run)
    assert "self-reenactment on synth, 2 videos, T = [2], copy-nearest, none; failed" in list_text(
        run.path.parent
    )
    with pytest.raises(ThbenchError, match="is not a folder"):
        list_text(run.path / "nowhere")


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ("self-reenactment", "partial (2 of the protocol's 50 videos)"),
        ("mine", "partial (2 videos, fewer than the protocol asks for)"),
    ],
)
def test_a_partial_run_says_why(run, tmp_path, protocol, reason):
    info = read_json(run.run_json)
    write_json(
        tmp_path / "runs" / "first" / "run.json",
        {**info, "partial": True, "protocol": {**info["protocol"], "name": protocol}},
    )
    assert list_text(tmp_path / "runs").endswith(f"; failed, {reason}")


def test_a_runs_split_can_be_handed_on(run, tmp_path):
    nothing = dict.fromkeys(("dataset", "videos", "T", "holdout", "drivers", "sources", "seed"))
    export_split(str(run.path), tmp_path / "split.json", **nothing)
    export_split("self-reenactment", tmp_path / "drawn.json", "synth:64", 2, 2, 2, None, None, 0)
    assert json.loads((tmp_path / "split.json").read_text()) == json.loads(
        (tmp_path / "drawn.json").read_text()
    )
    assert read_json(tmp_path / "split.json") == read_json(run.run_json)["split"]
    assert read_split(tmp_path / "split.json", synth(64)).shots == 2
    with pytest.raises(ThbenchError, match="drawn already"):
        export_split(str(run.path), tmp_path / "split.json", **{**nothing, "seed": 1})


class Careless:
    """Breaks one promise."""

    name, drives_with = "careless", "landmarks"

    def __init__(self, fault):
        self.fault = fault

    def adapt(self, shots):
        if self.fault == "changes":
            shots.images.zero_()
        return self

    def render(self, drive):
        if self.fault == "raises" and len(drive) == 1:
            raise IndexError("no second frame")
        if self.fault == "shape":
            return torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
        fill = int(torch.randint(0, 256, ())) if self.fault == "random" else 7
        return torch.full(drive.images.shape, fill, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("changes", "leaves the frames"),
        ("raises", "renders one frame alone"),
        ("shape", "learns and renders"),
        ("random", "the same shots"),
    ],
)
def test_mock_run_finds_the_broken_promise(monkeypatch, fault, words):
    monkeypatch.setattr("protocols.mock.load_method", lambda spec, options: Careless(fault))
    torch.manual_seed(1)
    problems = [
        checked for checked, problem in mock_run("careless", synth(64), None, "cpu") if problem
    ]
    assert problems
    assert all(words in checked for checked in problems)


def test_mock_run_lets_a_good_method_pass():
    assert [
        problem for _, problem in mock_run("copy-nearest", synth(64), None, "cpu") if problem
    ] == []


def test_verify_names_a_changed_reference(run):
    video = next(run.planned()).video
    (run.real_folder(video) / "00.png").write_bytes(b"other")
    (run.shots_folder(video) / "landmarks.npy").unlink()
    wrong = verify_run(run)[1]
    assert any("00.png is not the file that was written" in line for line in wrong)
    assert any("landmarks.npy is not the file that was written" in line for line in wrong)
