"""From one row per frame to one row per method and T: values, intervals by video, failures, paired
differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from thbench.errors import ThbenchError
from thbench.metrics.base import MetricCard
from thbench.metrics.statistics import (
    Estimate,
    PairedDifference,
    difference_from_zero,
    holm,
    paired_difference,
    video_mean,
)
from thbench.records.summary import (
    Cluster,
    DifferenceRecord,
    MetricRecord,
    RowRecord,
    ScoreRecord,
    SummaryRecord,
)
from thbench.records.video_key import video_keys
from thbench.runs import REAL

Cell = tuple[str, int]  # (method, T)
Estimates = Mapping[Cell, Mapping[str, Estimate]]
# (metric, cell, videos) -> the estimate of a set metric over those videos of the cell alone
EstimateOver = Callable[[str, Cell, Set[str]], Estimate]
FRAME_KEY = ["person", "video", "frame", "position"]


def summarise(
    frames: pd.DataFrame,
    cards: Mapping[str, MetricCard],
    set_estimates: Estimates | None = None,
    unavailable: Mapping[str, str] | None = None,
    estimate_over: EstimateOver | None = None,
    cluster: Cluster = "video",
) -> SummaryRecord:
    """The content of summary.json.

    frames: columns method, T (0 for "real"), person, video, frame, position, error ("" when the
    unit succeeded) and a float64 column per frame metric, NaN where it failed. set_estimates: cell
    -> metric -> estimate for FID and KID. unavailable: metric -> why it was not computed.
    estimate_over: asked for set estimates over the videos that two methods have in common, where
    some unit of one failed; without it such a difference is empty, with its reason. cluster: what
    standard errors of frame metrics leave out as one, all videos of a person or each video; the set
    estimates come with replicates of their own.

    A value is the mean of the videos' means. n counts scored frames and n_failed the other frames
    that the run planned; a metric whose policy is "score-zero" counts the frames it could not score
    as 0, in values and differences. Differences are between every two methods of one T, over the
    frames that both have; Holm's correction is over all differences of one metric. Raises
    `ThbenchError` when a metric whose policy is "error" failed on a frame.
    """
    set_estimates, unavailable = set_estimates or {}, unavailable or {}
    cells = _cells(frames)
    tables = {
        cell: _with_policies(frames[(frames.method == cell[0]) & (frames["T"] == cell[1])], cards)
        for cell in cells
    }
    rows = [
        _row(cell, tables[cell], cards, set_estimates.get(cell, {}), unavailable, cluster)
        for cell in cells
    ]
    differences: list[DifferenceRecord] = []
    for name in cards:
        if name not in unavailable:
            differences += _holm(
                [
                    _difference(name, a, b, tables, set_estimates, estimate_over, cluster)
                    for a, b in combinations(cells, 2)
                    if a[1] == b[1] and REAL not in (a[0], b[0])
                ]
            )
    return SummaryRecord(
        cluster=cluster,
        metrics={name: _described(card, frames) for name, card in cards.items()},
        rows=rows,
        differences=differences,
    )


def _cells(frames: pd.DataFrame) -> list[Cell]:
    """Real first, then the methods as they first appear, each with its T ascending."""
    cells = frames[["method", "T"]].drop_duplicates()
    order = {method: position for position, method in enumerate(dict.fromkeys(cells.method))}
    found = [(str(method), int(T)) for method, T in cells.itertuples(index=False)]
    return sorted(found, key=lambda cell: (cell[0] != REAL, order[cell[0]], cell[1]))


def _with_policies(table: pd.DataFrame, cards: Mapping[str, MetricCard]) -> pd.DataFrame:
    """The frames of one cell, each metric's column followed by `<metric>/value`: the number that
    enters means.
    """
    table = table.copy()
    succeeded = table.error == ""
    for name, card in cards.items():
        if name not in table:
            continue
        failed = succeeded & ~np.isfinite(table[name].to_numpy(np.float64))
        if card.policy == "error" and failed.any() and np.isfinite(table[name]).any():
            at = table[failed].iloc[0]
            raise ThbenchError(
                f"{card.label} failed on {at.method}, T = {at['T']}, {at.person}/{at.video} frame "
                f"{at.frame}, which no frame may do: look at that picture and score the run again"
            )
        filler = 0.0 if card.policy == "score-zero" else np.nan
        table[f"{name}/value"] = table[name].where(~failed, filler).where(succeeded)
    return table


def _row(
    cell: Cell,
    table: pd.DataFrame,
    cards: Mapping[str, MetricCard],
    estimates: Mapping[str, Estimate],
    unavailable: Mapping[str, str],
    cluster: Cluster,
) -> RowRecord:
    succeeded = table[table.error == ""]
    failed = table[table.error != ""]

    return RowRecord(
        method=cell[0],
        T=cell[1],
        n_videos=len(succeeded[["person", "video"]].drop_duplicates()),
        n_persons=succeeded.person.nunique(),
        n_frames=len(succeeded),
        n_failed_units=len(failed[["person", "video"]].drop_duplicates()),
        metrics={
            name: _score(card, table, estimates.get(name), unavailable.get(name), cluster)
            for name, card in cards.items()
        },
    )


def _score(
    card: MetricCard,
    table: pd.DataFrame,
    estimate: Estimate | None,
    reason: str | None,
    cluster: Cluster,
) -> ScoreRecord:
    if reason is not None:
        return _empty(0, reason)
    name = card.name
    rows = "frames" if card.clip_frames == 1 else f"clips of {card.clip_frames} frames"
    if estimate is not None and not math.isfinite(estimate.value):
        return _empty(
            len(table), f"too few: {estimate.n_frames} {rows} of {len(estimate.videos)} videos"
        )
    if estimate is not None:
        return _numbers(estimate, estimate.n_frames * card.clip_frames, len(table))
    if name not in table:
        spread = ": its frames do not follow each other" if card.clip_frames > 1 else ""
        return _empty(0, f"not computed for this row{spread}")
    scored = int(np.isfinite(table.loc[table.error == "", name]).sum())
    estimate = video_mean(table[f"{name}/value"], video_keys(table), _clusters(table, cluster))
    return (
        _numbers(estimate, scored, len(table))
        if estimate.videos
        else _empty(len(table), "no frame could be scored")
    )


def _numbers(estimate: Estimate, scored: int, planned: int) -> ScoreRecord:
    return ScoreRecord(
        value=_number(estimate.value),
        se=_number(estimate.se),
        ci95=_pair(estimate.interval()),
        n=scored,
        n_failed=planned - scored,
    )


def _empty(n_failed: int, reason: str) -> ScoreRecord:
    return ScoreRecord(None, None, None, 0, n_failed, reason)


def _difference(
    name: str,
    a: Cell,
    b: Cell,
    tables: Mapping[Cell, pd.DataFrame],
    set_estimates: Estimates,
    estimate_over: EstimateOver | None,
    cluster: Cluster,
) -> DifferenceRecord:
    none = DifferenceRecord(name, a[1], a[0], b[0], None)
    try:
        ours, theirs = set_estimates.get(a, {}).get(name), set_estimates.get(b, {}).get(name)
        if ours is None or theirs is None:
            found = _frame_difference(name, tables[a], tables[b], cluster)
        else:
            if estimate_over and ours.videos != theirs.videos:
                common = set(ours.videos) & set(theirs.videos)
                ours, theirs = estimate_over(name, a, common), estimate_over(name, b, common)
            found = paired_difference(ours, theirs)
    except ThbenchError as error:
        return replace(none, reason=str(error))

    return replace(
        none,
        difference=_number(found.difference),
        se=_number(found.se),
        ci95=_pair(found.ci95),
        p=_number(found.p),
    )


def _frame_difference(
    name: str, a: pd.DataFrame, b: pd.DataFrame, cluster: Cluster
) -> PairedDifference:
    column = f"{name}/value"
    if column not in a or column not in b:
        raise ThbenchError("not computed for both methods")
    both = a.merge(b, on=FRAME_KEY, suffixes=("/a", "/b"))
    difference = both[f"{column}/a"] - both[f"{column}/b"]
    estimate = video_mean(difference, video_keys(both), _clusters(both, cluster))
    if not estimate.videos:
        raise ThbenchError("no frame was scored for both methods")
    return difference_from_zero(estimate)


def _holm(differences: list[DifferenceRecord]) -> list[DifferenceRecord]:
    p_values = [math.nan if found.p is None else found.p for found in differences]
    return [
        replace(found, p_holm=_number(p_holm))
        for found, p_holm in zip(differences, holm(p_values), strict=True)
    ]


def _described(card: MetricCard, frames: pd.DataFrame) -> MetricRecord:
    return MetricRecord(
        label=_label(card, frames),
        higher_is_better=card.higher_is_better,
        unit=card.unit,
        network=card.network,
        stand_in=card.stand_in,
        policy=card.policy,
        description=f"{card.formula}. {card.source}",
    )


def _label(card: MetricCard, frames: pd.DataFrame) -> str:
    """The metric's label; of one of clips with the number of clips that a row rests on."""
    if card.clip_frames == 1:
        return card.label
    first = frames[["method", "T"]].eq(frames[["method", "T"]].iloc[0]).all(axis=1)
    lengths = video_keys(frames[first]).value_counts()
    return f"{card.label}x{int((lengths // card.clip_frames).sum())}"


def _clusters(table: pd.DataFrame, cluster: Cluster) -> pd.Series[str]:
    return table.person.astype(str) if cluster == "person" else video_keys(table)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(interval: tuple[float, float]) -> tuple[float, float] | None:
    low, high = interval
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
