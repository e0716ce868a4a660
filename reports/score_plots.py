"""Plots of a metric's scores: by the number of shots, and by the time of few-shot learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from reports.plot import Plot, add_legend, axis_label, dot_intervals, plotted_name, rough_note
from reports.ranges import range_of
from reports.results import Results
from reports.sections import in_paper_order
from reports.style import GREY, look, new_figure
from thbench.records.scores import Metric, Score
from thbench.records.timing import TimeRecord
from thbench.runs import slug

SIZE_IN = (5.2, 3.4)
DODGE = 0.09  # of a doubling of T, between neighbours: points at one T do not hide each other
CAP_ROOM = 0.02  # of the axis, for the caps of intervals at the end of a metric's range


def score_by_shots(results: Results, metric: Metric) -> Plot:
    """The metric against T: a line per method with 95 % intervals, real-vs-real dotted."""
    figure = new_figure(*SIZE_IN)
    axes = figure.subplots()

    for index, label in enumerate(in_paper_order(results)):
        scores = _scores(results, label, metric)
        dodge = _dodge(index, len(results.methods))
        _draw(axes, [(T * dodge, score) for T, score in scores.items()], results, label, index)

    axes.set_xscale("log", base=2)
    axes.set_xticks(results.shots, [str(T) for T in results.shots])
    axes.minorticks_off()
    axes.set(xlabel="shots T", ylabel=axis_label(metric))

    floor = None if results.floor is None else results.floor.score(metric.name).value
    if floor is not None:
        axes.axhline(floor, color=GREY, linestyle=(0, (1, 2)), label="real vs real")

    _keep_in_range(axes, metric)
    add_legend(figure, axes)
    return Plot(
        name=f"by-shots-{slug(metric.name)}",
        metric=metric.label,
        title=f"{metric.label} by number of shots",
        text=f"{metric.label} of each method against T, with 95 % intervals over videos."
        + _marks(results, metric),
        figure=figure,
    )


def score_by_time(results: Results, metric: Metric, times: Sequence[TimeRecord]) -> Plot | None:
    """The metric against the median time of few-shot learning (the trade-off of A.1); None when
    nothing was timed.
    """
    time_s = {
        (time.method, time.T): time.median_s
        for time in times
        if time.phase == "few-shot" and time.method in results.methods
    }
    if not time_s:
        return None

    figure = new_figure(*SIZE_IN)
    axes = figure.subplots()

    for index, label in enumerate(in_paper_order(results)):
        scores = _scores(results, label, metric)
        timed = {T: score for T, score in scores.items() if (label, T) in time_s}
        points = [(time_s[label, T], score) for T, score in timed.items()]
        _draw(axes, points, results, label, index)
        for T, score in timed.items():
            _annotate(axes, f"T={T}", time_s[label, T], score)

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.12)
    axes.set(xlabel="few-shot learning, s (log)", ylabel=axis_label(metric))

    _keep_in_range(axes, metric)
    add_legend(figure, axes)
    return Plot(
        name=f"by-time-{slug(metric.name)}",
        metric=metric.label,
        title=f"{metric.label} against few-shot learning time",
        text=f"{metric.label} of each method against the median seconds of few-shot learning, one "
        f"point per T.{_marks(results, metric)}",
        figure=figure,
    )


def _scores(results: Results, label: str, metric: Metric) -> dict[int, Score]:
    """T -> the computed scores of one method."""
    rows = [row for T in results.shots if (row := results.row(label, T))]
    scores = {row.T: row.score(metric.name) for row in rows}
    return {T: score for T, score in scores.items() if score.value is not None}


def _dodge(index: int, n_methods: int) -> float:
    """The factor by which a method's points are moved along the logarithmic axis of T."""
    steps = index - (n_methods - 1) / 2
    crowding = max(1, n_methods / 4)
    return float(2 ** (DODGE * steps / crowding))


def _draw(
    axes: Axes, points: Sequence[tuple[float, Score]], results: Results, label: str, index: int
) -> None:
    """A line through scores at their places on the x axis, with intervals that need not be
    symmetric. Scores that miss planned videos are hollow.
    """
    x = [place for place, _ in points]
    scores = [score for _, score in points]
    values = np.array([score.value for score in scores], dtype=float)
    ends = [score.ci95 or (score.value, score.value) for score in scores]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    errors = np.clip([values - low, high - values], 0, None)

    name = plotted_name(results, label)
    drawn = axes.errorbar(x, values, yerr=errors, capsize=2, label=name, **look(index))
    if any(score.is_rough for score in scores):
        dot_intervals(drawn)

    partial = [number for number, score in enumerate(scores) if score.is_partial]
    style = look(index)
    axes.plot(
        [x[number] for number in partial],
        values[partial],
        linestyle="",
        marker=style["marker"],
        color=style["color"],
        markerfacecolor="white",
    )


def _annotate(axes: Axes, text: str, time_s: float, score: Score) -> None:
    axes.annotate(
        text,
        (time_s, score.value or 0.0),
        xytext=(5, -9),
        textcoords="offset points",
        fontsize=7,
        color=GREY,
    )


def _keep_in_range(axes: Axes, metric: Metric) -> None:
    """Ends the axis where the metric's range ends."""
    low, high = range_of(metric.name)
    bottom, top = axes.get_ylim()
    room = CAP_ROOM * (min(top, high) - max(bottom, low))
    axes.set_ylim(max(bottom, low - room), min(top, high + room))


def _marks(results: Results, metric: Metric) -> str:
    """What the marks in a plot of scores mean, where there are any."""
    scores = [row.score(metric.name) for row in results.rows if row.T]
    has_partial = any(score.value is not None and score.is_partial for score in scores)
    hollow = " Hollow: not over all planned videos, not comparable." if has_partial else ""
    return hollow + rough_note(results)
