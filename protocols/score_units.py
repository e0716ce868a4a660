"""Metrics over the frames of one unit; what is stored for the same frames is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from protocols.definition import stored_definition
from protocols.frames import read_frames, read_images
from protocols.set_features import unit_features
from protocols.stored_scores import MetricScores, UnitScores, scores_file
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.method import Frames
from thbench.metrics.base import (
    FrameMetric,
    SetMetric,
    is_frame_metric,
    is_identity_metric,
    is_set_metric,
    load_metric,
)
from thbench.records.unit import UnitResult
from thbench.runs import Run, Unit


def unit_scorer(
    run: Run, frame_metrics: Sequence[str], set_metrics: Sequence[str], device: str
) -> Callable[[Unit], None]:
    """What scores one unit with the frame metrics that have no score for its frames yet, and stores
    its features for the set metrics. Called once in each process: run.json is read once.
    """
    record = run.record()
    by_shots = stored_definition(record.protocol).identity_by_shots
    return _UnitScorer(
        run,
        {name: _frame_metric(name, device) for name in frame_metrics},
        [_set_metric(name, device) for name in set_metrics],
        identity_shots=record.split.shots if by_shots else 0,
    )


@dataclass(frozen=True)
class _UnitScorer:
    """identity_shots: with how many shots identity is compared; 0: with the true frames."""

    run: Run
    frame_metrics: dict[str, FrameMetric]
    set_metrics: list[SetMetric]
    identity_shots: int

    def __call__(self, unit: Unit) -> None:
        result = self.run.read_unit(unit)
        if result is None or result.status == "failed":
            return

        self._score_frames(unit, result)
        if result.status == "done":
            for metric in self.set_metrics:
                unit_features(self.run, metric, unit)

    def _score_frames(self, unit: Unit, result: UnitResult) -> None:
        path = scores_file(self.run, unit)
        frames = sha256_json(dict(result.frames))
        kept = UnitScores.read(path) if path.exists() else UnitScores(frames)
        scores = dict(kept.metrics) if kept.frames == frames else {}

        missing = [
            name
            for name, metric in self.frame_metrics.items()
            if name not in scores or scores[name].card != _card_key(metric)
        ]
        if missing:
            scores |= self._scores(unit, result, missing)
            UnitScores(frames, scores).write(path)

    def _scores(
        self, unit: Unit, result: UnitResult, names: Sequence[str]
    ) -> dict[str, MetricScores]:
        _refuse_altered_frames(self.run, unit)
        generated = read_images(self.run.unit_folder(unit), list(result.frames))
        real = self._read_first(unit, len(generated))

        scores = {}
        for name in names:
            metric = self.frame_metrics[name]
            if is_identity_metric(metric) and self.identity_shots:
                driven = Frames(generated, real.landmarks)
                values = metric.score_identity(driven, self._read_shots(unit))
            else:
                values = metric.score(generated, real)
            finite = [float(value) if math.isfinite(value) else None for value in values]
            scores[name] = MetricScores(_card_key(metric), finite)
        return scores

    def _read_first(self, unit: Unit, frames: int) -> Frames:
        names = [f"{index:02d}.png" for index in range(frames)]
        return read_frames(self.run.real_folder(unit.video), names)

    def _read_shots(self, unit: Unit) -> Frames:
        names = [f"{index:02d}.png" for index in range(self.identity_shots)]
        return read_frames(self.run.shots_folder(unit.video), names)


def _frame_metric(name: str, device: str) -> FrameMetric:
    metric = load_metric(name, device)
    if not is_frame_metric(metric):
        raise ThbenchError(f"{name} scores sets, not frames")
    return metric


def _set_metric(name: str, device: str) -> SetMetric:
    metric = load_metric(name, device)
    if not is_set_metric(metric):
        raise ThbenchError(f"{name} scores frames, not sets")
    return metric


def _card_key(metric: FrameMetric) -> str:
    """The identity of all that decides a metric's scores; the pictures it is valid on do not."""
    card = asdict(metric.card)
    del card["valid_on"], card["clip_frames"]  # sets alone have clips
    return sha256_json(card)


def _refuse_altered_frames(run: Run, unit: Unit) -> None:
    """Raises `ThbenchError` where the frames of a unit are not those that it committed."""
    for name in run.altered_frames(unit):
        raise ThbenchError(
            f"{run.unit_folder(unit) / name} is not the frame that was committed; "
            f"remove {run.unit_mark(unit)} and `thbench run-protocol --resume "
            f"{run.path}`"
        )
