"""Figures that may not be compared are marked by every writer, never bold and never ranked."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_run import make_run

from reports.ablation import ablation_table
from reports.emit import table_text
from reports.ranges import RANGES, clipped, range_of
from reports.ranking import BOLD, TIE_POLICIES, ranked
from reports.results import Results
from reports.tables import table1
from thbench.metrics.base import load_metric, metric_names
from thbench.records.coverage import FEW_VIDEOS, Coverage, coverage


def _lose_a_video(run: Path, metric: str, method: str) -> None:
    """Makes the metric fail on the method's first video, as when no face is found there."""
    frames = pd.read_parquet(run / "frames.parquet")
    frames.loc[(frames["method"] == method) & (frames["video"] == "vid0"), metric] = np.nan
    frames.to_parquet(run / "frames.parquet")


@pytest.fixture
def lossy(tmp_path: Path) -> Path:
    """Method "lucky" lost a video in AKD, for which it looks far better than "steady"."""
    run = make_run(
        tmp_path / "run",
        methods=("lucky", "steady"),
        T=(8,),
        n_videos=6,
        images=False,
        scores=lambda method, T, metric: 0.126 if method == "lucky" else 0.316,
    )
    _lose_a_video(run, "akd", "lucky")
    return run


def test_a_figure_that_lost_a_video_is_not_best_though_it_looks_best(lossy: Path) -> None:
    table = ranked(table1([Results.open(lossy)], metrics=["akd", "fid"]))
    cells = {row.method: row.cells for _, _, row in table.rows()}
    assert [cells[name]["akd"].best for name in ("lucky", "steady")] == [False, True]
    assert [cells[name]["fid"].best for name in ("lucky", "steady")] == [True, False]
    assert cells["lucky"]["akd"].coverage == Coverage(5, 6)


@pytest.mark.parametrize(
    ("format", "marked"),
    [("markdown", "(0.13)<sup>"), ("html", "(0.13)<sup>"), ("latex", r"(0.13)\rlap{")],
)
def test_every_printed_table_sets_it_in_parentheses_with_the_reason(
    lossy: Path, format: str, marked: str
) -> None:
    text = table_text([lossy], metrics=["akd"], format=format)
    assert marked in text
    assert "AKD over 5 of 6 videos only" in text
    assert "In parentheses: not over all planned videos" in text


def test_csv_and_json_tell_the_videos_and_that_it_does_not_rank(lossy: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(table_text([lossy], metrics=["akd"], format="csv"))))
    assert [(row["akd_videos"], row["akd_ranks"], row["akd_best"]) for row in rows[:2]] == [
        ("5", "False", "False"),
        ("6", "True", "True"),
    ]
    cells = [
        row["cells"]["akd"]
        for row in json.loads(table_text([lossy], metrics=["akd"], format="json"))["rows"]
    ]
    assert [(cell["videos"], cell["ranks"], cell["text"]) for cell in cells[:2]] == [
        (5, False, "(0.13)"),
        (6, True, "0.32"),
    ]


def test_a_failed_unit_marks_every_figure_of_its_row(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        methods=("a", "b"),
        T=(1,),
        n_videos=6,
        failed_units=1,
        images=False,
        study=True,
    )
    rows = {row.method: row for _, _, row in ranked(table1([Results.open(run)])).rows()}
    assert all(cell.is_partial for cell in rows["a"].cells.values() if cell.value is not None)
    assert "user" in rows["a"].cells
    assert not any(cell.is_partial for cell in rows["b"].cells.values())
    assert "5 of 6 videos, 20 frames; failed units: 1." in rows["a"].notes


def test_a_video_scored_as_zero_is_not_lost() -> None:
    frames = pd.DataFrame(
        {
            "method": "m",
            "T": 1,
            "person": ["p", "p", "q"],
            "video": ["1", "1", "2"],
            "error": ["", "", "no face"],
            "x": [np.nan, np.nan, np.nan],
        }
    )
    found = coverage(frames, {"x": "score-zero", "set": "drop-pairwise"}, 2)["m", 1]
    assert found == {"x": Coverage(1, 2), "set": Coverage(1, 2)}
    assert coverage(frames, {"x": "drop-pairwise"}, 2)["m", 1]["x"] == Coverage(0, 2)


@pytest.mark.parametrize("n_videos", [FEW_VIDEOS - 1, FEW_VIDEOS])
def test_below_the_stated_number_of_videos_nothing_is_bold_and_intervals_have_a_star(
    tmp_path: Path, n_videos: int
) -> None:
    run = make_run(tmp_path / "run", methods=("a", "b"), T=(1,), n_videos=n_videos, images=False)
    texts = {
        format: table_text([run], format=format, intervals=True)
        for format in ("latex", "markdown", "html")
    }
    few = n_videos < FEW_VIDEOS
    for format, bold, star in (
        ("latex", r"\\textbf\{\d", "{*}"),
        ("html", "<strong>", "*<"),
        ("markdown", r"\*\*\d", r"\*"),
    ):
        assert bool(re.search(bold, texts[format])) != few, format
        assert (star in texts[format]) == few, format
        assert ("No figure is bold that rests on fewer than 6 videos" in texts[format]) == few


def test_six_is_the_smallest_number_of_videos_whose_signs_can_reach_five_percent() -> None:
    assert 2 / 2**FEW_VIDEOS < 0.05 <= 2 / 2 ** (FEW_VIDEOS - 1)


@pytest.mark.parametrize("format", ["latex", "markdown", "html"])
def test_every_printed_table_states_its_rule_of_bold(tmp_path: Path, format: str) -> None:
    run = make_run(tmp_path / "run", n_videos=6, images=False, timing=True)
    for ties in TIE_POLICIES:
        for name in ("1", "2"):
            text = table_text([run], name, format=format, ties=ties)  # type: ignore[arg-type]
            assert BOLD[ties][:40] in text  # type: ignore[index]


def test_columns_that_no_row_fills_stay_in_latex_only(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", images=False)
    assert "CSIM-dlib" in table_text([run], format="markdown")
    for format in ("markdown", "html"):
        text = table_text([run], format=format)
        assert ("USER ↓" in text, "CSIM ↑" in text) == (False, False)
        assert text.count("Columns left out, as no row fills them.") == 1
        assert "CSIM not computed: weights missing: w.onnx. USER: no study was made." in text
    latex = table_text([run])
    assert r"USER$\downarrow$" in latex
    assert r"CSIM$\uparrow$" in latex


def test_intervals_stay_inside_the_range_of_their_metric(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=2, images=False)
    summary = json.loads((run / "summary.json").read_text())
    for name in ("ssim", "fid"):
        summary["rows"][1]["metrics"][name] |= {"value": 0.5, "ci95": [-3.0, 4.0]}
    (run / "summary.json").write_text(json.dumps(summary))
    scores = Results.open(run).rows[1].scores
    assert (scores["ssim"].ci95, scores["fid"].ci95) == ((-1, 1), (0, 4.0))
    assert r"0.50 \[-1.00, 1.00\]\*" in table_text(
        [run], metrics=["ssim"], format="markdown", intervals=True
    )


def test_ranges_are_those_of_the_cards() -> None:
    for name in metric_names():
        low, high = range_of(name)
        text = load_metric(name).card.value_range
        if name.partition("-")[0] == "kid":
            assert "can be negative" in text
            assert (low, high) == (-math.inf, math.inf)
            continue
        assert name in RANGES, name
        assert text.startswith(
            f"{low:g} upwards" if math.isinf(high) else f"{low:g} to {high:g}"
        ), name


@settings(deadline=None)
@given(st.tuples(st.floats(-5, 5), st.floats(-5, 5)).map(sorted), st.floats(-1, 1))
def test_a_cut_interval_covers_what_the_whole_one_covered(ends: list[float], truth: float) -> None:
    cut = clipped((ends[0], ends[1]), (-1, 1))
    assert -1 <= cut[0] <= cut[1] <= 1
    assert not ends[0] <= truth <= ends[1] or cut[0] <= truth <= cut[1]


def test_an_ablation_marks_differences_that_lost_a_video(lossy: Path) -> None:
    table = ablation_table([Results.open(lossy)], metrics=["akd"])
    cell = {row.method: row.cells for _, _, row in table.rows()}["lucky"]["akd:delta"]
    assert (cell.is_partial, cell.coverage) == (True, Coverage(5, 6))


def test_asking_for_published_figures_that_do_not_exist_is_answered(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", dataset="synth", images=False, timing=True, methods=("mine",))
    said = "No published figures stand here: the paper has none for these methods and T on synth."
    assert said in table_text([run], with_paper=True)
    assert "No published figures stand here" not in table_text([run])
    assert "the paper timed none of these methods" in table_text([run], "2", with_paper=True)
