"""The curves of a training: a line of medians with the range around it, thinned for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from reports.style import COLOURS, GREY, new_figure
from reports.training.log import TrainingLog
from reports.training.words import GROUPS, QUALITY, Group, Panel

POINTS = 240  # of a line at most; each stands for equally many steps
OTHERS = 15  # processes beside the first that are drawn
_COLUMNS = 3


def panels(log: TrainingLog, group: Group) -> list[Panel]:
    """The panels of a group that the training has values for, further names last."""
    there = {*log.names(), *(name for name in ("waiting", "took_s") if any(log.values(name)))}
    named = {name for known in GROUPS for panel in known.panels for name in panel.names}
    found = [panel for panel in group.panels if there & {*panel.names}]

    if group.rest is None:
        return found
    rest = [name for name in log.names() if name not in named and _prefix(name) == group.rest]
    return found + [Panel(name.removeprefix(group.rest), "", [name]) for name in rest]


def other_panels(log: TrainingLog) -> list[Panel]:
    """A panel for each name that no group knows."""
    prefixes = {group.rest for group in GROUPS}
    return [Panel(name, "", [name]) for name in log.names() if _prefix(name) not in prefixes]


def panel_figure(log: TrainingLog, panel: Panel) -> Figure:
    """One panel; build it inside `rc_context(STYLE)`."""
    figure = new_figure(4.4, 2.3)
    _draw(figure.subplots(), log, panel)
    return figure


def overview(log: TrainingLog) -> Figure:
    """All panels in one picture; build it inside `rc_context(STYLE)`."""
    shown = [panel for group in GROUPS for panel in panels(log, group)] + other_panels(log)
    rows = -(-len(shown) // _COLUMNS)
    figure = new_figure(4 * _COLUMNS, 2.1 * rows)

    grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, panel in zip(grid, shown, strict=False):
        _draw(axes, log, panel)
        axes.set_title(panel.title, fontsize=9)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    return figure


def _prefix(name: str) -> str:
    """ "embedding/mean" -> "embedding/"; "" for a loss."""
    before, slash, _ = name.partition("/")
    return before + slash if slash else ""


def _draw(axes: Axes, log: TrainingLog, panel: Panel) -> None:
    shown = [name for name in panel.names if log.values(name)[0]]
    for index, name in enumerate(shown):
        first, *others = log.values(name)
        for other in others[:OTHERS]:
            axes.plot(*_line(other)[:2], color=GREY, linewidth=0.5, alpha=0.5)
        _draw_line(axes, first, COLOURS[index], name.rpartition("/")[2])

    for step in {alarm.step for alarm in log.alarms}:
        axes.axvline(step, color=COLOURS[1], linewidth=0.8, linestyle=":")
    if panel.log and all(value > 0 for name in shown for _, value in log.values(name)[0]):
        _make_logarithmic(axes)
    if len(shown) > 1:
        axes.legend(fontsize=7, loc="best")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.02)


def _make_logarithmic(axes: Axes) -> None:
    """Plain numbers at the ticks: Matplotlib's own are formulas, which our style does not parse."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_line(axes: Axes, values: Sequence[tuple[int, float]], colour: str, label: str) -> None:
    steps, middle, low, high = _line(values)
    few = len(values) <= 40
    axes.plot(
        steps, middle, color=colour, linewidth=1.2, label=label, marker="o" if few else None, ms=3
    )
    if len(steps) < len(values):
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)

    if label == QUALITY.rpartition("/")[2]:
        best = max(values, key=lambda value: value[1])
        axes.plot(*best, marker="*", color=COLOURS[1], markersize=9, linestyle="")


def _line(values: Sequence[tuple[int, float]]) -> tuple[list[float], ...]:
    """Steps, medians, tenth and ninetieth percentiles of `POINTS` parts of the steps."""
    if not values:
        return [], [], [], []
    parts = np.array_split(np.array(values), min(POINTS, len(values)))
    return (
        [float(part[:, 0].mean()) for part in parts],
        *([float(np.percentile(part[:, 1], at)) for part in parts] for at in (50, 10, 90)),
    )
