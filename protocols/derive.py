"""From stored scores and features to frames.parquet and summary.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from protocols.clips import has_clips
from protocols.definition import stored_definition
from protocols.progress import Progress, unwatched
from protocols.set_features import unit_features
from protocols.stored_scores import UnitScores, scores_file
from protocols.units import finished, with_frames
from thbench.errors import ThbenchError
from thbench.metrics.base import Metric, SetMetric, is_set_metric
from thbench.metrics.statistics import Estimate
from thbench.metrics.summary import Cell, summarise
from thbench.records.split import DrawnVideo
from thbench.records.summary import Cluster, SummaryRecord
from thbench.runs import Run, Unit

_TEXT = ("method", "person", "video", "driver", "frame", "error")
_COLUMNS = ("method", "T", "person", "video", "driver", "frame", "position", "error")


class NothingToScoreError(Exception):
    """Every unit of the cell failed."""


def derive(
    run: Run,
    loaded: Mapping[str, Metric],
    unavailable: Mapping[str, str],
    progress: Progress = unwatched,
) -> tuple[pd.DataFrame, SummaryRecord]:
    """The contents of frames.parquet and summary.json from the scores and features that are stored.

    Only features that are not stored are computed. Raises `ThbenchError` when the scores of a unit
    are missing.
    """
    units, split = finished(run), run.record().split
    cluster = stored_definition(run.record().protocol).cluster
    table = _frame_table(run, units, frame_metrics(loaded, unavailable))

    estimates: dict[Cell, dict[str, Estimate]] = {_cell(unit): {} for unit in units}
    for name, metric in loaded.items():
        if is_set_metric(metric) and name not in unavailable:
            cells = [cell for cell in estimates if has_clips(metric.card, split, cell[0])]
            for cell in progress(cells, len(cells), f"score sets, {metric.card.label}"):
                try:
                    estimates[cell][name] = _estimate(
                        run, metric, [unit for unit in units if _cell(unit) == cell], cluster
                    )
                except NothingToScoreError:
                    continue

    def estimate_over(name: str, cell: Cell, videos: Collection[str]) -> Estimate:
        metric = loaded[name]
        assert is_set_metric(metric)
        common = [unit for unit in units if _cell(unit) == cell and unit.video in videos]
        return _estimate(run, metric, common, cluster)

    cards = {name: metric.card for name, metric in loaded.items()}
    return table, summarise(table, cards, estimates, unavailable, estimate_over, cluster)


def frame_metrics(loaded: Mapping[str, Metric], unavailable: Mapping[str, str]) -> list[str]:
    """The names of those that score frame by frame and can be computed."""
    return [
        name
        for name, metric in loaded.items()
        if name not in unavailable and not is_set_metric(metric)
    ]


def _cell(unit: Unit) -> Cell:
    return unit.method, unit.T


def _frame_table(run: Run, units: Sequence[Unit], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per unit and hold-out frame, in the order of the plan."""
    videos = {video.key: video for video in run.record().split.videos}

    columns: dict[str, list[Any]] = {name: [] for name in (*_COLUMNS, *metrics)}
    for unit in units:
        for name, values in _unit_columns(run, unit, videos[unit.video], metrics).items():
            columns[name] += values

    return pd.DataFrame(
        {name: pd.array(values, dtype=_dtype(name)) for name, values in columns.items()}
    )


def _unit_columns(
    run: Run, unit: Unit, video: DrawnVideo, metrics: Sequence[str]
) -> dict[str, list[Any]]:
    """The rows of one unit, column by column."""
    result, n = run.read_unit(unit), len(video.holdout)
    assert result is not None

    columns: dict[str, list[Any]] = {
        "method": [unit.method] * n,
        "T": [unit.T] * n,
        "person": [video.person] * n,
        "video": [video.video] * n,
        "driver": video.driver_of or [unit.video] * n,
        "frame": video.holdout_names,
        "position": list(range(n)),
        "error": [result.error] * n,
    }

    if result.status != "done" or not metrics:
        return columns | {name: [np.nan] * n for name in metrics}
    return columns | _unit_scores(run, unit, n, metrics)


def _unit_scores(run: Run, unit: Unit, n: int, metrics: Sequence[str]) -> dict[str, list[Any]]:
    """The stored scores of one unit by metric, NaN where a frame could not be scored."""
    file = scores_file(run, unit)
    scores = UnitScores.read(file).metrics

    found = {}
    for name in metrics:
        values = scores[name].values if name in scores else []
        if len(values) != n:
            raise ThbenchError(
                f"{file} has {len(values)} scores of {name}, {n} expected; "
                f"run `thbench score {run.path}`"
            )
        found[name] = [np.nan if value is None else value for value in values]
    return found


def _dtype(column: str) -> Any:
    if column in ("T", "position"):
        return "int64"
    return "string" if column in _TEXT else np.dtype("float64")


def _estimate(run: Run, metric: SetMetric, units: Sequence[Unit], cluster: Cluster) -> Estimate:
    """FID or KID of one cell against the matched hold-out frames of the same videos."""
    generated, real, videos = [], [], []
    for unit in with_frames(run, units):
        made, held = unit_features(run, metric, unit)
        generated.append(made)
        real.append(held)
        videos += [unit.video] * len(made)
    if not generated:
        raise NothingToScoreError

    clusters = [video.partition("/")[0] for video in videos] if cluster == "person" else videos
    estimate = metric.estimate(
        np.concatenate(generated), np.concatenate(real), np.array(videos), np.array(clusters)
    )
    return replace(estimate, videos=tuple(sorted(set(videos))))
