"""Puppeteering: which driving videos suit a head, ranked by a metric of the frames that they drove (section 4)."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import pandas as pd

from reports.results import Results, known_metric
from thbench.errors import ThbenchError
from thbench.runs import REAL

Format = Literal["text", "csv"]


def drivers_text(path: Path, by: str = "", top: int | None = None, format: Format = "text") -> str:
    """The ranked drivers of every head of a cross-reenactment run, best first, at most `top` of each.

    Raises `ThbenchError` for a run of another kind, and where the metric was not computed.
    """
    results = Results.open(path)
    ranked = rank_drivers(results, by)
    chosen = ranked if top is None else ranked[ranked["rank"] <= top]
    return _csv(chosen) if format == "csv" else _text(chosen, results.metrics[ranked.attrs["metric"]].label)


def rank_drivers(results: Results, by: str = "") -> pd.DataFrame:
    """One row per (method, T, source, driver): the mean over the driver's frames, and its rank among the source's.

    by: a per-frame metric, by default the one that the protocol names; failures count by its policy. Columns method,
    T, source, driver, value, n (frames that count), rank from 1. Failed units are left out.
    """
    if not results.is_cross:
        raise ThbenchError(f"{results.path} is a {results.info['protocol']['kind']} run; drivers belong to protocols "
                           "like puppeteering")
    wanted = by or results.info["protocol"]["definition"].get("rank_by", "")
    if not wanted:
        raise ThbenchError("the protocol names no metric that ranks drivers; name one of "
                           f"{', '.join(_per_frame(results))} (--by of `report drivers`, --metric of `report figure`)")
    metric = known_metric([results], wanted)
    frames = results.frames[results.frames["method"] != REAL]
    if metric not in frames or frames[metric].isna().all():
        reasons = {row.scores[metric].reason for row in results.rows if row.scores[metric].reason}
        raise ThbenchError(f"{metric} was not computed{''.join(f' ({reason})' for reason in sorted(reasons))}; rank by "
                           f"{', '.join(_per_frame(results))} (--by of `report drivers`, --metric of `report figure`)")
    table = frames[frames["error"] == ""].assign(source=frames["person"] + "/" + frames["video"])
    if results.metrics[metric].policy == "score-zero":
        table = table.assign(**{metric: table[metric].fillna(0)})
    means = table.groupby(["method", "T", "source", "driver"], sort=False)[metric].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"mean": "value", "count": "n"})
    means["rank"] = means.groupby(["method", "T", "source"], sort=False)["value"].rank(
        method="first", ascending=not results.metrics[metric].higher_is_better, na_option="bottom").astype(int)
    means = means.sort_values(["method", "T", "source", "rank"], kind="stable").reset_index(drop=True)
    means.attrs["metric"] = metric
    return means


def _per_frame(results: Results) -> list[str]:
    """The metrics that were scored frame by frame."""
    return [name for name in results.metrics if name in results.frames and results.frames[name].notna().any()]


def _text(ranked: pd.DataFrame, label: str) -> str:
    lines = []
    for (method, T, source), group in ranked.groupby(["method", "T", "source"], sort=False):
        lines.append(f"{source}, {method}, T = {T}: drivers by {label}")
        lines += [f"  {row['rank']:>3}  {row['value']:.3f}  {row['driver']} ({row['n']} frames)"
                  for _, row in group.iterrows()]
    return "\n".join(lines) + "\n"


def _csv(ranked: pd.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", "T", "source", "rank", "driver", ranked.attrs["metric"], "n"])
    writer.writerows([row["method"], row["T"], row["source"], row["rank"], row["driver"], row["value"], row["n"]]
                     for _, row in ranked.iterrows())
    return out.getvalue()
