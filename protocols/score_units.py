"""Frame metrics over the frames of one unit; what is stored for the same frames is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from protocols.definition import stored_definition
from protocols.frames import read_frames, read_images
from protocols.stored_scores import MetricScores, UnitScores, scores_file
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.method import Frames
from thbench.metrics.base import FrameMetric, is_identity_metric, is_set_metric, load_metric
from thbench.records.unit import UnitResult
from thbench.runs import Run, Unit

_metrics: dict[tuple[str, str], FrameMetric] = {}  # by name and device, for a whole process


def unit_scorer(run: Run, metrics: Sequence[str], device: str) -> Callable[[Unit], None]:
    """What scores one unit with the metrics that have no score for its frames yet."""
    return partial(_score_unit, run, metrics, device)


def _score_unit(run: Run, metrics: Sequence[str], device: str, unit: Unit) -> None:
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
    if missing:
        scores |= _scores(run, unit, result, missing, device)
        UnitScores(frames, scores).write(path)


def _scores(
    run: Run, unit: Unit, result: UnitResult, names: Sequence[str], device: str
) -> dict[str, MetricScores]:
    _refuse_altered_frames(run, unit)
    generated = read_images(run.unit_folder(unit), list(result.frames))
    real = _read_first(run, unit, len(generated))

    scores = {}
    for name in names:
        metric = _frame_metric(name, device)
        if is_identity_metric(metric) and _identity_by_shots(run):
            driven = Frames(generated, real.landmarks)
            values = metric.score_identity(driven, _read_shots(run, unit))
        else:
            values = metric.score(generated, real)
        finite = [float(value) if math.isfinite(value) else None for value in values]
        scores[name] = MetricScores(_card_key(name, device), finite)
    return scores


def _identity_by_shots(run: Run) -> bool:
    return stored_definition(run.record().protocol).identity_by_shots


def _read_first(run: Run, unit: Unit, frames: int) -> Frames:
    names = [f"{index:02d}.png" for index in range(frames)]
    return read_frames(run.real_folder(unit.video), names)


def _read_shots(run: Run, unit: Unit) -> Frames:
    names = [f"{index:02d}.png" for index in range(run.record().split.shots)]
    return read_frames(run.shots_folder(unit.video), names)


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
