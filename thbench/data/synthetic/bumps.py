"""Smooth hills over a face: the shapes, shadows and blushes are sums of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Place = tuple[float, float]


def bump(x: Array, y: Array, centre: Place, size: Place) -> Array:
    """A Gaussian hill of height 1; at `size` (across, up) from its centre it is 1/e high."""
    across, up = (x - centre[0]) / size[0], (y - centre[1]) / size[1]
    return np.asarray(np.exp(-(across**2) - up**2))


def plateau(x: Array, y: Array, centre: Place, size: Place) -> Array:
    """A `bump` that is flat across, with steeper sides."""
    across, up = (x - centre[0]) / size[0], (y - centre[1]) / size[1]
    return np.asarray(np.exp(-(across**4) - up**2))


def ramp(value: Array) -> NDArray[np.float32]:
    """0 below -1, 1 above 1, straight between."""
    return np.asarray(np.clip(value * 0.5 + 0.5, 0, 1), np.float32)
