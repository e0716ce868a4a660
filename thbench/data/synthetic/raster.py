"""A software rasteriser in NumPy: all triangles at once, row by row, into a depth-tested buffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]
_SEAM = np.float32(2e-3)  # samples this near to an edge belong to both triangles, so no crack opens
_FAR = np.float32(-1e6)
# Samples at a time: their numbers stay in the processor's cache, and in memory that the process has
# already. Whole frames at once took twice the time, half of it for new pages.
_PART = 1 << 14


@dataclass(frozen=True)
class Fragments:
    """A part of the visible surface: flat sample positions [n], the triangle seen there [n],
    weights of its corners 1 and 2.
    """

    samples: Ints
    triangles: Ints
    u: Floats
    v: Floats


def rasterise(
    points: Floats, depth: Floats, corners: Ints, double_sided: NDArray[np.bool_], size: int
) -> list[Fragments]:
    """Depth-tests triangles on a size x size grid of samples. The surface comes in parts; where two
    of them name one sample, the later holds.

    points: float32 [V, 2], (x, y) in samples, sample (0, 0) at the top left; depth: float32 [V],
    larger is nearer; corners: [3, T] vertex numbers, counter-clockwise on screen when they face the
    viewer; double_sided: [T].
    """
    x = np.ascontiguousarray(points[:, 0]).take(corners)
    y = np.ascontiguousarray(points[:, 1]).take(corners)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    top = np.maximum(np.ceil(np.minimum(np.minimum(y[0], y[1]), y[2])), 0)
    bottom = np.minimum(np.floor(np.maximum(np.maximum(y[0], y[1]), y[2])), size - 1)
    visible = np.flatnonzero(((area < -1e-6) | (double_sided & (area > 1e-6))) & (bottom >= top))
    x, y = x.take(visible, 1), y.take(visible, 1)
    top, bottom = top.take(visible), bottom.take(visible)
    z = depth.take(corners.take(visible, 1))

    # The weight u of corner 1 is u_x * (x - x0) + u_y * (y - y0); likewise the weight v of corner 2
    # and the depth.
    scale = 1 / area.take(visible)
    u_x, u_y = (y[2] - y[0]) * scale, (x[0] - x[2]) * scale
    v_x, v_y = (y[0] - y[1]) * scale, (x[1] - x[0]) * scale
    z_x, z_y = u_x * (z[1] - z[0]) + v_x * (z[2] - z[0]), u_y * (z[1] - z[0]) + v_y * (z[2] - z[0])

    of_row, step = _expand((bottom - top + 1).astype(np.intp))
    row = top.take(of_row) + step.astype(np.float32)
    left, right = _spans(x, y, of_row, row)
    left = np.maximum(np.ceil(left - _SEAM), 0)
    count = np.minimum(np.floor(right + _SEAM), size - 1) - left + 1
    across, below = left - x[0].take(of_row), row - y[0].take(of_row)
    z_left = z[0].take(of_row) + z_x.take(of_row) * across + z_y.take(of_row) * below

    count = np.maximum(count, 0).astype(np.intp)
    first = (row * size + left).astype(np.intp)
    slope = z_x.take(of_row)
    nearest = np.full(size * size, _FAR, np.float32)
    parts = []
    for rows in _parts(count):
        along, step = _expand(count[rows])
        sample = first[rows].take(along) + step
        near = z_left[rows].take(along) + slope[rows].take(along) * step.astype(np.float32)
        np.maximum.at(nearest, sample, near)
        parts.append((rows.start, along, step, sample, near))

    # A list, not a generator: all that was computed above is given back before anything is painted.
    surface = []
    for start, along, step, sample, near in parts:
        wins = np.flatnonzero(near == nearest.take(sample))
        if not len(wins):
            continue
        along, step = along.take(wins) + start, step.take(wins).astype(np.float32)
        triangle = of_row.take(along)
        dx, dy = across.take(along) + step, below.take(along)
        part = Fragments(
            sample.take(wins),
            visible.take(triangle),
            u_x.take(triangle) * dx + u_y.take(triangle) * dy,
            v_x.take(triangle) * dx + v_y.take(triangle) * dy,
        )
        surface.append(part)
    return surface


def _parts(counts: Ints) -> Iterator[slice]:
    """Runs of rows that have about `_PART` samples together."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    starts = np.searchsorted(ends, np.arange(0, total, _PART), side="right")
    bounds = np.unique(np.append(starts, len(counts))).tolist()
    for start, end in pairwise(bounds):
        yield slice(start, end)


def _spans(x: Floats, y: Floats, of_row: Ints, row: Floats) -> tuple[Floats, Floats]:
    """Where each row enters and leaves its triangle: at the long edge, and at a short one."""
    (x_0, y_0), (x_1, y_1) = _by_height(x[0], y[0], x[1], y[1])
    (x_1, y_1), (x_2, y_2) = _by_height(x_1, y_1, x[2], y[2])
    (x_0, y_0), (x_1, y_1) = _by_height(x_0, y_0, x_1, y_1)
    long = _slope(x_2 - x_0, y_2 - y_0)
    upper, lower = _slope(x_1 - x_0, y_1 - y_0), _slope(x_2 - x_1, y_2 - y_1)

    on_long = x_0.take(of_row) + long.take(of_row) * (row - y_0.take(of_row))
    past = row - y_1.take(of_row)
    on_short = x_1.take(of_row) + np.where(past < 0, upper.take(of_row), lower.take(of_row)) * past
    return np.minimum(on_long, on_short), np.maximum(on_long, on_short)


def _by_height(
    x_0: Floats, y_0: Floats, x_1: Floats, y_1: Floats
) -> tuple[tuple[Floats, Floats], ...]:
    """The two points, the upper one first."""
    swap = y_1 < y_0
    upper = np.where(swap, x_1, x_0), np.minimum(y_0, y_1)
    lower = np.where(swap, x_0, x_1), np.maximum(y_0, y_1)
    return upper, lower


def _slope(run: Floats, rise: Floats) -> Floats:
    return np.asarray(run / np.maximum(rise, np.float32(1e-6)), np.float32)


def _expand(counts: Ints) -> tuple[Ints, Ints]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and steps (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - (np.cumsum(counts) - counts).take(owner)
