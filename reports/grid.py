"""A grid of pictures with titles, drawn pixel for pixel into a PNG and with vector text into a PDF."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from reports.style import FONT, STYLE, drawable
from thbench.files import atomic_path

CELL_PX = 128  # smaller frames are enlarged by a whole factor, so that titles fit and no pixel is resampled
GAP_PX = 4
FONT_PX = 15
LINE_PX = 19
INK, MISSING = (0, 0, 0), (229, 229, 229)


@dataclass(frozen=True)
class GridRow:
    """One row: its label, and per column a picture or the words that say why there is none."""

    label: str
    cells: Sequence[Image.Image | str]


@dataclass(frozen=True)
class Grid:
    """corner is the heading of the row labels ("T"); caption says how the rows were picked."""

    corner: str
    columns: Sequence[str]
    rows: Sequence[GridRow]
    caption: str


@dataclass(frozen=True)
class _Text:
    """Lines of text centred on (x, y), in pixels from the top left."""

    x: float
    y: float
    lines: Sequence[str]


@dataclass(frozen=True)
class _Layout:
    width: int
    height: int
    pictures: Sequence[tuple[int, int, Image.Image]]
    texts: Sequence[_Text]


def save_png(grid: Grid, file: Path) -> None:
    """Writes the grid losslessly, frames at a whole multiple of their size; the caption goes into
    the metadata.
    """
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("Description", grid.caption)
    with atomic_path(file) as temporary:
        draw(grid).save(temporary, format="PNG", pnginfo=notes)


def draw(grid: Grid) -> Image.Image:
    """The grid as an RGB picture."""
    layout = _layout(grid)
    picture = Image.new("RGB", (layout.width, layout.height), "white")
    for x, y, image in layout.pictures:
        picture.paste(image, (x, y))
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, FONT_PX)
    for text in layout.texts:
        top = text.y - LINE_PX * (len(text.lines) - 1) / 2
        for number, line in enumerate(text.lines):
            pen.text((text.x, top + number * LINE_PX), line, INK, font, anchor="mm")
    return picture


def save_pdf(grid: Grid, file: Path) -> None:
    """Writes the grid with unresampled frames and text as text, at 150 frame pixels to the inch."""
    layout = _layout(grid)
    figure = Figure(figsize=(layout.width / 150, layout.height / 150))
    FigureCanvasPdf(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.axis("off")
    for x, y, image in layout.pictures:
        axes.imshow(
            np.asarray(image),
            extent=(x, x + image.width, y + image.height, y),
            interpolation="none",
            aspect="auto",
        )
    for text in layout.texts:
        axes.text(
            text.x,
            text.y,
            "\n".join(text.lines),
            ha="center",
            va="center",
            fontsize=FONT_PX * 72 / 150,
            linespacing=LINE_PX / FONT_PX,
            parse_math=False,
            family="DejaVu Sans",
        )
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))  # imshow moved the limits
    with matplotlib.rc_context(STYLE), atomic_path(file) as temporary:
        figure.savefig(
            temporary, format="pdf", metadata={"Subject": grid.caption, "CreationDate": None}
        )


def _layout(grid: Grid) -> _Layout:
    frames = [cell for row in grid.rows for cell in row.cells if isinstance(cell, Image.Image)]
    frame_px = max(max(frame.size) for frame in frames)
    cell = frame_px * -(-CELL_PX // frame_px)
    titles = [_wrap(title, cell) for title in grid.columns]
    labels = [_wrap(row.label, cell) for row in grid.rows]
    label_px = (
        max(_width(line) for lines in [*labels, [grid.corner]] for line in lines) + 4 * GAP_PX
    )
    title_px = LINE_PX * max(len(lines) for lines in titles) + 2 * GAP_PX
    pictures: list[tuple[int, int, Image.Image]] = []
    texts = [_Text(label_px / 2, title_px / 2, [grid.corner])]
    xs = [label_px + column * (cell + GAP_PX) for column in range(len(grid.columns))]
    texts += [_Text(x + cell / 2, title_px / 2, lines) for x, lines in zip(xs, titles, strict=True)]
    for number, (row, lines) in enumerate(zip(grid.rows, labels, strict=True)):
        y = title_px + number * (cell + GAP_PX)
        texts.append(_Text(label_px / 2, y + cell / 2, lines))
        for x, content in zip(xs, row.cells, strict=True):
            if isinstance(content, str):
                pictures.append((x, y, Image.new("RGB", (cell, cell), MISSING)))
                texts.append(_Text(x + cell / 2, y + cell / 2, _wrap(content, cell)))
            else:
                factor = cell // max(content.size)
                size = (content.width * factor, content.height * factor)
                pictures.append((x, y, content.resize(size, Image.Resampling.NEAREST)))
    return _Layout(
        xs[-1] + cell + GAP_PX, title_px + len(grid.rows) * (cell + GAP_PX), pictures, texts
    )


def _wrap(text: str, width_px: int) -> list[str]:
    """Lines no wider than `width_px`, broken inside words only where a word alone is too wide."""
    flat = drawable(text)
    for letters in range(len(flat), 1, -1):
        lines = textwrap.wrap(flat, letters)
        if all(_width(line) <= width_px for line in lines):
            return lines
    return [flat]


def _width(text: str) -> int:
    return round(ImageFont.truetype(FONT, FONT_PX).getlength(text))
