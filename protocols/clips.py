"""Metrics of clips: which rows of a run have frames that follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from thbench.metrics.base import MetricCard
from thbench.records.split import Split
from thbench.runs import REAL


def no_clips(card: MetricCard, split: Split) -> str | None:
    """One line that says why a metric of clips is not computed for a run, or None."""
    if card.clip_frames == 1 or all(_follow(video.holdout) for video in split.videos):
        return None
    return (
        "it compares clips, and the hold-out frames do not follow each other; run a protocol with "
        'drive_rule = "consecutive", such as first-frame'
    )


def has_clips(card: MetricCard, split: Split, method: str) -> bool:
    """Whether a metric can be computed for a row of a run that `no_clips` has nothing against.

    The floor's frames may be spread where a video has no room for a second clip.
    """
    spread = any(not _follow(video.floor) for video in split.videos)
    return card.clip_frames == 1 or method != REAL or not spread


def _follow(frames: Sequence[int]) -> bool:
    return all(after == before + 1 for before, after in pairwise(frames))
