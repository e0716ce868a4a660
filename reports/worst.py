"""The worst cases of each method: frames that failed lead, then come the lowest scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.media import Copier, copy_generated
from reports.pictures import files_of
from reports.preferred import NEEDS_A_FACE, judges
from reports.results import Results
from reports.sections import in_paper_order, method_name
from thbench.records.video_key import video_key
from thbench.runs import Unit

SHOWN = 4  # pictures of failed frames, and as many of the lowest scores
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
    """The metric that orders the frames with a score; "" when none that can was measured."""
    computed = _computed(results)
    return next((name for name in judges(results.metrics) if name in computed), "")


def worst_cases(results: Results, page: Path, folder: str) -> list[Worst]:
    """The worst cases of each method at the largest T; pictures are copied into `page`/`folder`.

    A frame has failed where its unit failed, or where a metric that the run computed has no value
    for it. Failed frames are taken from as many videos as there are.
    """
    found = [
        _worst(results, label, Copier(page, f"{folder}/m{number}"))
        for number, label in enumerate(in_paper_order(results))
    ]
    return [worst for worst in found if worst.cases]


def _worst(results: Results, label: str, copy: Copier) -> Worst:
    """The worst cases of one method."""
    judge = judge_of(results)
    frames = results.frames
    frames = frames[(frames["method"] == label) & (frames["T"] == results.shots[-1])]

    reasons = _reasons(results, frames)
    failed, scored = frames[reasons != ""], frames[reasons == ""]
    chosen = pd.concat([_over_videos(failed).head(SHOWN), _lowest(scored, judge).head(SHOWN)])

    told = zip(chosen.iterrows(), reasons.loc[chosen.index], strict=True)
    cases = [
        _case(results, copy, rank, row, judge, reason)
        for rank, ((_, row), reason) in enumerate(told)
    ]
    shown = [case for case in cases if case is not None]
    return Worst(method_name(results, label), shown, len(failed), len(frames))


def _computed(results: Results) -> list[str]:
    """The metrics that have a value for some frame."""
    frames = results.frames
    return [name for name in results.metrics if name in frames and frames[name].notna().any()]


def _reasons(results: Results, frames: pd.DataFrame) -> pd.Series[str]:
    """Why each frame failed, "" for those that did not."""
    computed = _computed(results)
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
    metrics = [results.metrics[name] for name in missing]
    told = [
        f"{metric.label} {CONSEQUENCES.get(metric.policy, 'has no value')}" for metric in metrics
    ]
    return f"{why} ({', '.join(told)})"


def _over_videos(failed: pd.DataFrame) -> pd.DataFrame:
    """The first failed frame of each video, then the second ones; of a failed unit only one."""
    rank = failed.groupby(["person", "video"], sort=False).cumcount()
    is_kept = (failed["error"] == "") | (rank == 0)
    return failed.assign(rank=rank)[is_kept].sort_values("rank", kind="stable")


def _lowest(scored: pd.DataFrame, judge: str) -> pd.DataFrame:
    return scored.sort_values(judge, kind="stable") if judge else scored.head(0)


def _case(
    results: Results, copy: Copier, rank: int, row: pd.Series[Any], judge: str, reason: str
) -> WorstCase | None:
    """None where the run lacks the picture of the true frame, or of a frame that was scored."""
    video, index = video_key(row["person"], row["video"]), int(row["position"])
    unit = Unit(row["method"], int(row["T"]), video)

    held_out = files_of(results, results.run.real_folder(video))
    real = copy(held_out.get(index), f"{rank}-real.png")
    file = copy_generated(results, unit, index, copy, f"{rank}.png").file
    if not real or not (file or reason):
        return None

    value = f"{row[judge]:.3f}" if judge and pd.notna(row[judge]) else ""
    return WorstCase(video, index, value, reason, real, file)
