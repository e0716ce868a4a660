"""Which videos are tested and which of their frames are shots or hold-out: drawn once, stored with
the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.records.split import DrawnVideo, FramePlace, Split

HoldoutRule = Literal["part", "interleaved"]


def draw_split(
    dataset: Dataset, videos: int, shots: int, holdout: int, seed: int, rule: HoldoutRule
) -> Split:
    """Draws `videos` test videos uniformly (section 4) and their frames.

    A video is cut into `shots` + `holdout` stretches of equal length, and one frame is drawn from
    each. By the rule "part" the hold-out frames are those of the first or of the last stretches, so
    that they lie in a part of the video apart from the shots, as the paper's do; "interleaved"
    gives the stretches out at random, so that most hold-out frames lie between two shots.

    Raises `ThbenchError` when fewer test videos have `shots` + `holdout` frames, naming values that
    would work.
    """
    tested = videos_of(dataset, "test")
    eligible = [video for video in tested if video.n_frames >= shots + holdout]
    if len(eligible) < videos:
        raise ThbenchError(_too_few(dataset, tested, videos, shots, holdout))

    random = np.random.default_rng([seed, 0])
    chosen = sorted(random.choice(len(eligible), videos, replace=False))
    drawn = [
        _draw_video(dataset, eligible[index], tested, shots, holdout, seed, rule)
        for index in chosen
    ]
    return Split(seed, dataset.sha256, shots, holdout, drawn)


def _too_few(
    dataset: Dataset, tested: Sequence[Video], videos: int, shots: int, holdout: int
) -> str:
    """Why a split cannot be drawn, and what would: fewer videos, or fewer frames of each."""
    lengths = sorted((video.n_frames for video in tested), reverse=True)
    fitting = sum(length >= shots + holdout for length in lengths)
    problem = (
        f"{videos} test videos with {shots} + {holdout} frames asked for; {dataset.name} has "
        f"{fitting} such among {len(tested)} test videos (longest: "
        f"{max(lengths, default=0)} frames)"
    )

    ways = [f"--videos {fitting}"] if fitting else []
    room = lengths[videos - 1] if len(lengths) >= videos else 0
    if room > shots:
        ways.append(f"--holdout {room - shots}")
    if room > holdout:
        ways.append(f"--T {room - holdout} at the most")
    if not ways and lengths and lengths[0] > 1:
        ways.append(f"--videos 1 with --T {lengths[0] // 2} --holdout {lengths[0] // 2} or less")
    return problem + (
        "; what would work: " + ", or ".join(ways)
        if ways
        else "; prepare more or longer test videos"
    )


def _draw_video(
    dataset: Dataset,
    video: Video,
    tested: Sequence[Video],
    shots: int,
    holdout: int,
    seed: int,
    rule: HoldoutRule,
) -> DrawnVideo:
    # Each video has a stream of its own, so a frame's fate does not depend on which other videos
    # were drawn.
    random = np.random.default_rng([seed, 1, *video.key.encode()])
    places = np.arange(video.n_frames)
    frames = np.array(
        [random.choice(stretch) for stretch in np.array_split(places, shots + holdout)]
    )

    if rule == "part":
        shown, held, rest = _apart(frames, shots, video.n_frames, random)
    else:
        mixed = random.permutation(frames)
        shown, held = mixed[:shots], np.sort(mixed[shots:])
        rest = np.setdiff1d(places, held)
    floor = np.sort(random.choice(rest, holdout, replace=len(rest) < holdout))

    names = dataset.frame_names(video)
    times_s = dataset.frame_times_s(video)
    return DrawnVideo(
        video.person,
        video.video,
        shown.tolist(),
        held.tolist(),
        floor.tolist(),
        [names[frame] for frame in shown],
        [names[frame] for frame in held],
        _draw_others(video, tested, holdout, random),
        shot_times_s=None if times_s is None else [times_s[frame] for frame in shown],
        holdout_times_s=None if times_s is None else [times_s[frame] for frame in held],
    )


def _apart(
    frames: NDArray[np.int64],
    shots: int,
    n_frames: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Shots in random order, hold-out frames in time order, and the part that the shots lie in.

    The real-vs-real floor is drawn from that part too: it stands as far from the hold-out frames as
    what a method has seen.
    """
    if random.integers(2):
        held, shown = frames[:-shots], frames[-shots:]
        rest = np.arange(held[-1] + 1, n_frames)
    else:
        held, shown = frames[shots:], frames[:shots]
        rest = np.arange(held[0])
    return random.permutation(shown), held, rest


def _draw_others(
    video: Video, tested: Sequence[Video], holdout: int, random: np.random.Generator
) -> list[list[FramePlace]] | None:
    """Two frames of two different other recordings of the person, for each hold-out frame."""
    siblings = [
        other for other in tested if other.person == video.person and other.key != video.key
    ]
    if len(siblings) < 2:
        return None
    pairs = [random.choice(len(siblings), 2, replace=False) for _ in range(holdout)]
    return [
        [(siblings[index].key, int(random.integers(siblings[index].n_frames))) for index in pair]
        for pair in pairs
    ]
