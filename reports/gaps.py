"""How near hold-out frames lie to the shots, which tells what copying a shot can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from reports.results import Results
from thbench.records.split import DrawnVideo

HOLDOUT_RULES = {
    "part": "Hold-out frames are a part of the video apart from the shots",
    "interleaved": "Hold-out frames lie between the shots",
    "clip": "Scored are the frames of the clips themselves; the first one stands for the shot",
}
FIRST_FRAME = "The shot is the first frame of the video, hold-out frames come after it"


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

    videos = results.test_videos
    frames = [_nearest(held, video.shots[:T]) for video in videos for held in video.holdout]
    seconds = [gap_s for video in videos for gap_s in _gaps_s(video, T)]

    return Gap(median(frames), median(seconds) if seconds else None)


def gap_note(runs: Sequence[Results]) -> str:
    """What a table says of each dataset: the rule of the hold-out, and the gaps at each T.

    Runs on one dataset share a split, so the first speaks for all. Empty where other videos drive.
    """
    first_of: dict[str, Results] = {}
    for run in runs:
        if not run.is_cross:
            first_of.setdefault(run.dataset, run)

    told = {dataset: _gaps_of(run) for dataset, run in first_of.items()}
    if len(told) == 1:
        return next(iter(told.values()))
    return " ".join(f"{dataset}: {note}" for dataset, note in told.items())


def _gaps_of(run: Results) -> str:
    gaps = [(T, gap) for T in run.shots if (gap := gap_to_shots(run, T)) is not None]
    told = ", ".join(_told(T, gap) for T, gap in gaps)

    protocol = run.record.protocol
    is_first = protocol.shot_rule == "first-frame"
    rule = FIRST_FRAME if is_first else HOLDOUT_RULES[protocol.holdout_rule]
    return f"{rule}; median gap to the nearest shot: {told}."


def _told(T: int, gap: Gap) -> str:
    seconds = "" if gap.seconds is None else f" ({gap.seconds:.3g} s)"
    return f"{gap.frames:g} frames{seconds} at T = {T}"


def _nearest(value: float, others: Sequence[float]) -> float:
    return min(abs(value - other) for other in others)


def _gaps_s(video: DrawnVideo, T: int) -> list[float]:
    """The gaps in seconds of the hold-out frames that have a shot in their own clip."""
    if not video.shot_times_s or not video.holdout_times_s:
        return []

    names, times_s = video.shot_names[:T], video.shot_times_s[:T]
    shots = [(_clip(name), time_s) for name, time_s in zip(names, times_s, strict=True)]

    gaps_s = []
    for name, time_s in zip(video.holdout_names, video.holdout_times_s, strict=True):
        near_s = [shot_s for clip, shot_s in shots if clip == _clip(name)]
        if near_s:
            gaps_s.append(_nearest(time_s, near_s))
    return gaps_s


def _clip(frame_name: str) -> str:
    return frame_name.rpartition("/")[0]
