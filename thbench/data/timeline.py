"""When the frames of a video are shown: evenly, or not, as phones and screen recorders do it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

LARGEST_DENOMINATOR = 1001  # of a frame rate: 30000/1001 and its kin


@dataclass(frozen=True)
class Timeline:
    """The presentation times of a video's frames, in display order.

    pts: the frames' times, strictly rising, in units of `time_base` seconds; the first may be any
    number. end: when the last frame goes, in the same units, later than it comes.
    """

    pts: tuple[int, ...]
    end: int
    time_base: Fraction

    @classmethod
    def steady(cls, n_frames: int, fps: float | Fraction) -> Timeline:
        """`n_frames` frames at a constant rate, from 0."""
        rate = Fraction(fps).limit_denominator(LARGEST_DENOMINATOR)
        return cls(tuple(range(n_frames)), n_frames, 1 / rate)

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def start_s(self) -> Fraction:
        return self.pts[0] * self.time_base

    @property
    def duration_s(self) -> Fraction:
        return (self.end - self.pts[0]) * self.time_base

    @property
    def times_s(self) -> list[Fraction]:
        """The time of each frame after the first one, which is at 0."""
        return [(pts - self.pts[0]) * self.time_base for pts in self.pts]

    @property
    def mean_fps(self) -> Fraction:
        return (len(self) / self.duration_s).limit_denominator(LARGEST_DENOMINATOR)
