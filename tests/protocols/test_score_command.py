"""`thbench score` adds metrics to a run; with --only it replaces them."""

import shutil
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from cli import thbench
from protocols.definition import load_definition, method_entry
from protocols.request import Request, resume_run
from protocols.run import HowToRun, RunOptions, run_protocol
from protocols.score import metrics_of, score_run
from protocols.verify import verify_run
from reports.emit import table_text
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.runs import Run

DEFINITION = load_definition("self-reenactment").with_values(
    methods=(method_entry("copy-nearest"),),
    T=(1,),
    videos=2,
    holdout=2,
    metrics=("ssim", "csim-heads"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "finished"
    run_protocol(DEFINITION, synth(64), out, RunOptions({}, dataset_spec="synth"))
    return out


@pytest.fixture
def run(finished, tmp_path):
    return Run(Path(shutil.copytree(finished, tmp_path / "run")))


def score(run: Run, *arguments: str) -> str:
    result = CliRunner().invoke(
        thbench, ["score", str(run.path), "--workers", "1", *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0
    return result.output


def metrics(run: Run) -> list[str]:
    """The metrics of a run, the same in run.json, summary.json and frames.parquet."""
    named = list(run.summary_record().metrics)
    assert run.record().metrics == named
    columns = pd.read_parquet(run.frames_parquet).columns
    assert [column for column in columns if column in named] == named
    assert verify_run(run)[1] == []
    return named


def test_named_metrics_are_added_and_the_others_stay_as_they_were(run):
    before = pd.read_parquet(run.frames_parquet)
    shown = score(run, "--metrics", "psnr", "l1")
    assert metrics(run) == ["ssim", "csim-heads", "psnr", "l1"]
    after = pd.read_parquet(run.frames_parquet)
    pd.testing.assert_frame_equal(after[list(before.columns)], before)
    assert all(label in shown for label in ("SSIM", "CSIM (heads)", "PSNR", "L1"))
    assert "CSIM (heads)" in table_text([run.path])


def test_without_names_the_run_keeps_its_metrics(run):
    before = run.summary_json.read_bytes()
    score(run)
    assert run.summary_json.read_bytes() == before


def test_only_replaces_and_the_table_shows_what_is_there(run):
    score(run, "--only", "--metrics", "psnr", "l1")
    assert metrics(run) == ["psnr", "l1"]
    table = table_text([run.path], format="markdown")
    assert "PSNR" in table
    assert "SSIM" not in table

    score(run, "--metrics", "ssim")  # and comes back from what is stored
    assert metrics(run) == ["psnr", "l1", "ssim"]


def test_only_without_names_is_an_error_of_usage(run):
    result = CliRunner().invoke(thbench, ["score", str(run.path), "--only"])
    assert result.exit_code == 2
    assert "name at least one" in result.output


def test_a_resumed_run_keeps_the_metrics_that_it_was_given(run):
    score(run, "--only", "--metrics", "psnr")
    resume_run(run.path, Request(), HowToRun())
    assert metrics(run) == ["psnr"]
    resume_run(run.path, Request(metrics=["l1"]), HowToRun())
    assert metrics(run) == ["psnr", "l1"]


def test_the_order_of_scoring_leaves_no_trace_in_the_stored_scores(run, tmp_path):
    score(run, "--metrics", "psnr")
    fresh = tmp_path / "fresh"
    definition = DEFINITION.with_values(metrics=("psnr", "csim-heads", "ssim"))
    run_protocol(definition, synth(64), fresh, RunOptions({}))
    files = [file.relative_to(fresh) for file in (fresh / "scores").rglob("*.json")]
    assert files
    assert all((run.path / file).read_bytes() == (fresh / file).read_bytes() for file in files)


def test_a_stopped_scoring_leaves_the_tables_that_were_there(run, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = run.summary_record()
    monkeypatch.setattr("protocols.score.derive", stop)
    with pytest.raises(click.Abort):
        CliRunner().invoke(
            thbench,
            ["score", str(run.path), "--workers", "1", "--metrics", "psnr"],
            catch_exceptions=False,
            standalone_mode=False,
        )
    assert run.summary_record() == before
    assert run.record().metrics == ["ssim", "csim-heads"]


def test_the_metric_that_ranks_drivers_stays(run):
    info = read_json(run.run_json)
    info["protocol"]["definition"]["rank_by"] = "csim-heads"
    write_json(run.run_json, info)
    with pytest.raises(ThbenchError, match="ranked by csim-heads; keep it"):
        metrics_of(run, ["psnr"], only=True)
    assert metrics_of(run, ["psnr", "csim-heads"], only=True) == ["psnr", "csim-heads"]


@pytest.mark.parametrize(
    "damage",
    [
        "[]",
        "{}",
        '{"frames": 1, "metrics": {}}',
        '{"frames": "", "metrics": {"ssim": 0}}',
        '{"frames": "", "metrics": {"ssim": {"card": "", "values": ["x"]}}}',
    ],
)
def test_damaged_scores_without_a_record_are_told_in_one_line(run, damage):
    file = next((run.path / "scores").rglob("*.json"))
    file.write_text(damage)
    write_json(run.run_json, {**read_json(run.run_json), "scored": {}})
    with pytest.raises(ThbenchError, match="remove it and run `thbench score` again"):
        score(run)


def test_features_of_set_metrics_come_from_the_workers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_here(*_: object) -> None:
        raise AssertionError("this process only puts together what the workers stored")

    monkeypatch.setattr("protocols.set_features.read_images", not_here)

    score_run(run, ["ssim", "fd-heads"], workers=2)

    assert list(run.summary_record().metrics) == ["ssim", "fd-heads"]
    assert len(list((run.path / "features").glob("*.npz"))) == 6  # made and true, 3 units each
