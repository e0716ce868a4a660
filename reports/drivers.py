"""Puppeteering: which driving videos suit a head, ranked by a metric of the frames that they drove
(section 4).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from reports.results import Results, known_metric
from thbench.errors import ThbenchError
from thbench.records.video_key import video_keys
from thbench.runs import REAL

Format = Literal["text", "csv"]
HEAD = ["method", "T", "source"]  # whose drivers are ranked against each other
CHOOSE_METRIC = "(--by of `report drivers`, --metric of `report figure`)"


@dataclass(frozen=True)
class Ranking:
    """The drivers of one source at one T, by method, the best first."""

    source: str
    T: int
    metric: str
    by_method: Mapping[str, Sequence[RankedDriver]]


@dataclass(frozen=True)
class RankedDriver:
    """A driving video: n of the n_frames that it drove have a score; value is None for n = 0."""

    driver: str
    value: float | None
    n: int
    n_frames: int


def drivers_text(path: Path, by: str = "", top: int | None = None, format: Format = "text") -> str:
    """The ranked drivers of every head of a cross-reenactment run, best first, at most `top` of
    each.

    Raises `ThbenchError` for a run of another kind, and where the metric was not computed.
    """
    results = Results.open(path)
    ranked = rank_drivers(results, by)
    chosen = ranked if top is None else ranked[ranked["rank"] <= top]

    if format == "csv":
        return _csv(chosen)
    return _text(chosen, results.metrics[ranked.attrs["metric"]].label)


def rankings(results: Results, top: int) -> list[Ranking]:
    """The `top` drivers of every source at the largest T; empty where nothing ranks them."""
    metric = results.record.protocol.rank_by
    if not results.is_cross or metric not in _per_frame(results):
        return []

    T = results.shots[-1]
    ranked = rank_drivers(results, metric)
    ranked = ranked[(ranked["T"] == T) & (ranked["rank"] <= top)]

    return [
        Ranking(str(source), T, metric, _by_method(table))
        for source, table in ranked.groupby("source", sort=False)
    ]


def rank_drivers(results: Results, by: str = "") -> pd.DataFrame:
    """One row per (method, T, source, driver): the mean over the driver's frames, and its rank
    among the source's.

    by: a per-frame metric, by default the one that the protocol names; failures count by its
    policy. Columns method, T, source, driver, value, n (frames that count), n_frames (that it
    drove), rank from 1. Drivers with frames that do not count come after all others; failed units
    are left out.
    """
    metric = _metric(results, by)
    frames = results.frames
    frames = frames[(frames["method"] != REAL) & (frames["error"] == "")]

    table = frames.assign(source=video_keys(frames))
    if results.metrics[metric].policy == "score-zero":
        table = table.assign(**{metric: table[metric].fillna(0)})

    by_driver = table.groupby([*HEAD, "driver"], sort=False)[metric]
    means = by_driver.agg(value="mean", n="count", n_frames="size").reset_index()

    # One that lost frames is judged by those that went well, so it comes after all others.
    sign = -1 if results.metrics[metric].higher_is_better else 1
    means = means.assign(lost=means["n"] < means["n_frames"], cost=sign * means["value"])
    means = means.sort_values([*HEAD, "lost", "cost"], kind="stable", ignore_index=True)

    means["rank"] = means.groupby(HEAD, sort=False).cumcount() + 1
    means = means.drop(columns=["lost", "cost"])
    means.attrs["metric"] = metric
    return means


def _metric(results: Results, by: str) -> str:
    """The metric to rank by; raises `ThbenchError` where the run cannot be ranked by it."""
    protocol = results.record.protocol
    if not results.is_cross:
        raise ThbenchError(
            f"{results.path} is a {protocol.kind} run; drivers belong to protocols like "
            "puppeteering"
        )

    wanted = by or protocol.rank_by
    if not wanted:
        raise ThbenchError(
            "the protocol names no metric that ranks drivers; name one of "
            f"{', '.join(_per_frame(results))} {CHOOSE_METRIC}"
        )

    metric = known_metric([results], wanted)
    made = results.frames[results.frames["method"] != REAL]
    if metric not in made or made[metric].isna().all():
        reasons = sorted({reason for row in results.rows if (reason := row.score(metric).reason)})
        told = "".join(f" ({reason})" for reason in reasons)
        raise ThbenchError(
            f"{metric} was not computed{told}; rank by {', '.join(_per_frame(results))} "
            f"{CHOOSE_METRIC}"
        )
    return metric


def _per_frame(results: Results) -> list[str]:
    """The metrics that were scored frame by frame."""
    frames = results.frames
    return [name for name in results.metrics if name in frames and frames[name].notna().any()]


def _by_method(table: pd.DataFrame) -> dict[str, list[RankedDriver]]:
    return {
        str(method): [_ranked_driver(row) for _, row in mine.iterrows()]
        for method, mine in table.groupby("method", sort=False)
    }


def _ranked_driver(row: pd.Series[Any]) -> RankedDriver:
    value = None if pd.isna(row["value"]) else float(row["value"])
    return RankedDriver(row["driver"], value, int(row["n"]), int(row["n_frames"]))


def _text(ranked: pd.DataFrame, label: str) -> str:
    lines = []

    for (method, T, source), group in ranked.groupby(HEAD, sort=False):
        lines.append(f"{source}, {method}, T = {T}: drivers by {label}")
        lines += [
            f"  {row['rank']:>3}  {row['value']:.3f}  {row['driver']} ({_frames_text(row)})"
            for _, row in group.iterrows()
        ]

    return "\n".join(lines) + "\n"


def _frames_text(row: pd.Series[Any]) -> str:
    counted, driven = row["n"], row["n_frames"]
    return f"{driven} frames" if counted == driven else f"{counted} of {driven} frames"


def _csv(ranked: pd.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*HEAD, "rank", "driver", ranked.attrs["metric"], "n"])

    columns = [*HEAD, "rank", "driver", "value", "n"]
    writer.writerows([row[column] for column in columns] for _, row in ranked.iterrows())
    return out.getvalue()
