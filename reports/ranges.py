"""The range of each bundled metric, so that no interval claims a value that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping

Interval = tuple[float, float]
UNBOUNDED: Interval = (-math.inf, math.inf)

# The numbers of each card's value_range; the cards themselves need torch to load. KID's estimate
# may fall below 0, so it has no range here.
RANGES: Mapping[str, Interval] = {
    "ssim": (-1, 1),
    "csim": (-1, 1),
    "csim-dlib": (-1, 1),
    "csim-heads": (-1, 1),
    "psnr": (0, 100),
    "l1": (0, 1),
    "black-border": (0, 1),
    "detection-failure": (0, 1),
    "user": (0, 1),
    "identity-error": (0, 2),
    "flicker": (0, 2),
    "fid": (0, math.inf),
    "fd-heads": (0, math.inf),
    "fd-dinov2": (0, math.inf),
    "fvd-16": (0, math.inf),
    "cmmd": (0, math.inf),
    "lpips": (0, math.inf),
    "akd": (0, math.inf),
    "nme": (0, math.inf),
    "head-pose": (0, 180),
    "yaw-error": (0, 180),
    "pitch-error": (0, 180),
    "roll-error": (0, 180),
    "ear": (0, math.inf),
    "blink": (0, 1),
    "mar": (0, math.inf),
    "mouth-correlation": (-1, 1),
    "jaw": (0, math.inf),
    "aed-mediapipe": (0, 1),
    "apd-mediapipe": (0, 180),
}


def range_of(metric: str) -> Interval:
    """The range of a metric; unbounded for one that comes from a plug-in."""
    return RANGES.get(metric, UNBOUNDED)


def range_of_difference(metric: str) -> Interval:
    """The range of the difference of two values: from low - high to high - low."""
    low, high = range_of(metric)
    return low - high, high - low


def clipped(interval: Interval, bounds: Interval) -> Interval:
    """The part of the interval inside the bounds.

    It covers the true value exactly as often as the whole one does, since the true value lies
    inside.
    """
    low, high = (min(max(end, bounds[0]), bounds[1]) for end in interval)
    return low, high
