"""Scoring: metrics over the frames that a run stored, without any method's code."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from protocols.definition import Cluster, parse_stored
from protocols.frames import read_frames, read_images
from protocols.stored_scores import (
    MetricScores,
    UnitScores,
    forget_altered_scores,
    record_scores,
    scores_file,
)
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file, sha256_json, write_json
from thbench.method import Frames
from thbench.metrics.base import (
    FrameMetric,
    Metric,
    SetMetric,
    is_identity_metric,
    is_set_metric,
    load_metric,
    means_nothing_on,
    metric_names,
)
from thbench.metrics.features import FeatureStore
from thbench.metrics.statistics import Estimate
from thbench.metrics.summary import Cell, summarise
from thbench.runs import REAL, Run, Unit
from thbench.workers import each

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]
FrameSet = tuple[Path, Mapping[str, str]]  # a folder and the sha256 of its frames by name


def metrics_of(run: Run, asked: Sequence[str], only: bool) -> list[str]:
    """The metrics that a run shall have: its own with those asked for added, or only the latter.

    Raises `ThbenchError` when the metric that ranks the run's drivers would go.
    """
    info = run.info()
    chosen = list(dict.fromkeys(asked if only else [*info["metrics"], *asked]))

    rank_by = info["protocol"]["definition"].get("rank_by", "")
    if rank_by and rank_by not in chosen:
        raise ThbenchError(
            f"the drivers of {run.path} are ranked by {rank_by}; keep it among --metrics"
        )
    return chosen


def score_run(
    run: Run,
    metrics: Sequence[str],
    device: str = "cpu",
    workers: int = 1,
    progress: Progress = lambda items, total, title: items,
) -> dict[str, Any]:
    """Gives a run exactly these metrics: writes frames.parquet, summary.json and their record.

    Returns the summary. Scores and features that are stored for the same frames and settings are
    not computed again, altered ones are. A metric that cannot run, or means nothing on these
    pictures, has an empty cell with its reason. Units that are not finished yet are left out.

    Raises `ThbenchError` for frames that were altered since they were committed.
    """
    loaded = {name: load_metric(name, device) for name in metrics}
    for metric in loaded.values():
        check_fits(metric, run.info()["protocol"]["kind"])
    pictures = run.pictures()
    reasons = {
        name: means_nothing_on(metric.card, pictures) or metric.unavailable()
        for name, metric in loaded.items()
    }
    unavailable = {name: reason for name, reason in reasons.items() if reason is not None}
    units = _finished(run)
    forget_altered_scores(run)
    for video in dict.fromkeys(
        unit.video for unit in units
    ):  # scores against damaged frames would stay
        for name in run.altered_references(video):
            raise ThbenchError(
                f"{run.path / name} is not the file that was written; remove its folder and "
                f"`thbench run-protocol --resume {run.path}`"
            )
    per_frame = [
        name
        for name, metric in loaded.items()
        if name not in unavailable and not is_set_metric(metric)
    ]
    with closing(each(partial(_unit_scorer, run, per_frame, device), units, workers)) as scored:
        for _ in progress(scored, len(units), "score frames"):
            pass
    table, summary = derive(run, loaded, unavailable, progress)
    with atomic_path(run.frames_parquet) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary)
    write_json(run.summary_json, summary)
    record_scores(
        run,
        metrics,
        [
            run.frames_parquet,
            run.summary_json,
            *_files_of(run, units, per_frame, loaded, unavailable),
        ],
    )
    return summary


def derive(
    run: Run,
    loaded: Mapping[str, Metric],
    unavailable: Mapping[str, str],
    progress: Progress = lambda items, total, title: items,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The contents of frames.parquet and summary.json from the scores and features that are stored.

    Only features that are not stored are computed. Raises `ThbenchError` when the scores of a unit
    are missing.
    """
    units = _finished(run)
    cluster = parse_stored(run.info()["protocol"]["definition"]).cluster
    per_frame = [
        name
        for name, metric in loaded.items()
        if name not in unavailable and not is_set_metric(metric)
    ]
    table = _frame_table(run, units, per_frame)
    estimates: dict[Cell, dict[str, Estimate]] = {cell: {} for cell in _cells(units)}
    for name, metric in loaded.items():
        if is_set_metric(metric) and name not in unavailable:
            for cell in progress(estimates, len(estimates), f"score sets, {metric.card.label}"):
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


def _files_of(
    run: Run,
    units: Sequence[Unit],
    per_frame: Sequence[str],
    loaded: Mapping[str, Metric],
    unavailable: Mapping[str, str],
) -> Iterator[Path]:
    """The stored scores and features that the tables of a run are made from."""
    store = FeatureStore(run.path / "features")
    specs = [
        metric.feature_spec()
        for name, metric in loaded.items()
        if is_set_metric(metric) and name not in unavailable
    ]

    for unit in _done(run, units):
        if per_frame:
            yield scores_file(run, unit)
        for spec in specs:
            for _, digests in _frame_sets(run, unit):
                yield store.file(list(digests.values()), spec)


def check_fits(metric: Metric, kind: str) -> None:
    """Raises `ThbenchError` for a metric that needs true frames where the driving video shows
    something else.
    """
    if kind == "cross-reenactment" and metric.card.compares == "frame":
        fitting = (name for name in metric_names() if load_metric(name).card.compares != "frame")
        raise ThbenchError(
            f"{metric.card.name} compares with the true frame, and a head that another video drives has "
            f"none; choose from {', '.join(fitting)}"
        )


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


def _unit_scorer(run: Run, metrics: Sequence[str], device: str) -> Callable[[Unit], None]:
    return partial(_score_unit, run, metrics, device)


_metrics: dict[tuple[str, str], FrameMetric] = {}


def _score_unit(run: Run, metrics: Sequence[str], device: str, unit: Unit) -> None:
    """Scores the frames of one unit with the metrics that have no score for them yet."""
    result = run.read_unit(unit)
    if result is None or result.status == "failed":
        return
    path = scores_file(run, unit)
    frames = sha256_json(dict(result.frames))
    kept = UnitScores.read(path) if path.exists() else UnitScores(frames)
    scores = dict(kept.metrics) if kept.frames == frames else {}
    missing = [
        name
        for name in metrics
        if name not in scores or scores[name].card != _card_key(name, device)
    ]
    if not missing:
        return
    _refuse_altered_frames(run, unit)
    generated = read_images(run.unit_folder(unit), list(result.frames))
    real = read_frames(
        run.real_folder(unit.video), [f"{index:02d}.png" for index in range(len(generated))]
    )
    info = run.info()
    by_shots = _identity_by_shots(run)
    for name in missing:
        metric = _frame_metric(name, device)
        if by_shots and is_identity_metric(metric):
            shots = read_frames(
                run.shots_folder(unit.video),
                [f"{index:02d}.png" for index in range(info["split"]["shots"])],
            )
            values = metric.score_identity(Frames(generated, real.landmarks), shots)
        else:
            values = metric.score(generated, real)
        finite = [float(value) if math.isfinite(value) else None for value in values]
        scores[name] = MetricScores(_card_key(name, device), finite)
    UnitScores(frames, scores).write(path)


def _identity_by_shots(run: Run) -> bool:
    """Whether a face is compared with the shots: always so where another video drives."""
    definition = parse_stored(run.info()["protocol"]["definition"])
    return definition.kind == "cross-reenactment" or definition.identity == "shots"


def _frame_metric(name: str, device: str) -> FrameMetric:
    if (name, device) not in _metrics:
        metric = load_metric(name, device)
        if is_set_metric(metric):
            raise ThbenchError(f"{name} scores sets, not frames")
        _metrics[name, device] = metric  # type: ignore[assignment]
    return _metrics[name, device]


def _card_key(name: str, device: str) -> str:
    """The identity of all that decides a metric's scores; the pictures it is valid on do not."""
    card = asdict(_frame_metric(name, device).card)
    del card["valid_on"]
    return sha256_json(card)


def _refuse_altered_frames(run: Run, unit: Unit) -> None:
    """Raises `ThbenchError` where the frames of a unit are not those that it committed."""
    for name in run.altered_frames(unit):
        raise ThbenchError(
            f"{run.unit_folder(unit) / name} is not the frame that was committed; "
            f"remove {run.unit_mark(unit)} and `thbench run-protocol --resume "
            f"{run.path}`"
        )


def _frame_table(run: Run, units: Sequence[Unit], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per unit and hold-out frame, in the order of the plan."""
    videos: Mapping[str, Any] = {
        f"{v['person']}/{v['video']}": v for v in run.info()["split"]["videos"]
    }
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "method",
            "T",
            "person",
            "video",
            "driver",
            "frame",
            "position",
            "error",
            *metrics,
        )
    }
    for unit in units:
        result, video = run.read_unit(unit), videos[unit.video]
        assert result is not None
        n = len(video["holdout"])
        stored = result.status == "done" and bool(metrics)
        scores = UnitScores.read(scores_file(run, unit)).metrics if stored else {}
        for name, values in (
            ("method", [unit.method] * n),
            ("T", [unit.T] * n),
            ("person", [video["person"]] * n),
            ("video", [video["video"]] * n),
            ("driver", video.get("driver_of") or [unit.video] * n),
            ("frame", video["holdout_names"]),
            ("position", range(n)),
            ("error", [result.error] * n),
        ):
            columns[name] += values
        for name in metrics:
            values = scores[name].values if name in scores else []
            if result.status == "done" and len(values) != n:
                raise ThbenchError(
                    f"{scores_file(run, unit)} has {len(values)} scores of {name}, "
                    f"{n} expected; run `thbench score {run.path}`"
                )
            values = values or [None] * n
            columns[name] += [np.nan if value is None else value for value in values]
    return pd.DataFrame(
        {name: pd.array(values, dtype=_dtype(name)) for name, values in columns.items()}
    )


def _dtype(column: str) -> Any:
    if column in ("T", "position"):
        return "int64"
    return (
        "string"
        if column in ("method", "person", "video", "driver", "frame", "error")
        else np.dtype("float64")
    )


def _estimate(run: Run, metric: SetMetric, units: Sequence[Unit], cluster: Cluster) -> Estimate:
    """FID or KID of one cell against the matched hold-out frames of the same videos."""
    store, spec = FeatureStore(run.path / "features"), metric.feature_spec()
    generated, real, videos = [], [], []
    for unit in _done(run, units):
        made, held = (
            store.features(
                list(digests.values()), spec, partial(_features, metric, folder, digests)
            )
            for folder, digests in _frame_sets(run, unit)
        )
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


def _done(run: Run, units: Sequence[Unit]) -> Iterator[Unit]:
    """The units that have frames."""
    for unit in units:
        result = run.read_unit(unit)
        if result is not None and result.status == "done":
            yield unit


def _frame_sets(run: Run, unit: Unit) -> tuple[FrameSet, FrameSet]:
    """The generated frames of a unit and the true ones."""
    result, held = run.read_unit(unit), run.real_folder(unit.video)
    assert result is not None
    names = [f"{index:02d}.png" for index in range(len(result.frames))]

    # A packed run has the hashes of its frames, and not the frames.
    kept = run.reference_digests(unit.video).get(held.relative_to(run.path).as_posix(), {})
    true = {
        name: sha256_file(held / name) if (held / name).exists() or name not in kept else kept[name]
        for name in names
    }
    return (run.unit_folder(unit), result.frames), (held, true)


def _features(metric: SetMetric, folder: Path, digests: Mapping[str, str]) -> NDArray[Any]:
    for name, sha256 in digests.items():
        if (folder / name).is_file() and sha256_file(folder / name) != sha256:
            raise ThbenchError(
                f"{folder / name} is not the frame that was committed; "
                "`thbench runs verify` names all such frames"
            )
    return metric.features(read_images(folder, list(digests)))
