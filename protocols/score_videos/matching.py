"""Which frames are scored, and which frame of a result answers each of them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from thbench.data.clip_files import ClipFile
from thbench.data.prepare.clips import sampled_positions
from thbench.errors import ThbenchError

Match = Literal["frame", "time", "common"]

_SAME_RATE = 0.005  # rates that differ by less are the same, rounded in some container


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a clip are scored: every `step`-th, then `count` of these (None: all)."""

    name: str = "all"
    step: int = 1
    count: int | None = None

    def positions(self, n_frames: int) -> list[int]:
        """Rising positions among `n_frames`."""
        every = list(range(0, n_frames, self.step))
        return [every[place] for place in sampled_positions(len(every), None, None, self.count)]


def frame_choice(text: str) -> FrameChoice:
    """The choice called "all", "every-5" (each fifth), or "32" (so many, evenly spread).

    Raises `ThbenchError` for anything else.
    """
    if text == "all":
        return FrameChoice()
    found = re.fullmatch(r"(every-)?([1-9]\d{0,8})", text)
    if not found:
        raise ThbenchError(
            f"--frames {text}: choose all, every-N for each N-th frame, or N for N frames, evenly "
            "spread"
        )
    number = int(found[2])
    return FrameChoice(text, step=number) if found[1] else FrameChoice(text, count=number)


def frames_in_common(real: ClipFile, fakes: Sequence[ClipFile], match: Match) -> int:
    """How many of the first frames of the true clip can be scored."""
    if match != "common":
        return real.n_frames
    return min([real.n_frames, *(fake.n_frames for fake in fakes)])


def answers(real: ClipFile, fake: ClipFile, positions: Sequence[int], match: Match) -> list[int]:
    """The position in the result of the frame that answers each of `positions`.

    frame: the k-th answers the k-th, and both have as many. common: the same, as far as both go.
    time: the frame that is shown at that moment, where both last equally long.

    Raises `ThbenchError` with what would work where the clips do not fit.
    """
    if match == "time":
        return _shown_at(real, fake, positions)
    if match == "frame" and real.n_frames != fake.n_frames:
        raise ThbenchError(
            f"{fake.path} has {fake.n_frames} frames, the true clip {real.n_frames}: "
            f"{_remedy(real, fake)}"
        )
    return list(positions)


def other_rate(real: ClipFile, fake: ClipFile) -> bool:
    """Whether two videos state different frame rates."""
    if real.fps is None or fake.fps is None:
        return False
    return abs(real.fps - fake.fps) > _SAME_RATE * real.fps


def _shown_at(real: ClipFile, fake: ClipFile, positions: Sequence[int]) -> list[int]:
    if real.times_s is None or fake.times_s is None:
        raise ThbenchError(
            f"{fake.path}: --match time needs two videos, and pictures have no times; use --match "
            "common"
        )
    longest_frame_s = max((1 / clip.fps for clip in (real, fake) if clip.fps), default=0.0)
    lengths_s = (real.duration_s or 0.0, fake.duration_s or 0.0)
    if abs(lengths_s[0] - lengths_s[1]) > longest_frame_s:
        raise ThbenchError(
            f"{fake.path} lasts {lengths_s[1]:.3f} s, the true clip {lengths_s[0]:.3f} s: they are "
            "not the same moments; use --match common for the frames that both have"
        )
    # A millisecond: what containers round times to.
    tolerance = float(Fraction(1, 1000))
    return [
        max(bisect_right(fake.times_s, real.times_s[position] + tolerance) - 1, 0)
        for position in positions
    ]


def _remedy(real: ClipFile, fake: ClipFile) -> str:
    time = "--match time for the frame shown at the same moment, or "
    return (
        f"{time if other_rate(real, fake) else ''}--match common for the first "
        f"{min(real.n_frames, fake.n_frames)}, which both have"
    )
