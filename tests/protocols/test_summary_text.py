"""What `run-protocol` and `score` print of a scored run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from support.run_record import drawn_video, method_record, run_record

from protocols.summary_text import summary_text
from thbench.files import write_json
from thbench.records.coverage import FEW_VIDEOS
from thbench.records.summary import MetricRecord, ScoreRecord
from thbench.runs import Run

POLICIES = {
    "ssim": "error",
    "nme": "drop-pairwise",
    "csim-dlib": "score-zero",
    "fid": "drop-pairwise",
}


def _scored(folder: Path, n_videos: int = 2, nme: tuple[float | None, ...] = (0.1, None)) -> Run:
    """A run of method "m" with one frame per video; nme holds its error in each video, None without
    a face.
    """
    videos = [drawn_video("p", f"v{number}", [1], [0]) for number in range(n_videos)]
    run = Run(folder)
    run.write(run_record({"m": method_record("m")}, videos))
    pd.DataFrame(
        {
            "method": "m",
            "T": 1,
            "person": "p",
            "video": [f"v{i}" for i in range(len(nme))],
            "frame": "0",
            "position": 0,
            "error": "",
            "ssim": 0.5,
            "nme": list(nme),
            "csim-dlib": nme,
        }
    ).to_parquet(run.frames_parquet)
    scored = [value for value in nme if value is not None]
    write_json(
        run.summary_json,
        {
            "format": 1,
            "metrics": {
                name: asdict(MetricRecord(name.upper(), None, "", None, False, policy, ""))
                for name, policy in POLICIES.items()
            },
            "rows": [
                {
                    "method": "m",
                    "T": 1,
                    "n_videos": len(nme),
                    "n_frames": len(nme),
                    "n_failed_units": 0,
                    "metrics": {
                        "ssim": _entry(0.5, len(nme), 0),
                        "nme": _entry(0.1, len(scored), len(nme) - len(scored)),
                        "csim-dlib": _entry(0.05, len(scored), len(nme) - len(scored)),
                        "fid": {**_entry(None, 0, 0), "reason": "weights missing"},
                    },
                }
            ],
        },
    )
    return run


def _entry(value: float | None, n: int, n_failed: int) -> dict[str, Any]:
    return asdict(ScoreRecord(value, None, None, n, n_failed))


def test_every_figure_has_its_frames_failures_and_policy(tmp_path: Path) -> None:
    text = summary_text(_scored(tmp_path))
    assert (
        "m  T=1   n 2    SSIM 0.5  NME (0.1; n 1, 1 failed, 1 of 2 videos)  "
        "CSIM-DLIB 0.05 [n 1, 1 failed]" in text
    )
    assert (
        "drop-pairwise: the frame is left out and counted, in differences from both methods: NME\n"
        in text
    )
    assert "score-zero: the frame counts as 0 and is counted as failed: CSIM-DLIB" in text
    assert (
        "(...): not over all planned videos, so not comparable with the others and not ranked"
        in text
    )
    assert f"2 videos, fewer than {FEW_VIDEOS}: too few to call any method better" in text
    assert "FID: not computed (weights missing)" in text


def test_a_whole_run_has_no_mark(tmp_path: Path) -> None:
    text = summary_text(_scored(tmp_path, FEW_VIDEOS, (0.1,) * FEW_VIDEOS))
    assert "SSIM 0.5  NME 0.1  CSIM-DLIB 0.05" in text
    assert "(..." not in text
    assert "fewer than" not in text


def test_a_run_that_is_not_finished_says_how_many_videos_it_has(tmp_path: Path) -> None:
    assert "SSIM (0.5; 2 of 7 videos)" in summary_text(_scored(tmp_path, 7, (0.1, 0.2)))
