"""What every plot has: a name, its picture and the picture in words, and how axes are marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from reports.results import Results
from reports.sections import method_name
from reports.style import drawable, new_figure
from thbench.records.coverage import FEW_VIDEOS, videos
from thbench.records.scores import Metric

LONGEST_NAME = 28  # characters of a method's name beside an axis
LEGEND_ROWS = 16
ARROWS = {True: " ↑", False: " ↓", None: ""}


@dataclass(frozen=True)
class Plot:
    """A drawn plot. name is a file name without suffix, metric the label it is filed under; text
    says in words what the picture shows.
    """

    name: str
    metric: str
    title: str
    text: str
    figure: Figure


def panels_by_shots(
    shots: Sequence[int], n_lines: int, margin_in: float
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with one panel per T, side by side, high enough for a line per method and
    `margin_in` inches of title and axis.
    """
    figure = new_figure(2.6 * len(shots) + 1.2, 0.34 * n_lines + margin_in)
    panels = figure.subplots(1, len(shots), sharex=True, sharey=True, squeeze=False)[0]

    for panel, T in zip(panels, shots, strict=True):
        panel.set_title(f"T = {T}")
    return figure, list(panels)


def name_lines(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """Writes the name of each line beside the first panel."""
    panels[0].set_yticks(range(len(names)), list(names))
    panels[0].set_ylim(len(names) - 0.5, -0.5)


def plotted_name(results: Results, label: str) -> str:
    """The name of a method, short enough to stand beside an axis."""
    name = drawable(method_name(results, label))
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def axis_label(metric: Metric) -> str:
    """The heading of a metric with an arrow towards better values."""
    return drawable(metric.heading) + ARROWS[metric.higher_is_better]


def add_legend(figure: Figure, axes: Axes) -> None:
    """Puts the legend above the axes, in columns where there are many methods."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 + len(labels) // LEGEND_ROWS
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, ncols=columns)


def dot_intervals(drawn: ErrorbarContainer) -> None:
    """Dots the intervals, which rest on few videos."""
    for bars in drawn.lines[2]:
        bars.set_linestyle(":")


def rough_note(results: Results) -> str:
    """What dotted intervals mean, where the run has few videos."""
    n = len(results.videos)
    return f" Dotted intervals rest on {videos(n)}: a rough guide." if n < FEW_VIDEOS else ""
