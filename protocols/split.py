"""Which videos are tested and which of their frames are shots or hold-out: drawn once, stored with
the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.records.split import DrawnVideo, FramePlace, Split

HoldoutRule = Literal["part", "interleaved"]
DriveRule = Literal["spread", "consecutive", "even"]
ShotRule = Literal["spread", "first-frame"]

_Frames = NDArray[np.int64]
_Drawn = tuple[_Frames, _Frames, _Frames]  # shots, hold-out frames, those for the floor


@dataclass(frozen=True)
class Rules:
    """How the frames of a self-reenactment are drawn.

    A video is cut into as many stretches of equal length as it needs frames, and one frame is drawn
    from each. holdout: "part" holds out those of the first or of the last stretches, so that they
    lie in a part of the video apart from the shots, as the paper's do; "interleaved" gives the
    stretches out at random, so that most hold-out frames lie between two shots.

    The first order motion model and its heirs reconstruct a video from its first frame. drive:
    "consecutive" holds out frames that follow each other, within the hold-out part. shots:
    "first-frame" makes the first frame of a video its only shot; consecutive frames then are those
    that come next. With it, "even" holds out frames at equal distances, the last one among them.
    """

    holdout: HoldoutRule = "part"
    drive: DriveRule = "spread"
    shots: ShotRule = "spread"


def draw_split(
    dataset: Dataset, videos: int, shots: int, holdout: int, seed: int, rules: Rules
) -> Split:
    """Draws `videos` test videos uniformly (section 4) and their frames; see `Rules`.

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
        draw_video(dataset, eligible[index], tested, shots, holdout, seed, rules)
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


def draw_video(
    dataset: Dataset,
    video: Video,
    tested: Sequence[Video],
    shots: int,
    holdout: int,
    seed: int,
    rules: Rules,
) -> DrawnVideo:
    """The frames of one video, and triplets of them with other videos of the person in `tested`."""
    # Each video has a stream of its own, so a frame's fate does not depend on which other videos
    # were drawn.
    random = np.random.default_rng([seed, 1, *video.key.encode()])
    shown, held, rest = _draw_frames(video.n_frames, shots, holdout, rules, random)
    floor = _draw_floor(rest, holdout, rules.drive, random)

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


def _draw_frames(
    n_frames: int, shots: int, holdout: int, rules: Rules, random: np.random.Generator
) -> _Drawn:
    if rules.shots == "first-frame":
        return _after_the_first(n_frames, holdout, rules.drive, random)

    stretches = np.array_split(np.arange(n_frames), shots + holdout)
    if rules.drive == "consecutive":
        return _consecutive(stretches, holdout, random)

    frames = np.array([random.choice(stretch) for stretch in stretches])
    if rules.holdout == "part":
        return _apart(frames, shots, n_frames, random)
    mixed = random.permutation(frames)
    held = np.sort(mixed[shots:])
    return mixed[:shots], held, np.setdiff1d(np.arange(n_frames), held)


def _after_the_first(
    n_frames: int, holdout: int, drive: DriveRule, random: np.random.Generator
) -> _Drawn:
    """The first frame, and others by the rule: right behind it, spread, or at equal distances.

    The floor is drawn from all frames that are not held out.
    """
    if drive == "consecutive":
        held = np.arange(1, holdout + 1)
    elif drive == "even":
        held = np.rint(np.linspace(1, n_frames - 1, holdout)).astype(int)
    else:
        stretches = np.array_split(np.arange(1, n_frames), holdout)
        held = np.array([random.choice(stretch) for stretch in stretches])
    return np.array([0]), held, np.setdiff1d(np.arange(n_frames), held)


def _consecutive(stretches: Sequence[_Frames], holdout: int, random: np.random.Generator) -> _Drawn:
    """Consecutive frames within the first or the last `holdout` stretches; shots, and the floor,
    from the others.
    """
    if random.integers(2):
        part, others = stretches[:holdout], stretches[holdout:]
    else:
        part, others = stretches[-holdout:], stretches[:-holdout]

    places = np.concatenate(part)
    start = random.integers(len(places) - holdout + 1)
    shown = np.array([random.choice(stretch) for stretch in others])
    return random.permutation(shown), places[start : start + holdout], np.concatenate(others)


def _apart(
    frames: _Frames,
    shots: int,
    n_frames: int,
    random: np.random.Generator,
) -> _Drawn:
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


def _draw_floor(
    rest: _Frames, holdout: int, drive: DriveRule, random: np.random.Generator
) -> _Frames:
    """As many frames of `rest`, in time order, as are held out.

    Where frames that follow each other are held out, the floor's do so too, if there is room:
    metrics of motion and of clips need it.
    """
    if drive == "consecutive":
        stretches = np.split(rest, np.flatnonzero(np.diff(rest) != 1) + 1)
        longest = max(stretches, key=len)
        if len(longest) >= holdout:
            start = random.integers(len(longest) - holdout + 1)
            return longest[start : start + holdout]

    return np.sort(random.choice(rest, holdout, replace=len(rest) < holdout))


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
