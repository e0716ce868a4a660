"""The audit as a matrix: a row per metric, a column per defect."""

from __future__ import annotations

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from reports.style import COLOURS, STYLE, drawable, new_figure
from thbench.records.audit import PartRecord, ReactionRecord

SEES = ("#08519c", "#4292c6", "#9ecae1", "#deebf7")  # from the weakest strength on, the next ...
REWARDS, UNCLEAR, BLIND = COLOURS[1], "#d9d9d9", "white"
_CELL_IN = (0.86, 0.32)


def audit_figure(part: PartRecord) -> Figure:
    """What each metric sees of each defect, and from which strength on."""
    metrics, defects = list(part.metrics), list(part.defects)
    width, height = len(defects) * _CELL_IN[0], len(metrics) * _CELL_IN[1]

    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = new_figure(width + 2.6, height + 1.6)
        axes = figure.subplots()
        for row, metric in enumerate(metrics):
            for column, defect in enumerate(defects):
                found = part.reaction(metric, defect)
                colour = _colour(found, part.defects[defect].strengths)
                axes.barh(row, 1, left=column, height=1, color=colour, edgecolor="#bbbbbb")
                dark = colour in SEES[:2] or colour == REWARDS
                axes.text(
                    column + 0.5,
                    row,
                    cell_text(found),
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    color="white" if dark else "black",
                )

        axes.set_xlim(0, len(defects))
        axes.set_ylim(len(metrics) - 0.5, -0.5)
        axes.set_xticks([column + 0.5 for column in range(len(defects))], _heads(part), fontsize=7)
        axes.xaxis.tick_top()
        labels = [drawable(part.metrics[name].label) for name in metrics]
        axes.set_yticks(range(len(metrics)), labels, fontsize=8)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        figure.legend(
            handles=_legend(), loc="outside lower center", ncols=5, fontsize=7, handlelength=1.2
        )
    return figure


def cell_text(found: ReactionRecord) -> str:
    """The smallest strength that is seen, or why none is; "~" where a reaction is not monotone."""
    if found.verdict == "blind":
        return "blind"
    if found.verdict == "unclear":
        return "?"
    if found.verdict == "rewards":
        return "rewards"
    mark = "" if found.monotone else " ~"
    if found.smallest is None:
        return f"sees{mark}"
    return f"{'≤ ' if found.at_most else ''}{found.smallest:.2g}{mark}"


def _colour(found: ReactionRecord, strengths: list[float]) -> str:
    if found.verdict == "rewards":
        return REWARDS
    if found.verdict == "unclear":
        return UNCLEAR
    if found.verdict == "blind" or found.smallest is None:
        return BLIND
    weaker = sum(strength < found.smallest for strength in strengths)
    return SEES[min(weaker, len(SEES) - 1)]


def _heads(part: PartRecord) -> list[str]:
    return [f"{defect.label}\n{defect.unit}" for defect in part.defects.values()]


def _legend() -> list[Patch]:
    named = {
        "seen at the weakest strength": SEES[0],
        "seen at the strongest alone": SEES[3],
        "not seen": BLIND,
        "taken for better": REWARDS,
        "too few videos to say": UNCLEAR,
    }
    return [
        Patch(facecolor=colour, edgecolor="#bbbbbb", label=name) for name, colour in named.items()
    ]
