"""The worst cases of the page: frames that failed lead, with their reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from support.fake_run import make_run

from reports.html import write_report
from reports.results import Results
from reports.worst import SHOWN, Worst, worst_cases


def _worst(run: Path, page: Path) -> Worst:
    return worst_cases(Results.open(run), page, "worst")[0]


def test_frames_without_a_face_lead_although_they_have_no_score(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=2, n_holdout=8)
    frames = pd.read_parquet(run / "frames.parquet")
    lost = (frames["method"] == "m") & (frames["position"] % 2 == 0)
    frames.loc[lost, ["csim-dlib", "akd"]] = np.nan
    frames.to_parquet(run / "frames.parquet")

    worst = _worst(run, tmp_path / "page")
    assert (worst.n_failed, worst.n) == (8, 16)
    failed, scored = worst.cases[:SHOWN], worst.cases[SHOWN:]
    assert [case.index for case in failed] == [0, 0, 2, 2]
    assert {case.video for case in failed} == {"id10270/vid0", "id10270/vid1"}
    assert {case.reason for case in failed} == {"no face found (CSIM-dlib left out, AKD left out)"}
    assert all((tmp_path / "page" / case.file).is_file() for case in worst.cases)

    kept = frames[(frames["method"] == "m") & ~lost]["csim-dlib"].sort_values()
    assert [case.value for case in scored] == [f"{value:.3f}" for value in kept[:SHOWN]]
    assert all(case.reason == "" for case in scored)


def test_a_unit_that_failed_is_one_case_with_its_error(tmp_path: Path) -> None:
    worst = _worst(
        make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=2, failed_units=1),
        tmp_path / "page",
    )
    assert (worst.n_failed, worst.n, len(worst.cases)) == (4, 8, 1 + SHOWN)
    assert (worst.cases[0].file, worst.cases[0].value) == ("", "")
    assert worst.cases[0].reason == "the whole unit failed: no face"


def test_the_page_shows_the_failures_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", methods=("m",), T=(1,), n_videos=2, failed_units=1)
    text = write_report([run], tmp_path / "report").read_text()
    part = text[text.index("<h3>Worst cases</h3>") :]
    assert "4 of 8 frames failed" in part
    assert part.index("the whole unit failed: no face") < part.index("CSIM-dlib 0.")


def test_a_run_without_failures_shows_the_lowest_scores_alone(tmp_path: Path) -> None:
    worst = _worst(make_run(tmp_path / "run", methods=("m",), T=(1,)), tmp_path / "page")
    assert (worst.n_failed, len(worst.cases)) == (0, SHOWN)
    assert not any(case.reason for case in worst.cases)
