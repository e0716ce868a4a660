"""Which videos are tested and which of their frames are shots or hold-out: drawn once, stored with the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.records.decode import decode
from thbench.records.split import FramePlace, Split, TestVideo

__all__ = ["Split", "TestVideo", "draw_split", "stored_split"]


def draw_split(dataset: Dataset, videos: int, shots: int, holdout: int, seed: int) -> Split:
    """Draws `videos` test videos uniformly (section 4) and their frames.

    Raises `ThbenchError` when fewer test videos have `shots` + `holdout` frames, saying how many there are.
    """
    tested = videos_of(dataset, "test")
    eligible = [video for video in tested if video.n_frames >= shots + holdout]
    if len(eligible) < videos:
        raise ThbenchError(
            f"{videos} test videos with {shots} + {holdout} frames asked for; {dataset.name} has {len(eligible)} such "
            f"among {len(tested)} test videos (longest: {max((v.n_frames for v in tested), default=0)} frames); "
            "lower --videos, --holdout or the largest T")
    random = np.random.default_rng([seed, 0])
    chosen = sorted(random.choice(len(eligible), videos, replace=False))
    return Split(seed, dataset.sha256, shots, holdout,
                 [_draw_video(dataset, eligible[index], tested, shots, holdout, seed) for index in chosen])


def stored_split(described: Mapping[str, Any], path: Path | str = "run.json") -> Split:
    """The split that `described` came from; raises `ThbenchError` that names `path` where it is none."""
    return decode(Split, described, path, "it is not a split file: export one with `thbench split export`")


def _draw_video(dataset: Dataset, video: Video, tested: Sequence[Video], shots: int, holdout: int,
                seed: int) -> TestVideo:
    # Each video has a stream of its own, so a frame's fate does not depend on which other videos were drawn.
    random = np.random.default_rng([seed, 1, *video.key.encode()])
    strata = np.array_split(np.arange(video.n_frames), shots + holdout)
    frames = random.permutation([int(random.choice(stratum)) for stratum in strata])
    held = sorted(int(frame) for frame in frames[shots:])
    rest = np.setdiff1d(np.arange(video.n_frames), held)
    floor = sorted(int(frame) for frame in random.choice(rest, holdout, replace=len(rest) < holdout))
    names = dataset.frame_names(video)
    drawn = [int(frame) for frame in frames[:shots]]
    return TestVideo(video.person, video.video, drawn, held, floor, [names[frame] for frame in drawn],
                     [names[frame] for frame in held], _draw_others(video, tested, holdout, random))


def _draw_others(video: Video, tested: Sequence[Video], holdout: int,
                 random: np.random.Generator) -> list[list[FramePlace]] | None:
    """Two frames of two different other recordings of the person, for each hold-out frame."""
    siblings = [other for other in tested if other.person == video.person and other.key != video.key]
    if len(siblings) < 2:
        return None
    pairs = [random.choice(len(siblings), 2, replace=False) for _ in range(holdout)]
    return [[(siblings[index].key, int(random.integers(siblings[index].n_frames))) for index in pair]
            for pair in pairs]
