"""Landmark images as vincent-thevenin draws them: thin lines on white, by matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

# (first landmark, landmark after the last, colour): eyes and lips are not closed
GROUPS = (
    (0, 17, "green"),
    (17, 22, "orange"),
    (22, 27, "orange"),
    (27, 31, "blue"),
    (31, 36, "blue"),
    (36, 42, "red"),
    (42, 48, "red"),
    (48, 60, "purple"),
    (60, 68, "pink"),
)
DPI = 100
LINE_WIDTH_POINTS = 2


def white_landmark_images(landmarks: Tensor, size_px: int) -> Tensor:
    """float32 [N, 68, 2] in pixels -> uint8 [N, 3, size, size] RGB."""
    drawn = [_drawn(points, size_px) for points in landmarks.numpy()]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def _drawn(points: Any, size_px: int) -> Any:
    figure = Figure(figsize=(size_px / DPI, size_px / DPI), dpi=DPI)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-0.5, size_px - 0.5)
    axes.set_ylim(size_px - 0.5, -0.5)
    axes.axis("off")
    for first, end, colour in GROUPS:
        axes.plot(*points[first:end].T, linestyle="-", color=colour, lw=LINE_WIDTH_POINTS)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
