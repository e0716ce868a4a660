"""How near hold-out frames lie to the shots: what copying a shot can reach, and a table must say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from reports.results import Results


@dataclass(frozen=True)
class Gap:
    """From a hold-out frame to the nearest of the first T shots: medians over all hold-out frames.

    frames counts positions in the dataset's video. seconds is None where no shot with a known time
    lies in the clip of a hold-out frame.
    """

    frames: float
    seconds: float | None


def gap_to_shots(results: Results, T: int) -> Gap | None:
    """The gap of a self-reenactment at T; None where other videos drive."""
    if results.is_cross:
        return None
    videos = results.info["split"]["videos"]
    frames = [_nearest(held, video["shots"][:T]) for video in videos for held in video["holdout"]]
    seconds = [gap_s for video in videos for gap_s in _seconds(video, T)]
    return Gap(median(frames), median(seconds) if seconds else None)


def gap_note(runs: Sequence[Results]) -> str:
    """What a table says of each dataset: the rule of the hold-out, and the gaps at each T.

    Runs on one dataset share a split, so the first speaks for all. Empty where other videos drive.
    """
    of_datasets = {run.dataset: run for run in reversed(runs) if not run.is_cross}
    told = [(dataset, _gaps_of(run)) for dataset, run in reversed(of_datasets.items())]
    if len(told) == 1:
        return told[0][1]
    return " ".join(f"{dataset}: {note}" for dataset, note in told)


def _gaps_of(run: Results) -> str:
    gaps = [(T, gap) for T in run.shots if (gap := gap_to_shots(run, T)) is not None]
    lies = {
        "part": "Hold-out frames are a part of the video apart from the shots",
        "interleaved": "Hold-out frames lie between the shots",
        "clip": "Scored are the frames of the clips themselves; the first one stands for the shot",
    }[_rule(run)]
    return f"{lies}; median gap to the nearest shot: {', '.join(_told(T, gap) for T, gap in gaps)}."


def _rule(run: Results) -> str:
    return str(run.info["protocol"]["definition"].get("holdout_rule", "interleaved"))


def _told(T: int, gap: Gap) -> str:
    seconds = "" if gap.seconds is None else f" ({gap.seconds:.3g} s)"
    return f"{gap.frames:g} frames{seconds} at T = {T}"


def _nearest(value: float, others: Sequence[float]) -> float:
    return min(abs(value - other) for other in others)


def _seconds(video: Mapping[str, Any], T: int) -> list[float]:
    """The gaps in seconds of the hold-out frames that have a shot in their own clip."""
    shot_times_s, held_times_s = video.get("shot_times_s"), video.get("holdout_times_s")
    if not shot_times_s or not held_times_s:
        return []

    shots = [
        (_clip(name), time_s)
        for name, time_s in zip(video["shot_names"][:T], shot_times_s[:T], strict=True)
    ]
    gaps = []
    for name, time_s in zip(video["holdout_names"], held_times_s, strict=True):
        near = [shot_s for clip, shot_s in shots if clip == _clip(name)]
        if near:
            gaps.append(_nearest(time_s, near))
    return gaps


def _clip(frame_name: str) -> str:
    return frame_name.rpartition("/")[0]
