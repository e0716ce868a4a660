"""Plots of one run: scores against T and against time, spread over videos, agreement of metrics,
paired differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from reports.published import display_name
from reports.ranges import range_of
from reports.results import USER, Difference, Metric, Results, Score, Time, known_metric
from reports.sections import in_paper_order
from reports.style import GREY, STYLE, drawable, look, new_figure, rendered
from thbench.files import atomic_path
from thbench.metrics.coverage import FEW_VIDEOS, videos
from thbench.runs import slug

FORMATS = ("png", "pdf", "svg")
HEADLINE = ("fid", "ssim", "csim", "csim-dlib", "csim-heads", "fd-heads")


@dataclass(frozen=True)
class Plot:
    """A drawn plot. name is a file name without suffix; text says in words what the picture shows."""

    name: str
    metric: str
    title: str
    text: str
    figure: Figure


def write_plots(
    path: Path, output: Path, metrics: Sequence[str] = (), times: Path | None = None
) -> list[Path]:
    """Writes every plot that the run holds the data for into the folder `output`, in `FORMATS`;
    returns the files.

    times is the timing run of the same methods, when the run itself was not timed. Raises
    `ThbenchError` for unscored runs and unknown metrics.
    """
    files = []
    results = Results.open(path)
    for plot in plots(results, metrics, Results.open(times).times if times else results.times):
        for format in FORMATS:
            file = output / f"{plot.name}.{format}"
            with atomic_path(file) as temporary:
                temporary.write_bytes(rendered(plot.figure, format))
            files.append(file)
    return files


def plots(
    results: Results, metrics: Sequence[str] = (), times: Sequence[Time] = ()
) -> Iterator[Plot]:
    """All plots of a run, for the given metrics or for FID, SSIM, CSIM and their stand-ins."""
    wanted = [
        known_metric([results], name)
        for name in metrics or HEADLINE
        if metrics or name in results.metrics
    ]
    computed = [
        results.metrics[name]
        for name in wanted
        if any(row.scores.get(name, Score()).value is not None for row in results.rows if row.T)
    ]
    with matplotlib.rc_context(STYLE):
        for metric in computed:
            drawn = (
                score_by_shots(results, metric),
                score_by_time(results, metric, times),
                spread_over_videos(results, metric),
                paired_differences(results, metric),
            )
            yield from (plot for plot in drawn if plot is not None)
        agreement = metric_agreement(results)
        if agreement is not None:
            yield agreement


def score_by_shots(results: Results, metric: Metric) -> Plot:
    """The metric against T, one line per method with 95 % intervals, real-vs-real as a dotted line."""
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    for index, label in enumerate(in_paper_order(results)):
        scores = _scores(results, label, metric)
        dodge = 2 ** (
            0.09 * (index - (len(results.methods) - 1) / 2) / max(1, len(results.methods) / 4)
        )
        _draw_scores(
            axes, [T * dodge for T in scores], list(scores.values()), _name(results, label), index
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(results.shots, [str(T) for T in results.shots])
    axes.minorticks_off()
    axes.set(xlabel="shots T", ylabel=_axis(metric))
    floor = results.floor.scores.get(metric.name, Score()).value if results.floor else None
    if floor is not None:
        axes.axhline(floor, color=GREY, linestyle=(0, (1, 2)), label="real vs real")
    _keep_in_range(axes, metric)
    _legend(figure, axes)
    return Plot(
        f"by-shots-{slug(metric.name)}",
        metric.label,
        f"{metric.label} by number of shots",
        f"{metric.label} of each method against T, with 95 % intervals over "
        f"videos.{_marks(results, metric)}",
        figure,
    )


def score_by_time(results: Results, metric: Metric, times: Sequence[Time]) -> Plot | None:
    """The metric against the median time of few-shot learning (the trade-off of A.1); None when
    nothing was timed.
    """
    time_s = {
        (t.method, t.T): t.median_s
        for t in times
        if t.phase == "few-shot" and t.method in results.methods
    }
    if not time_s:
        return None
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    for index, label in enumerate(in_paper_order(results)):
        scores = {
            T: score for T, score in _scores(results, label, metric).items() if (label, T) in time_s
        }
        _draw_scores(
            axes,
            [time_s[label, T] for T in scores],
            list(scores.values()),
            _name(results, label),
            index,
        )
        for T, score in scores.items():
            axes.annotate(
                f"T={T}",
                (time_s[label, T], score.value or 0.0),
                xytext=(5, -9),
                textcoords="offset points",
                fontsize=7,
                color=GREY,
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.12)
    axes.set(xlabel="few-shot learning, s (log)", ylabel=_axis(metric))
    _keep_in_range(axes, metric)
    _legend(figure, axes)
    return Plot(
        f"by-time-{slug(metric.name)}",
        metric.label,
        f"{metric.label} against few-shot learning time",
        f"{metric.label} of each method against the median seconds of few-shot learning, one point "
        f"per T.{_marks(results, metric)}",
        figure,
    )


def spread_over_videos(results: Results, metric: Metric) -> Plot | None:
    """One dot per video (mean over its hold-out frames) and the median, by method and T; None for
    set metrics.
    """
    table = results.per_video(metric.name)
    if table.empty:
        return None
    labels, shots = in_paper_order(results), results.shots
    figure = new_figure(2.6 * len(shots) + 1.2, 0.34 * len(labels) + 1.1)
    panels = figure.subplots(1, len(shots), sharex=True, sharey=True, squeeze=False)[0]
    rng = np.random.default_rng(0)
    for panel, T in zip(panels, shots, strict=True):
        for index, label in enumerate(labels):
            values = table[(table["method"] == label) & (table["T"] == T)]["value"].to_numpy()
            panel.plot(
                values,
                index + rng.uniform(-0.18, 0.18, len(values)),
                linestyle="",
                marker="o",
                markersize=3,
                alpha=0.55,
                markeredgewidth=0,
                color=look(index)["color"],
            )
            if len(values):
                panel.plot(
                    np.median(values),
                    index,
                    marker="|",
                    markersize=13,
                    markeredgewidth=2,
                    color="black",
                )
        panel.set(title=f"T = {T}", xlabel=_axis(metric))
    panels[0].set_yticks(range(len(labels)), [_name(results, label) for label in labels])
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    return Plot(
        f"by-video-{slug(metric.name)}",
        metric.label,
        f"{metric.label} of each video",
        f"Mean {metric.label} of every test video by method and T; the bar is the median video.",
        figure,
    )


def paired_differences(results: Results, metric: Metric) -> Plot | None:
    """Forest plot of every method minus the last one (ours, if it is there), paired by video; None
    without any.
    """
    *others, reference = in_paper_order(results)
    found = {
        (d.T, label): d.seen_from(label)
        for d in results.differences
        for label in others
        if d.metric == metric.name and {d.a, d.b} == {label, reference}
    }
    if not found:
        return None
    shots = sorted({T for T, _ in found})
    figure = new_figure(2.6 * len(shots) + 1.2, 0.34 * len(others) + 1.3)
    panels = figure.subplots(1, len(shots), sharex=True, sharey=True, squeeze=False)[0]
    for panel, T in zip(panels, shots, strict=True):
        panel.axvline(0, color="black", linewidth=0.8)
        for index, label in enumerate(others):
            if (T, label) not in found:
                continue
            _draw_difference(panel, index, found[T, label])
        panel.set(title=f"T = {T}", xlabel=f"difference in {drawable(metric.label)}")
    panels[0].set_yticks(range(len(others)), [_name(results, label) for label in others])
    panels[0].set_ylim(len(others) - 0.5, -0.5)
    name = _name(results, reference)
    better = {True: "right of 0: better than it", False: "left of 0: better than it", None: ""}[
        metric.higher_is_better
    ]
    return Plot(
        f"differences-{slug(metric.name)}",
        metric.label,
        f"{metric.label}: difference from {name}",
        f"Each method minus {name}, paired by video, 95 % intervals; {better}. Filled: significant after "
        f"Holm's correction, over enough and all videos.{_rough(results)}",
        figure,
    )


def metric_agreement(results: Results) -> Plot | None:
    """Spearman correlation of every two metrics over the rows (method, T), signed so that 1 is full
    agreement.

    The paper says that FID, SSIM and CSIM disagree with people: the USER row shows it where a study
    was made. None with fewer than two metrics or three rows.
    """
    table = _oriented_scores(results)
    if table.shape[0] < 3 or table.shape[1] < 2:
        return None
    correlation = table.corr(method="spearman", min_periods=3).to_numpy()
    n = len(correlation)
    figure = new_figure(1.8 + 0.55 * n, 1.3 + 0.5 * n)
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.pcolormesh(correlation, cmap="PuOr_r", vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
    for i in range(n):
        for j in range(n):
            value = float(correlation[i, j])
            axes.text(
                j + 0.5,
                i + 0.5,
                "–" if np.isnan(value) else f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if abs(value) > 0.65 else "black",
            )
    names = [drawable(name) for name in table.columns]
    axes.set_xticks(np.arange(n) + 0.5, names, rotation=45, ha="right")
    axes.set_yticks(np.arange(n) + 0.5, names)
    return Plot(
        "agreement",
        "All metrics",
        "Agreement of the metrics",
        f"Spearman correlation of the metrics over {len(table)} rows (method, T), signed so that 1 means that "
        "two metrics rank the rows alike. Few rows make it a rough guide.",
        figure,
    )


def _oriented_scores(results: Results) -> pd.DataFrame:
    """Rows (method, T), columns metric labels; larger is better in every column."""
    metrics = [metric for metric in results.metrics.values() if metric.higher_is_better is not None]
    rows = [row for row in results.rows if row.T]
    columns = {
        metric.label: [_oriented(row.scores.get(metric.name, Score()), metric) for row in rows]
        for metric in metrics
    }
    if results.study:
        columns[USER.label] = [
            _oriented(results.study.get((row.method, row.T), Score()), USER) for row in rows
        ]
    table = pd.DataFrame(columns, dtype=float)
    return table.loc[:, table.notna().sum() >= 3]


def _oriented(score: Score, metric: Metric) -> float:
    """NaN where there is no value, or one that is not over all videos and so has no rank."""
    if score.value is None or score.coverage is None or not score.coverage.is_whole:
        return float("nan")
    return score.value if metric.higher_is_better else -score.value


def _scores(results: Results, label: str, metric: Metric) -> dict[int, Score]:
    """T -> the computed scores of one method."""
    rows = [row for T in results.shots if (row := results.row(label, T))]
    return {
        row.T: score
        for row in rows
        if (score := row.scores.get(metric.name, Score())).value is not None
    }


def _draw_scores(
    axes: Axes, x: Sequence[float], scores: Sequence[Score], name: str, index: int
) -> None:
    """A line with intervals, which need not be symmetric."""
    values = np.array([score.value for score in scores], dtype=float)
    ends = np.array(
        [score.ci95 or (score.value, score.value) for score in scores], dtype=float
    ).reshape(-1, 2)
    errors = np.clip([values - ends[:, 0], ends[:, 1] - values], 0, None)
    drawn = axes.errorbar(x, values, yerr=errors, capsize=2, label=name, **look(index))
    if any(score.coverage is not None and score.coverage.is_few for score in scores):
        _dot(drawn)

    partial = [
        number
        for number, score in enumerate(scores)
        if score.coverage is not None and not score.coverage.is_whole
    ]
    style = {**look(index), "linestyle": ""}
    axes.plot([x[number] for number in partial], values[partial], markerfacecolor="white", **style)


def _draw_difference(axes: Axes, place: int, difference: Difference) -> None:
    colour, value = look(0)["color"], difference.value
    low, high = difference.ci95 or (value, value)
    drawn = axes.errorbar(
        [value],
        [place],
        xerr=[[value - low], [high - value]],
        capsize=3,
        marker="o",
        color=colour,
        markerfacecolor=colour if difference.is_significant else "white",
    )
    if difference.coverage.is_few:
        _dot(drawn)


def _dot(drawn: ErrorbarContainer) -> None:
    """Dots the intervals, which rest on few videos."""
    for bars in drawn.lines[2]:
        bars.set_linestyle(":")


def _keep_in_range(axes: Axes, metric: Metric) -> None:
    """Ends the axis where the metric's range ends."""
    low, high = range_of(metric.name)
    bottom, top = axes.get_ylim()
    room = 0.02 * (min(top, high) - max(bottom, low))  # for the caps of intervals
    axes.set_ylim(max(bottom, low - room), min(top, high + room))


def _marks(results: Results, metric: Metric) -> str:
    """What the marks in a plot of scores mean, where there are any."""
    drawn = [
        score
        for row in results.rows
        if row.T
        if (score := row.scores.get(metric.name, Score())).value is not None
    ]
    partial = any(score.coverage is not None and not score.coverage.is_whole for score in drawn)
    hollow = " Hollow: not over all planned videos, not comparable." if partial else ""
    return hollow + _rough(results)


def _rough(results: Results) -> str:
    """What dotted intervals mean, where the run has few videos."""
    n = len(results.videos)
    return f" Dotted intervals rest on {videos(n)}: a rough guide." if n < FEW_VIDEOS else ""


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside right upper", fontsize=8, ncols=1 + len(labels) // 16
    )


def _axis(metric: Metric) -> str:
    arrow = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
    return drawable(metric.heading) + arrow


def _name(results: Results, label: str) -> str:
    name = drawable(display_name(label, results.methods[label]["spec"]))
    return name if len(name) <= 28 else f"{name[:27]}…"
