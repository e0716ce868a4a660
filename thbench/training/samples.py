"""Sample pictures of a training: what it makes of its episodes, with a word beside each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

EPISODES = 8  # columns at most
_FONT_PX, _MARGIN_PX = 12, 6


def sample_grid(rows: Mapping[str, Tensor], title: str) -> Tensor:
    """One row of pictures per label, one column per episode, under a title.

    rows: uint8 [B, 3, S, S] by label, from top to bottom; at most the first 8 of each are shown.
    Returns uint8 [3, H, W]; the pictures are the lower right part, pixel by pixel.
    """
    strips = [torch.cat([*images[:EPISODES].cpu()], dim=2) for images in rows.values()]
    grid = torch.cat(strips, dim=1)
    size_px = grid.shape[1] // len(rows)

    font = ImageFont.load_default(_FONT_PX)
    left = round(max(font.getlength(label) for label in rows)) + 2 * _MARGIN_PX
    top = _FONT_PX + 2 * _MARGIN_PX
    width = left + max(grid.shape[2], round(font.getlength(title)) + _MARGIN_PX)

    sheet = Image.new("RGB", (width, top + grid.shape[1]), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((left, top // 2), title, "black", font, anchor="lm")
    for row, label in enumerate(rows):
        middle = top + round((row + 0.5) * size_px)
        pen.text((_MARGIN_PX, middle), label, "black", font, anchor="lm")
    sheet.paste(Image.fromarray(grid.permute(1, 2, 0).contiguous().numpy()), (left, top))

    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1)
