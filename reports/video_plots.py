"""Plots by video: how scores spread over the test videos, and differences paired by video."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reports.plot import (
    Plot,
    axis_label,
    dot_intervals,
    name_lines,
    panels_by_shots,
    plotted_name,
    rough_note,
)
from reports.results import Results
from reports.sections import in_paper_order
from reports.style import drawable, look
from thbench.records.scores import Difference, Metric
from thbench.runs import slug

BETTER = {True: "right of 0: better than it", False: "left of 0: better than it", None: ""}


def spread_over_videos(results: Results, metric: Metric) -> Plot | None:
    """One dot per video (mean over its hold-out frames) and the median, by method and T; None for
    set metrics.
    """
    table = results.per_video(metric.name)
    if table.empty:
        return None

    labels = in_paper_order(results)
    figure, panels = panels_by_shots(results.shots, len(labels), margin_in=1.1)
    rng = np.random.default_rng(0)

    for panel, T in zip(panels, results.shots, strict=True):
        for line, label in enumerate(labels):
            values = table[(table["method"] == label) & (table["T"] == T)]["value"].to_numpy()
            _draw_videos(panel, line, values, rng)
        panel.set_xlabel(axis_label(metric))

    name_lines(panels, [plotted_name(results, label) for label in labels])
    return Plot(
        name=f"by-video-{slug(metric.name)}",
        metric=metric.label,
        title=f"{metric.label} of each video",
        text=f"Mean {metric.label} of every test video by method and T; the bar is the median "
        "video.",
        figure=figure,
    )


def paired_differences(results: Results, metric: Metric) -> Plot | None:
    """Forest plot of every method minus the last one (ours, if it is there), paired by video; None
    without any.
    """
    *others, reference = in_paper_order(results)
    found = {
        (difference.T, label): difference.seen_from(label)
        for difference in results.differences
        for label in others
        if difference.metric == metric.name and {difference.a, difference.b} == {label, reference}
    }
    if not found:
        return None

    shots = sorted({T for T, _ in found})
    figure, panels = panels_by_shots(shots, len(others), margin_in=1.3)

    for panel, T in zip(panels, shots, strict=True):
        panel.axvline(0, color="black", linewidth=0.8)
        for line, label in enumerate(others):
            if (T, label) in found:
                _draw_difference(panel, line, found[T, label])
        panel.set_xlabel(f"difference in {drawable(metric.label)}")

    name_lines(panels, [plotted_name(results, label) for label in others])
    name = plotted_name(results, reference)
    return Plot(
        name=f"differences-{slug(metric.name)}",
        metric=metric.label,
        title=f"{metric.label}: difference from {name}",
        text=f"Each method minus {name}, paired by video, 95 % intervals; "
        f"{BETTER[metric.higher_is_better]}. Filled: significant after Holm's correction, over "
        f"enough and all videos.{rough_note(results)}",
        figure=figure,
    )


def _draw_videos(
    panel: Axes, line: int, values: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """A dot per video, moved up or down by chance so that few hide each other."""
    panel.plot(
        values,
        line + rng.uniform(-0.18, 0.18, len(values)),
        linestyle="",
        marker="o",
        markersize=3,
        alpha=0.55,
        markeredgewidth=0,
        color=look(line)["color"],
    )
    if len(values):
        median = np.median(values)
        panel.plot(median, line, marker="|", markersize=13, markeredgewidth=2, color="black")


def _draw_difference(panel: Axes, line: int, difference: Difference) -> None:
    colour, value = look(0)["color"], difference.value
    low, high = difference.ci95 or (value, value)
    drawn = panel.errorbar(
        [value],
        [line],
        xerr=[[value - low], [high - value]],
        capsize=3,
        marker="o",
        color=colour,
        markerfacecolor=colour if difference.is_significant else "white",
    )
    if difference.coverage.is_few:
        dot_intervals(drawn)
