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
from thbench.runs import REAL

Format = Literal["text", "csv"]


def drivers_text(path: Path, by: str = "", top: int | None = None, format: Format = "text") -> str:
    """The ranked drivers of every head of a cross-reenactment run, best first, at most `top` of
    each.

    Raises `ThbenchError` for a run of another kind, and where the metric was not computed.
    """
    results = Results.open(path)
    ranked = rank_drivers(results, by)
    chosen = ranked if top is None else ranked[ranked["rank"] <= top]
    return (
        _csv(chosen)
        if format == "csv"
        else _text(chosen, results.metrics[ranked.attrs["metric"]].label)
    )


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


def rankings(results: Results, top: int) -> list[Ranking]:
    """The `top` drivers of every source at the largest T; empty where nothing ranks them."""
    metric = results.info["protocol"]["definition"].get("rank_by", "")
    if not results.is_cross or metric not in _per_frame(results):
        return []
    ranked = rank_drivers(results, metric)
    ranked = ranked[(ranked["T"] == results.shots[-1]) & (ranked["rank"] <= top)]

    found = []
    for source, table in ranked.groupby("source", sort=False):
        by_method = {
            str(method): [_ranked_driver(row) for _, row in mine.iterrows()]
            for method, mine in table.groupby("method", sort=False)
        }
        found.append(Ranking(str(source), results.shots[-1], metric, by_method))
    return found


def _ranked_driver(row: pd.Series[Any]) -> RankedDriver:
    value = None if pd.isna(row["value"]) else float(row["value"])
    return RankedDriver(row["driver"], value, int(row["n"]), int(row["n_frames"]))


def rank_drivers(results: Results, by: str = "") -> pd.DataFrame:
    """One row per (method, T, source, driver): the mean over the driver's frames, and its rank
    among the source's.

    by: a per-frame metric, by default the one that the protocol names; failures count by its
    policy. Columns method, T, source, driver, value, n (frames that count), n_frames (that it
    drove), rank from 1. Drivers with frames that do not count come after all others; failed units
    are left out.
    """
    if not results.is_cross:
        raise ThbenchError(
            f"{results.path} is a {results.info['protocol']['kind']} run; drivers belong to protocols "
            "like puppeteering"
        )
    wanted = by or results.info["protocol"]["definition"].get("rank_by", "")
    if not wanted:
        raise ThbenchError(
            "the protocol names no metric that ranks drivers; name one of "
            f"{', '.join(_per_frame(results))} (--by of `report drivers`, --metric of `report figure`)"
        )
    metric = known_metric([results], wanted)
    frames = results.frames[results.frames["method"] != REAL]
    if metric not in frames or frames[metric].isna().all():
        reasons = {row.scores[metric].reason for row in results.rows if row.scores[metric].reason}
        raise ThbenchError(
            f"{metric} was not computed{''.join(f' ({reason})' for reason in sorted(reasons))}; rank by "
            f"{', '.join(_per_frame(results))} (--by of `report drivers`, --metric of `report figure`)"
        )
    table = frames[frames["error"] == ""].assign(source=frames["person"] + "/" + frames["video"])
    if results.metrics[metric].policy == "score-zero":
        table = table.assign(**{metric: table[metric].fillna(0)})
    by_driver = table.groupby(["method", "T", "source", "driver"], sort=False)[metric]
    means = by_driver.agg(value="mean", n="count", n_frames="size").reset_index()

    # One that lost frames is judged by those that went well, so it comes after all others.
    sign = -1 if results.metrics[metric].higher_is_better else 1
    means = means.assign(lost=means["n"] < means["n_frames"], cost=sign * means["value"])
    means = means.sort_values(
        ["method", "T", "source", "lost", "cost"], kind="stable", ignore_index=True
    )
    means["rank"] = means.groupby(["method", "T", "source"], sort=False).cumcount() + 1
    means = means.drop(columns=["lost", "cost"])
    means.attrs["metric"] = metric
    return means


def _per_frame(results: Results) -> list[str]:
    """The metrics that were scored frame by frame."""
    return [
        name
        for name in results.metrics
        if name in results.frames and results.frames[name].notna().any()
    ]


def _text(ranked: pd.DataFrame, label: str) -> str:
    lines = []
    for (method, T, source), group in ranked.groupby(["method", "T", "source"], sort=False):
        lines.append(f"{source}, {method}, T = {T}: drivers by {label}")
        lines += [
            f"  {row['rank']:>3}  {row['value']:.3f}  {row['driver']} ({_frames_text(row)})"
            for _, row in group.iterrows()
        ]
    return "\n".join(lines) + "\n"


def _frames_text(row: pd.Series[Any]) -> str:
    return (
        f"{row['n']} frames"
        if row["n"] == row["n_frames"]
        else f"{row['n']} of {row['n_frames']} frames"
    )


def _csv(ranked: pd.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "T", "source", "rank", "driver", ranked.attrs["metric"], "n"])
    writer.writerows(
        [row["method"], row["T"], row["source"], row["rank"], row["driver"], row["value"], row["n"]]
        for _, row in ranked.iterrows()
    )
    return out.getvalue()
