"""One look for every picture: colours that colour-blind readers can tell apart, one font, the same
bytes every time.
"""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from reports.latin import in_latin

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
# of Okabe and Ito
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vP*X"  # colour never carries the meaning alone
DASHES = ("-", "--", "-.", ":")
GREY = "#6b6b6b"
RIGHT_TO_LEFT = ("R", "AL")  # Hebrew and Arabic
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "thbench",
    "text.parse_math": False,
}


class Look(TypedDict):
    """How the marks of one method are drawn, by matplotlib's names."""

    color: str
    marker: str
    linestyle: str


def look(index: int) -> Look:
    """Colour, marker and line style of the index-th method; 224 differ."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
    }


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that draws without a display; build it inside `rc_context(STYLE)`."""
    figure = Figure(figsize=(width_in, height_in))
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: Figure, format: str) -> bytes:
    """The figure as "png" (200 dpi), "pdf" or "svg" bytes without dates."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[format]
    buffer = io.BytesIO()

    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=format, dpi=200, metadata=metadata)

    return buffer.getvalue()


def drawable(text: str) -> str:
    """The text on one line, with what cannot be drawn in Latin letters: "方法" becomes "FangFa".

    That is what the font lacks, and what is written from right to left: nothing here would order or
    join its letters.
    """
    flat = " ".join(text.split())
    return "".join(letter if _is_drawable(letter) else in_latin(letter) for letter in flat)


def _is_drawable(letter: str) -> bool:
    is_known = ord(letter) in _characters()
    return is_known and unicodedata.bidirectional(letter) not in RIGHT_TO_LEFT


@cache
def _characters() -> frozenset[int]:
    return frozenset(FT2Font(str(FONT)).get_charmap())
