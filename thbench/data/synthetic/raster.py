"""A software rasteriser: triangles, row by row, into a depth-tested buffer; and what lies on them.

Numba compiles the loops when they first run, in a few seconds, and keeps the machine code beside
this file or in the user's cache. They do float32 operations in the order written, nothing fused or
reordered, so the pixels do not depend on the compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]
Image = NDArray[np.uint8]
Function = TypeVar("Function", bound=Callable[..., Any])

# Constants of the loops: a plain number would make float64 of what it meets.
_SEAM = np.float32(2e-3)  # samples this near to an edge belong to both triangles, so no crack opens
_FAR = np.float32(-1e6)
_TINY = np.float32(1e-6)  # areas and heights below it are those of a line
_ZERO, _HALF, _ONE, _WHITE = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)


@dataclass(frozen=True)
class Surface:
    """What is visible: flat sample positions [n], ascending, the triangle seen there [n], float32
    weights of its corners 1 and 2 [n].
    """

    samples: Ints
    triangles: Ints
    u: Floats
    v: Floats


def rasterise(
    points: Floats, depth: Floats, corners: Ints, double_sided: NDArray[np.bool_], size: int
) -> Surface:
    """Depth-tests triangles on a size x size grid of samples. Of equally near triangles, the last
    is seen.

    points: float32 [V, 2], (x, y) in samples, sample (0, 0) at the top left; depth: float32 [V],
    larger is nearer; corners: [3, T] vertex numbers, counter-clockwise on screen when they face the
    viewer; double_sided: [T].
    """
    nearest = np.full(size * size, _FAR, np.float32)
    seen = np.full(size * size, -1, np.intp)
    u, v = np.empty((2, size * size), np.float32)
    _depth_test(points, depth, corners, double_sided, size, nearest, seen, u, v)
    samples = np.flatnonzero(seen >= 0)
    return Surface(samples, seen.take(samples), u.take(samples), v.take(samples))


def spread(values: Floats, corners: Ints, surface: Surface) -> Floats:
    """Values of vertices, float32 [V, k], over the surface: [n, k], linear in each triangle."""
    found = np.empty((len(surface.samples), values.shape[1]), np.float32)
    _spread(values, corners, surface.triangles, surface.u, surface.v, found)
    return found


def paint(canvas: Image, surface: Surface, texels: Image, shades: Floats, exposure: Floats) -> None:
    """Puts the surface down on a canvas, uint8 [samples, 3], in place.

    texels: its colours, uint8 [n, 3]; shades: float32 [n, 4], what they are multiplied by, then
    what is added; exposure: float32 [3], a multiplier of the result.
    """
    _paint(canvas, surface.samples, texels, shades, exposure)


def _compiled(function: Function) -> Function:
    """Division by zero gives an infinity, as in NumPy."""
    try:
        compiled = numba.njit(function, cache=True, error_model="numpy")
    except RuntimeError:  # no folder for the machine code can be written: each process compiles
        compiled = numba.njit(function, error_model="numpy")
    return cast(Function, compiled)


@_compiled
def _depth_test(
    points: Floats,
    depth: Floats,
    corners: Ints,
    double_sided: NDArray[np.bool_],
    size: int,
    nearest: Floats,
    seen: Ints,
    u: Floats,
    v: Floats,
) -> None:
    """Writes the depth, the triangle and the weights of each sample that a triangle covers."""
    last = np.float32(size - 1)
    for triangle in range(corners.shape[1]):
        a, b, c = corners[0, triangle], corners[1, triangle], corners[2, triangle]
        x_a, y_a = points[a, 0], points[a, 1]
        x_b, y_b = points[b, 0], points[b, 1]
        x_c, y_c = points[c, 0], points[c, 1]
        area = (x_b - x_a) * (y_c - y_a) - (y_b - y_a) * (x_c - x_a)
        if not (area < -_TINY or (double_sided[triangle] and area > _TINY)):
            continue
        top = max(np.ceil(min(y_a, y_b, y_c)), _ZERO)
        bottom = min(np.floor(max(y_a, y_b, y_c)), last)
        if bottom < top:
            continue

        # The weight u of corner b is u_x * (x - x_a) + u_y * (y - y_a); likewise the weight v of
        # corner c and the depth.
        scale = _ONE / area
        u_x, u_y = (y_c - y_a) * scale, (x_a - x_c) * scale
        v_x, v_y = (y_a - y_b) * scale, (x_b - x_a) * scale
        rise_b, rise_c = depth[b] - depth[a], depth[c] - depth[a]
        z_x, z_y = u_x * rise_b + v_x * rise_c, u_y * rise_b + v_y * rise_c

        # The corners by height, and the slopes of the edges between them.
        x_0, y_0, x_1, y_1 = _by_height(x_a, y_a, x_b, y_b)
        x_1, y_1, x_2, y_2 = _by_height(x_1, y_1, x_c, y_c)
        x_0, y_0, x_1, y_1 = _by_height(x_0, y_0, x_1, y_1)
        long = (x_2 - x_0) / max(y_2 - y_0, _TINY)
        upper, lower = (x_1 - x_0) / max(y_1 - y_0, _TINY), (x_2 - x_1) / max(y_2 - y_1, _TINY)

        for line in range(int(top), int(bottom) + 1):
            row = np.float32(line)
            past = row - y_1
            on_long = x_0 + long * (row - y_0)
            on_short = x_1 + (upper if past < _ZERO else lower) * past
            left = max(np.ceil(min(on_long, on_short) - _SEAM), _ZERO)
            right = min(np.floor(max(on_long, on_short) + _SEAM), last)

            across, below = left - x_a, row - y_a
            z_left = depth[a] + z_x * across + z_y * below
            first = line * size + int(left)
            for step in range(int(right) - int(left) + 1):
                along = np.float32(step)
                near = z_left + z_x * along
                if near >= nearest[first + step]:
                    nearest[first + step] = near
                    seen[first + step] = triangle
                    u[first + step] = u_x * (across + along) + u_y * below
                    v[first + step] = v_x * (across + along) + v_y * below


@_compiled
def _by_height(
    x_0: np.float32, y_0: np.float32, x_1: np.float32, y_1: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """The two points, the upper one first."""
    if y_1 < y_0:
        return x_1, y_1, x_0, y_0
    return x_0, y_0, x_1, y_1


@_compiled
def _spread(
    values: Floats, corners: Ints, triangles: Ints, u: Floats, v: Floats, found: Floats
) -> None:
    for at in range(len(triangles)):
        a, b, c = corners[0, triangles[at]], corners[1, triangles[at]], corners[2, triangles[at]]
        for k in range(values.shape[1]):
            first = values[a, k]
            found[at, k] = first + u[at] * (values[b, k] - first) + v[at] * (values[c, k] - first)


@_compiled
def _paint(canvas: Image, samples: Ints, texels: Image, shades: Floats, exposure: Floats) -> None:
    for at in range(len(samples)):
        for k in range(3):
            colour = (shades[at, k] * np.float32(texels[at, k]) + shades[at, 3]) * exposure[k]
            canvas[samples[at], k] = np.uint8(min(max(colour + _HALF, _ZERO), _WHITE))
