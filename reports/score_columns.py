"""The columns of a table of scores: which metrics it holds, and what a reader must know of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.preferred import TABLE1, decimals, stand_ins
from reports.results import Results, known_metric
from reports.table import Column
from thbench.records.scores import USER, Metric


def score_columns(runs: Sequence[Results], wanted: Sequence[str]) -> list[Metric]:
    """The metrics named in `wanted` ("user" is the study's), or those that suit the runs.

    These are FID, SSIM, CSIM, the stand-ins that the runs hold, and USER; where other videos drive,
    or none of the paper's metrics was measured, what was. Raises `ThbenchError` for a metric that
    no run holds.
    """
    described = {name: metric for run in runs for name, metric in run.metrics.items()}
    everything = {**{name: _unknown(name) for name in TABLE1}, **described, USER.name: USER}

    if wanted:
        names = [name if name == USER.name else known_metric(runs, name) for name in wanted]
    elif all(run.is_cross for run in runs):
        names = _of_driven_heads(runs, described)
    else:
        names = [*_of_table1(runs, described), USER.name]

    return [everything[name] for name in names]


def score_column(metric: Metric) -> Column:
    """The column of a metric, with its notes."""
    notes = []
    if metric.stand_in:
        notes.append(
            f"{metric.label} is a stand-in, not to be compared with other papers' figures; "
            f"network: {metric.network or 'none'}."
        )
    elif metric.network:
        notes.append(f"{metric.label} features: {metric.network}.")

    is_user = metric.name == USER.name
    if is_user:
        notes.append(f"USER: {metric.description}; a dash where no study was made.")

    return Column(
        metric.name,
        metric.heading,
        metric.higher_is_better,
        decimals(metric.name),
        notes=tuple(notes),
        empty="USER: no study was made." if is_user else "",
    )


def _of_driven_heads(runs: Sequence[Results], described: Mapping[str, Metric]) -> list[str]:
    return [
        name
        for name, metric in described.items()
        if not metric.stand_in or _is_computed(runs, name)
    ]


def _of_table1(runs: Sequence[Results], described: Mapping[str, Metric]) -> list[str]:
    computed = [name for name in described if _is_computed(runs, name)]
    paper = [*TABLE1, *(name for name in stand_ins(described) if name in computed)]
    return paper if set(paper) & set(computed) else computed or paper


def _is_computed(runs: Sequence[Results], metric: str) -> bool:
    return any(row.score(metric).value is not None for run in runs for row in run.rows)


def _unknown(name: str) -> Metric:
    """A column of Table 1 that no run knows of: it stays, with dashes."""
    return Metric(
        name=name,
        label=name.upper(),
        higher_is_better=name != "fid",
        unit="",
        network="",
        stand_in=False,
        policy="",
        description="",
    )
