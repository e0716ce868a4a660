"""The worst cases of each method: frames that failed lead, then come the lowest scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.media import Copier, copy_generated, method_name
from reports.pictures import files_of
from reports.results import Results
from reports.sections import in_paper_order
from thbench.runs import Unit

SHOWN = 4  # pictures of failed frames, and as many of the lowest scores
JUDGES = (
    "csim",
    "csim-dlib",
    "csim-heads",
    "ssim",
)  # the first one measured orders the frames that have a score
NEEDS_A_FACE = (
    "csim-dlib",
    "akd",
    "nme",
)  # where these find no face in a frame they have no value for it
CONSEQUENCES = {"score-zero": "counts as 0", "drop-pairwise": "left out"}


@dataclass(frozen=True)
class WorstCase:
    """A frame on which a method did badly: `value` of the judging metric, or the reason why it
    failed.

    file is the picture beside the page, "" where the method made none.
    """

    video: str
    index: int
    value: str
    reason: str
    real: str
    file: str


@dataclass(frozen=True)
class Worst:
    """The worst cases of one method: n_failed of its n frames failed, and those lead `cases`."""

    method: str
    cases: Sequence[WorstCase]
    n_failed: int
    n: int


def judge_of(results: Results) -> str:
    """The metric that orders the frames with a score; "" when none of `JUDGES` was measured."""
    return next(
        (
            name
            for name in JUDGES
            if name in results.metrics
            and name in results.frames
            and results.frames[name].notna().any()
        ),
        "",
    )


def worst_cases(results: Results, page: Path, folder: str) -> list[Worst]:
    """The worst cases of each method at the largest T; pictures are copied into `page`/`folder`.

    A frame has failed where its unit failed, or where a metric that the run computed has no value
    for it. Failed frames are taken from as many videos as there are.
    """
    judge, T = judge_of(results), results.shots[-1]
    found = []
    for number, label in enumerate(in_paper_order(results)):
        frames = results.frames[(results.frames["method"] == label) & (results.frames["T"] == T)]
        reasons = _reasons(results, frames)
        failed, scored = frames[reasons != ""], frames[reasons == ""]
        chosen = pd.concat([_over_videos(failed).head(SHOWN), _lowest(scored, judge).head(SHOWN)])

        copy = Copier(page, f"{folder}/m{number}")
        told = zip(chosen.iterrows(), reasons.loc[chosen.index], strict=True)
        cases = [
            case
            for rank, ((_, row), reason) in enumerate(told)
            if (case := _case(results, copy, rank, row, judge, reason))
        ]
        if cases:
            found.append(Worst(method_name(results, label), cases, len(failed), len(frames)))
    return found


def _reasons(results: Results, frames: pd.DataFrame) -> pd.Series[str]:
    """Why each frame failed, "" for those that did not."""
    computed = [
        name for name in results.metrics if name in frames and results.frames[name].notna().any()
    ]
    return pd.Series(
        [_reason(results, row, computed) for _, row in frames.iterrows()],
        index=frames.index,
        dtype=object,
    )


def _reason(results: Results, row: pd.Series[Any], computed: Sequence[str]) -> str:
    if row["error"]:
        return f"the whole unit failed: {row['error']}"
    missing = [name for name in computed if pd.isna(row[name])]
    if not missing:
        return ""
    why = "no face found" if set(missing) & set(NEEDS_A_FACE) else "could not be scored"
    told = [
        f"{metric.label} {CONSEQUENCES.get(metric.policy, 'has no value')}"
        for metric in (results.metrics[name] for name in missing)
    ]
    return f"{why} ({', '.join(told)})"


def _over_videos(failed: pd.DataFrame) -> pd.DataFrame:
    """The first failed frame of each video, then the second ones; of a failed unit only one."""
    rank = failed.groupby(["person", "video"], sort=False).cumcount()
    ordered = failed.assign(rank=rank)[(failed["error"] == "") | (rank == 0)]
    return ordered.sort_values("rank", kind="stable")


def _lowest(scored: pd.DataFrame, judge: str) -> pd.DataFrame:
    return scored.sort_values(judge, kind="stable") if judge else scored.head(0)


def _case(
    results: Results, copy: Copier, rank: int, row: pd.Series[Any], judge: str, reason: str
) -> WorstCase | None:
    """None where the run lacks the picture of the true frame, or of a frame that was scored."""
    video, index = f"{row['person']}/{row['video']}", int(row["position"])
    unit = Unit(row["method"], int(row["T"]), video)
    real = copy(files_of(results, results.run.real_folder(video)).get(index), f"{rank}-real.png")
    file = copy_generated(results, unit, index, copy, f"{rank}.png").file
    if not real or not (file or reason):
        return None
    value = f"{row[judge]:.3f}" if judge and pd.notna(row[judge]) else ""
    return WorstCase(video, index, value, reason, real, file)
