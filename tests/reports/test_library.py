"""A finished run as tables of pandas."""

import json
from pathlib import Path

import pandas as pd
import pytest
from support.fake_run import make_run

from reports.library import read_run
from thbench.errors import ThbenchError
from thbench.runs import Run


def test_scores_are_those_of_the_summary(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path / "run", timing=True))
    stored = json.loads(run.summary_json.read_text())
    scores = read_run(run.path).scores

    cells = {
        (row["method"], row["T"], metric): cell
        for row in stored["rows"]
        for metric, cell in row["metrics"].items()
    }
    assert len(scores) == len(cells)
    for _, found in scores.iterrows():
        cell = cells[found["method"], found["T"], found["metric"]]
        assert found["n"] == cell["n"]
        for column in ("value", "se", "reason"):
            stored_value = cell.get(column)
            missing = pd.isna(found[column])
            assert missing if stored_value is None else found[column] == stored_value
        if cell["ci95"]:
            assert [found["low"], found["high"]] == cell["ci95"]


def test_frames_differences_and_times_have_a_row_each(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path / "run", timing=True))
    stored = json.loads(run.summary_json.read_text())
    tables = read_run(str(run.path))

    assert len(tables.frames) == pd.read_parquet(run.frames_parquet).shape[0]
    assert list(tables.differences["difference"]) == [
        each["difference"] for each in stored["differences"]
    ]
    assert list(tables.times["median_s"]) == [
        each["median_s"] for each in json.loads(run.timing_json.read_text())["rows"]
    ]
    assert tables.record.protocol.name == json.loads(run.run_json.read_text())["protocol"]["name"]


def test_what_a_run_does_not_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="is not a run folder"):
        read_run(tmp_path)

    run = Run(make_run(tmp_path / "run"))
    with pytest.raises(ThbenchError, match=r"timing\.json"):
        _ = read_run(run.path).times
    run.summary_json.write_text("{}")
    with pytest.raises(ThbenchError, match=r"summary\.json"):
        _ = read_run(run.path).scores
