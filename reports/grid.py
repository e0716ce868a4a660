"""A grid of pictures with titles: pixel for pixel in a PNG, with vector text in a PDF."""

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

# Smaller frames are enlarged by a whole factor, so that titles fit and no pixel is resampled.
CELL_PX = 128
GAP_PX = 4
FONT_PX = 15
LINE_PX = 19
PX_PER_INCH = 150  # of the PDF
POINTS_PER_INCH = 72
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
    """Where everything stands: pictures by their top left corner, in pixels."""

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
    """Writes the grid with unresampled frames and text as text, at `PX_PER_INCH`."""
    layout = _layout(grid)
    figure = Figure(figsize=(layout.width / PX_PER_INCH, layout.height / PX_PER_INCH))
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
            fontsize=FONT_PX * POINTS_PER_INCH / PX_PER_INCH,
            linespacing=LINE_PX / FONT_PX,
            parse_math=False,
            family="DejaVu Sans",
        )

    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))  # imshow moved the limits
    metadata = {"Subject": grid.caption, "CreationDate": None}
    with matplotlib.rc_context(STYLE), atomic_path(file) as temporary:
        figure.savefig(temporary, format="pdf", metadata=metadata)


def _layout(grid: Grid) -> _Layout:
    """Titles above the columns, labels left of the rows, and square cells for the pictures."""
    cell_px = _cell_px(grid)
    titles = [_wrap(title, cell_px) for title in grid.columns]
    labels = [_wrap(row.label, cell_px) for row in grid.rows]

    label_px = _widest([*labels, [grid.corner]]) + 4 * GAP_PX
    title_px = LINE_PX * max(len(lines) for lines in titles) + 2 * GAP_PX
    xs = [label_px + column * (cell_px + GAP_PX) for column in range(len(grid.columns))]
    ys = [title_px + row * (cell_px + GAP_PX) for row in range(len(grid.rows))]

    texts = [_Text(label_px / 2, title_px / 2, [grid.corner])]
    texts += [
        _Text(x + cell_px / 2, title_px / 2, lines) for x, lines in zip(xs, titles, strict=True)
    ]
    pictures: list[tuple[int, int, Image.Image]] = []
    for y, row, lines in zip(ys, grid.rows, labels, strict=True):
        texts.append(_Text(label_px / 2, y + cell_px / 2, lines))
        for x, content in zip(xs, row.cells, strict=True):
            pictures.append((x, y, _picture(content, cell_px)))
            if isinstance(content, str):
                texts.append(_Text(x + cell_px / 2, y + cell_px / 2, _wrap(content, cell_px)))

    width, height = xs[-1] + cell_px + GAP_PX, title_px + len(ys) * (cell_px + GAP_PX)
    return _Layout(width, height, pictures, texts)


def _cell_px(grid: Grid) -> int:
    """The smallest whole multiple of the largest frame that is not below `CELL_PX`."""
    frames = [cell for row in grid.rows for cell in row.cells if isinstance(cell, Image.Image)]
    frame_px = max(max(frame.size) for frame in frames)
    return frame_px * -(-CELL_PX // frame_px)


def _picture(content: Image.Image | str, cell_px: int) -> Image.Image:
    """A frame enlarged to its cell; a grey square in place of a missing one."""
    if isinstance(content, str):
        return Image.new("RGB", (cell_px, cell_px), MISSING)

    factor = cell_px // max(content.size)
    size = (content.width * factor, content.height * factor)
    return content.resize(size, Image.Resampling.NEAREST)


def _wrap(text: str, width_px: int) -> list[str]:
    """Lines no wider than `width_px`, broken inside words only where a word alone is too wide."""
    flat = drawable(text)

    for letters in range(len(flat), 1, -1):
        lines = textwrap.wrap(flat, letters)
        if _widest([lines]) <= width_px:
            return lines

    return [flat]


def _widest(texts: Sequence[Sequence[str]]) -> int:
    """The width in pixels of the widest line."""
    return max(_width_px(line) for lines in texts for line in lines)


def _width_px(text: str) -> int:
    return round(ImageFont.truetype(FONT, FONT_PX).getlength(text))
