"""The audit: every metric that can run, on frames with and without every defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench import __version__
from thbench.audit.defects import PICTURE_DEFECTS, Defect
from thbench.audit.judge import judged
from thbench.audit.photographs import clip_frames, clips_in
from thbench.audit.staging import STAGED_DEFECTS, Staging, set_stage
from thbench.data.dataset import videos_of
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics.base import (
    Metric,
    SetMetric,
    is_frame_metric,
    is_set_metric,
    load_metric,
    means_nothing_on,
    metric_names,
)
from thbench.metrics.statistics import Estimate, video_mean
from thbench.pictures import Pictures
from thbench.records.audit import AuditedMetricRecord, AuditRecord, DefectRecord, PartRecord

Progress = Callable[[int, int, str], None]
Show = Callable[[], Tensor]  # draws the frames of one condition

BASE = ("", 0.0)  # the condition without a defect
SYNTHETIC_BASE = (
    "each head drawn again in a motion a little off the true one, as a good method would: yaw by "
    "2 degrees, pitch by 1.5, roll by 1, mouth and lids by 8 % (standard deviations)"
)
REAL_BASE = "the frames themselves, blurred with sigma 0.6 px"
_BLUR = PICTURE_DEFECTS[0]

Condition = tuple[str, float]  # (defect, strength)
Rows = NDArray[Any]


@dataclass(frozen=True)
class Scene:
    """One video of the audit: its true frames and what shows each condition."""

    key: str
    person: str
    true: Frames
    conditions: Mapping[Condition, Show]


@dataclass
class Measured:
    """Per condition and metric: scores by video, or features of the frames of all videos."""

    videos: list[str]
    scores: dict[tuple[Condition, str], list[Rows]]
    true_features: dict[str, list[Rows]]


def audit(
    videos: int,
    frames: int,
    size_px: int,
    seed: int,
    metrics: Sequence[str] = (),
    real: Sequence[Path] = (),
    progress: Progress = lambda done, total, text: None,
) -> AuditRecord:
    """Audits the named metrics, by default all, on synthetic heads and on the frames at `real`.

    A metric that cannot run here, or means nothing on the pictures, is left out with its reason.
    """
    names = list(metrics) or metric_names()
    staged = synthetic_scenes(videos, frames, size_px, seed)
    parts = [("synthetic heads", SYNTHETIC_BASE, staged)]
    if real:
        parts.append(("photographs", REAL_BASE, real_scenes(real, frames, size_px)))

    total, done = sum(len(scenes) for _, _, scenes in parts), 0
    records = []
    for pictures, words, scenes in parts:

        def count(index: int, before: int = done) -> None:
            progress(before + index, total, "")

        records.append(_part(pictures, words, scenes, names, size_px, count))  # type: ignore[arg-type]
        done += len(scenes)
    return AuditRecord(version=__version__, seed=seed, parts=records)


def synthetic_scenes(videos: int, frames: int, size_px: int, seed: int) -> list[Scene]:
    """The first video of each of `videos` test persons, its frames spread over it.

    Raises `ThbenchError` where there are not as many persons.
    """
    dataset = synth(size_px)
    firsts = [video for video in videos_of(dataset, "test") if video.video == "v0"]
    if videos > len(firsts):
        raise ThbenchError(f"--videos {videos} asked for; there are {len(firsts)} test persons")

    scenes = []
    for video in firsts[:videos]:
        positions = [round(place) for place in np.linspace(0, video.n_frames - 1, frames)]
        stage = set_stage(dataset, video, positions, seed)
        base = cache(stage.base)
        conditions: dict[Condition, Show] = {BASE: base}
        for defect in PICTURE_DEFECTS:
            conditions |= _of_pictures(defect, base)
        for staging in STAGED_DEFECTS:
            conditions |= {
                (staging.name, strength): _showing(staging, stage, strength)
                for strength in staging.strengths
            }
        scenes.append(Scene(video.key, video.person, stage.true, conditions))
    return scenes


def real_scenes(paths: Sequence[Path], frames: int, size_px: int) -> list[Scene]:
    """Every clip at or below `paths` in which faces are found; defects of pictures only.

    Raises `ThbenchError` where there are fewer than two such clips.
    """
    scenes = []
    for clip in clips_in(paths):
        true = clip_frames(clip, frames, size_px)
        if true is None:
            continue
        base = cache(_applying(_BLUR, true.images.clone, 0.6))
        conditions: dict[Condition, Show] = {BASE: base}
        for defect in PICTURE_DEFECTS:
            conditions |= _of_pictures(defect, base)
        scenes.append(Scene(clip.as_posix(), clip.parent.as_posix(), true, conditions))
    if len(scenes) < 2:
        raise ThbenchError(
            "faces are found in fewer than two of the clips; an error bar needs several"
        )
    return scenes


def _part(
    pictures: Pictures,
    words: str,
    scenes: Sequence[Scene],
    names: Sequence[str],
    size_px: int,
    count: Callable[[int], None],
) -> PartRecord:
    loaded = {name: load_metric(name) for name in names}
    reasons = {
        name: means_nothing_on(metric.card, pictures) or _of_clips(metric) or metric.unavailable()
        for name, metric in loaded.items()
    }
    metrics = {name: metric for name, metric in loaded.items() if reasons[name] is None}
    measured = _measured(scenes, metrics, count)

    staged = STAGED_DEFECTS if pictures == "synthetic heads" else ()
    defects: list[Defect | Staging] = [*PICTURE_DEFECTS, *staged]
    bases = {name: _estimate(measured, name, metric, BASE) for name, metric in metrics.items()}
    return PartRecord(
        pictures=pictures,
        base_in_words=words,
        size_px=size_px,
        n_videos=len(scenes),
        n_frames=sum(len(scene.true) for scene in scenes),
        metrics={
            name: AuditedMetricRecord(
                metric.card.label,
                metric.card.higher_is_better,
                metric.card.unit,
                metric.card.network,
                *_finite(bases[name].value, bases[name].se),
            )
            for name, metric in metrics.items()
        },
        defects={
            each.name: DefectRecord(each.label, each.unit, list(each.strengths)) for each in defects
        },
        reactions=[
            judged(
                name,
                each.name,
                each.strengths,
                [
                    _harm(measured, name, metric, (each.name, strength), bases[name])
                    for strength in each.strengths
                ],
            )
            for name, metric in metrics.items()
            for each in defects
        ],
        left_out={name: reason for name, reason in reasons.items() if reason is not None},
    )


def _of_clips(metric: Metric) -> str | None:
    return "it compares clips, and these frames are spread" if metric.card.clip_frames > 1 else None


def _measured(
    scenes: Sequence[Scene], metrics: Mapping[str, Metric], count: Callable[[int], None]
) -> Measured:
    found = Measured([scene.key for scene in scenes], {}, {})
    for index, scene in enumerate(scenes):
        count(index)
        shown = {condition: show() for condition, show in scene.conditions.items()}
        for name, metric in metrics.items():
            if is_set_metric(metric):
                true, *rows = _features(metric, [scene.true.images, *shown.values()])
                found.true_features.setdefault(name, []).append(true)
            else:
                assert is_frame_metric(metric)
                rows = [metric.score(images, scene.true) for images in shown.values()]
            for condition, values in zip(shown, rows, strict=True):
                found.scores.setdefault((condition, name), []).append(values)
    count(len(scenes))
    return found


def _features(metric: SetMetric, parts: Sequence[Tensor]) -> list[Rows]:
    """The features of several sets of frames, made together: networks fill whole batches."""
    together = metric.features(torch.cat(list(parts)))
    return np.split(together, np.cumsum([len(part) for part in parts])[:-1])


def _harm(
    measured: Measured, name: str, metric: Metric, condition: Condition, base: Estimate
) -> Estimate:
    """How much worse the metric finds a condition than the base, paired by frame or by video."""
    sign = -1.0 if metric.card.higher_is_better else 1.0
    if is_set_metric(metric):
        found = _estimate(measured, name, metric, condition)
        return Estimate(
            sign * (found.value - base.value),
            sign * (found.replicates - base.replicates),
            found.videos,
            found.n_frames,
        )

    with_defect = measured.scores[condition, name]
    without = measured.scores[BASE, name]
    differences = [sign * (a - b) for a, b in zip(with_defect, without, strict=True)]
    return _over_videos(differences, measured.videos)


def _estimate(measured: Measured, name: str, metric: Metric, condition: Condition) -> Estimate:
    rows = measured.scores[condition, name]
    if not is_set_metric(metric):
        return _over_videos(rows, measured.videos)
    return _set_estimate(metric, rows, measured.true_features[name], measured.videos)


def _set_estimate(
    metric: SetMetric, rows: Sequence[Rows], true: Sequence[Rows], videos: Sequence[str]
) -> Estimate:
    of_rows = _labels(rows, videos)
    return metric.estimate(np.concatenate(rows), np.concatenate(true), of_rows, of_rows)


def _over_videos(rows: Sequence[Rows], videos: Sequence[str]) -> Estimate:
    return video_mean(np.concatenate(rows), _labels(rows, videos))


def _labels(rows: Sequence[Rows], videos: Sequence[str]) -> Rows:
    return np.repeat(np.array(videos), [len(each) for each in rows])


def _of_pictures(defect: Defect, base: Show) -> Iterator[tuple[Condition, Show]]:
    """The conditions of a defect of pictures, each on the frames of the base."""
    for strength in defect.strengths:
        yield (defect.name, strength), _applying(defect, base, strength)


def _applying(defect: Defect, base: Show, strength: float) -> Show:
    return lambda: defect(base(), strength)


def _showing(staging: Staging, stage: Any, strength: float) -> Show:
    return lambda: staging.show(stage, strength)


def _finite(*values: float) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
