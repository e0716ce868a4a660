"""Scoring: metrics over the frames that a run stored, without any method's code."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from protocols.frames import read_frames, read_images
from thbench.errors import ThbenchError
from thbench.files import atomic_path, read_json_object, sha256_file, sha256_json, write_json
from thbench.method import Frames
from thbench.metrics.base import (
    FrameMetric,
    Metric,
    SetMetric,
    is_identity_metric,
    is_set_metric,
    load_metric,
    metric_names,
)
from thbench.metrics.features import FeatureStore
from thbench.metrics.statistics import Estimate
from thbench.metrics.summary import Cell, summarise
from thbench.records.decode import decode
from thbench.records.unit import ScoresRecord
from thbench.runs import REAL, Run, Unit, slug

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]


def score_run(run: Run, metrics: Sequence[str], device: str = "cpu", workers: int = 1,
              progress: Progress = lambda items, total, title: items) -> dict[str, Any]:
    """Computes every metric that can run here and writes frames.parquet and summary.json; returns the summary.

    Scores and features that are already there for the same frames and settings are not computed again. A metric that
    cannot run has an empty cell with its reason. Units that are not finished yet are left out.
    """
    loaded = {name: load_metric(name, device) for name in metrics}
    for metric in loaded.values():
        check_fits(metric, run.info()["protocol"]["kind"])
    unavailable = {name: reason for name, metric in loaded.items() if (reason := metric.unavailable()) is not None}
    units = _finished(run)
    for video in dict.fromkeys(unit.video for unit in units):   # scores against damaged frames would stay
        for name in run.altered_references(video):
            raise ThbenchError(f"{run.path / name} is not the file that was written; remove its folder and "
                               f"`thbench run-protocol --resume {run.path}`")
    per_frame = [name for name, metric in loaded.items() if name not in unavailable and not is_set_metric(metric)]
    for _ in progress(_score_units(run, units, per_frame, device, workers), len(units), "score frames"):
        pass
    table, summary = derive(run, loaded, unavailable, progress)
    with atomic_path(run.frames_parquet) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary)
    write_json(run.summary_json, summary)
    return summary


def derive(run: Run, loaded: Mapping[str, Metric], unavailable: Mapping[str, str],
           progress: Progress = lambda items, total, title: items) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The contents of frames.parquet and summary.json from the scores and features that are stored.

    Only features that are not stored are computed. Raises `ThbenchError` when the scores of a unit are missing.
    """
    units = _finished(run)
    per_frame = [name for name, metric in loaded.items() if name not in unavailable and not is_set_metric(metric)]
    table = _frame_table(run, units, per_frame)
    estimates: dict[Cell, dict[str, Estimate]] = {cell: {} for cell in _cells(units)}
    for name, metric in loaded.items():
        if is_set_metric(metric) and name not in unavailable:
            for cell in progress(estimates, len(estimates), f"score sets, {metric.card.label}"):
                try:
                    estimates[cell][name] = _estimate(run, metric, [unit for unit in units if _cell(unit) == cell])
                except NothingToScoreError:
                    continue

    def estimate_over(name: str, cell: Cell, videos: Collection[str]) -> Estimate:
        metric = loaded[name]
        assert is_set_metric(metric)
        return _estimate(run, metric, [unit for unit in units if _cell(unit) == cell and unit.video in videos])

    cards = {name: metric.card for name, metric in loaded.items()}
    return table, summarise(table, cards, estimates, unavailable, estimate_over)


def check_fits(metric: Metric, kind: str) -> None:
    """Raises `ThbenchError` for a metric that needs true frames where the driving video shows something else."""
    if kind == "cross-reenactment" and metric.card.compares == "frame":
        fitting = (name for name in metric_names() if load_metric(name).card.compares != "frame")
        raise ThbenchError(f"{metric.card.name} compares with the true frame, and a head that another video drives has "
                           f"none; choose from {', '.join(fitting)}")


class NothingToScoreError(Exception):
    """Every unit of the cell failed."""


def _finished(run: Run) -> list[Unit]:
    """The real-vs-real floor and every planned unit that has a result."""
    videos = list(dict.fromkeys(unit.video for unit in run.planned()))
    units = [Unit(REAL, 0, video) for video in videos] + list(run.planned())
    return [unit for unit in units if run.read_unit(unit) is not None]


def _cell(unit: Unit) -> Cell:
    return unit.method, unit.T


def _cells(units: Sequence[Unit]) -> list[Cell]:
    return list(dict.fromkeys(_cell(unit) for unit in units))


def _score_units(run: Run, units: Sequence[Unit], metrics: Sequence[str], device: str, workers: int) -> Iterable[None]:
    score = partial(_score_unit, run, metrics, device)
    if workers <= 1:
        threads = torch.get_num_threads(), cv2.getNumThreads()
        _one_thread()
        try:
            yield from map(score, units)
        finally:
            torch.set_num_threads(threads[0])
            cv2.setNumThreads(threads[1])
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread) as pool:
        try:
            yield from pool.map(score, units)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


_metrics: dict[tuple[str, str], FrameMetric] = {}


def _score_unit(run: Run, metrics: Sequence[str], device: str, unit: Unit) -> None:
    """Scores the frames of one unit with the metrics that have no score for them yet."""
    result = run.read_unit(unit)
    if result is None or result.status == "failed":
        return
    path = _score_file(run, unit)
    frames = sha256_json(dict(result.frames))
    kept = _stored(run, path) if path.exists() else {}
    scores: dict[str, Any] = kept.get("metrics", {}) if kept.get("frames") == frames else {}
    missing = [name for name in metrics if scores.get(name, {}).get("card") != _card_key(name, device)]
    if not missing:
        return
    generated = read_images(run.unit_folder(unit), list(result.frames))
    real = read_frames(run.real_folder(unit.video), [f"{index:02d}.png" for index in range(len(generated))])
    info = run.info()
    cross = info["protocol"]["kind"] == "cross-reenactment"
    for name in missing:
        metric = _frame_metric(name, device)
        if cross and is_identity_metric(metric):
            shots = read_frames(run.shots_folder(unit.video),
                                [f"{index:02d}.png" for index in range(info["split"]["shots"])])
            values = metric.score_identity(Frames(generated, real.landmarks), shots)
        else:
            values = metric.score(generated, real)
        scores[name] = {"card": _card_key(name, device),
                        "values": [float(value) if math.isfinite(value) else None for value in values]}
    write_json(path, {"frames": frames, "metrics": scores})


def _frame_metric(name: str, device: str) -> FrameMetric:
    if (name, device) not in _metrics:
        metric = load_metric(name, device)
        if is_set_metric(metric):
            raise ThbenchError(f"{name} scores sets, not frames")
        _metrics[name, device] = metric  # type: ignore[assignment]
    return _metrics[name, device]


def _card_key(name: str, device: str) -> str:
    return sha256_json(asdict(_frame_metric(name, device).card))


def _score_file(run: Run, unit: Unit) -> Path:
    return run.path / "scores" / slug(unit.method) / f"T{unit.T}" / f"{slug(unit.video)}.json"


def _frame_table(run: Run, units: Sequence[Unit], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per unit and hold-out frame, in the order of the plan."""
    videos: Mapping[str, Any] = {f"{v['person']}/{v['video']}": v for v in run.info()["split"]["videos"]}
    columns: dict[str, list[Any]] = {name: [] for name in (
        "method", "T", "person", "video", "driver", "frame", "position", "error", *metrics)}
    for unit in units:
        result, video = run.read_unit(unit), videos[unit.video]
        assert result is not None
        n = len(video["holdout"])
        scores = _stored(run, _score_file(run, unit))["metrics"] if result.status == "done" and metrics else {}
        for name, values in (("method", [unit.method] * n), ("T", [unit.T] * n), ("person", [video["person"]] * n),
                             ("video", [video["video"]] * n), ("driver", video.get("driver_of") or [unit.video] * n),
                             ("frame", video["holdout_names"]),
                             ("position", range(n)), ("error", [result.error] * n)):
            columns[name] += values
        for name in metrics:
            if scores and name not in scores:
                raise ThbenchError(f"{_score_file(run, unit)} has no {name}; run `thbench score {run.path}`")
            values = scores[name]["values"] if scores else [None] * n
            if len(values) != n:
                raise ThbenchError(f"{_score_file(run, unit)} has {len(values)} scores of {n} frames; remove it and "
                                   f"`thbench score {run.path}`")
            columns[name] += [np.nan if value is None else value for value in values]
    return pd.DataFrame({name: pd.array(values, dtype=_dtype(name)) for name, values in columns.items()})


def _stored(run: Run, path: Path) -> dict[str, Any]:
    """The stored scores of a unit, checked."""
    kept = read_json_object(path)
    decode(ScoresRecord, kept, path, f"remove it and `thbench score {run.path}`")
    return kept


def _dtype(column: str) -> Any:
    if column in ("T", "position"):
        return "int64"
    return "string" if column in ("method", "person", "video", "driver", "frame", "error") else np.dtype("float64")


def _estimate(run: Run, metric: SetMetric, units: Sequence[Unit]) -> Estimate:
    """FID or KID of one cell against the matched hold-out frames of the same videos."""
    store, spec = FeatureStore(run.path / "features"), metric.feature_spec()
    generated, real, videos = [], [], []
    for unit in units:
        result = run.read_unit(unit)
        if result is None or result.status == "failed":
            continue
        folder, names = run.unit_folder(unit), list(result.frames)
        held, held_names = run.real_folder(unit.video), [f"{index:02d}.png" for index in range(len(names))]
        generated.append(store.features(list(result.frames.values()), spec, partial(_features, metric, folder, names)))
        real.append(store.features([sha256_file(held / name) for name in held_names], spec,
                                   partial(_features, metric, held, held_names)))
        videos += [unit.video] * len(names)
    if not generated:
        raise NothingToScoreError
    return metric.estimate(np.concatenate(generated), np.concatenate(real), np.array(videos))


def _features(metric: SetMetric, folder: Path, names: Sequence[str]) -> NDArray[Any]:
    return metric.features(read_images(folder, names))
