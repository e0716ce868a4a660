"""Scoring: metrics over the frames that a run stored, without any method's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from protocols.clips import no_clips
from protocols.definition import Definition, stored_definition
from protocols.derive import derive, frame_metrics
from protocols.progress import Progress, unwatched
from protocols.score_units import unit_scorer
from protocols.stored_scores import forget_altered_scores, record_scores, scores_file
from protocols.units import finished, frame_sets, with_frames
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.files import atomic_path
from thbench.metrics.base import (
    Metric,
    is_set_metric,
    load_metric,
    means_nothing_on,
    metric_names,
)
from thbench.metrics.features import FeatureStore
from thbench.records.encode import write_record
from thbench.records.summary import SummaryRecord
from thbench.runs import Run, Unit
from thbench.workers import each


def metrics_of(run: Run, asked: Sequence[str], only: bool) -> list[str]:
    """The metrics that a run shall have: its own with those asked for added, or only the latter.

    Raises `ThbenchError` when the metric that ranks the run's drivers would go.
    """
    record = run.record()
    chosen = list(dict.fromkeys(asked if only else [*record.metrics, *asked]))

    rank_by = record.protocol.rank_by
    if rank_by and rank_by not in chosen:
        raise ThbenchError(
            f"the drivers of {run.path} are ranked by {rank_by}; keep it among --metrics"
        )
    return chosen


def score_run(
    run: Run,
    metrics: Sequence[str],
    device: str = "cpu",
    workers: int | None = 1,
    progress: Progress = unwatched,
    engine: Engine = LOCAL,
) -> SummaryRecord:
    """Gives a run exactly these metrics: writes frames.parquet, summary.json and their record.

    Returns the summary. Scores and features that are stored for the same frames and settings are
    not computed again, altered ones are. A metric that cannot run, or means nothing on these
    pictures, has an empty cell with its reason. Units that are not finished yet are left out.

    Raises `ThbenchError` for frames that were altered since they were committed.
    """
    loaded = {name: load_metric(name, device) for name in metrics}
    check_fits(loaded.values(), stored_definition(run.record().protocol))
    unavailable = _unavailable(run, loaded)
    units = finished(run)

    forget_altered_scores(run)
    _refuse_altered_references(run, units)  # scores against damaged frames would stay

    per_frame = frame_metrics(loaded, unavailable)
    in_sets = [name for name in loaded if name not in unavailable and name not in per_frame]
    scorer = partial(unit_scorer, run, per_frame, in_sets, device)
    # By video, whose true frames are then at hand for its next unit.
    by_video = sorted(units, key=lambda unit: unit.video)
    with closing(each(scorer, by_video, workers, engine, run.path)) as scored:
        for _ in progress(scored, len(units), "score frames"):
            pass

    table, summary = derive(run, loaded, unavailable, progress)
    _write_table(run.frames_parquet, table)
    write_record(run.summary_json, summary)

    stored = _stored_files(run, units, loaded, unavailable)
    record_scores(run, metrics, [run.frames_parquet, run.summary_json, *stored])
    return summary


def check_fits(metrics: Iterable[Metric], definition: Definition) -> None:
    """Raises `ThbenchError` for a metric that needs true frames where the driving video shows
    something else.
    """
    for metric in metrics:
        if metric.card.compares == "frame" and not definition.has_true_frames:
            fitting = [
                name for name in metric_names() if load_metric(name).card.compares != "frame"
            ]
            raise ThbenchError(
                f"{metric.card.name} compares with the true frame, and a head that another video "
                f"drives has none; choose from {', '.join(fitting)}"
            )


def _unavailable(run: Run, loaded: Mapping[str, Metric]) -> dict[str, str]:
    """The metrics that cannot be computed on the pictures of a run, with the reasons."""
    pictures, split = run.pictures(), run.record().split
    reasons = {
        name: means_nothing_on(metric.card, pictures)
        or no_clips(metric.card, split)
        or metric.unavailable()
        for name, metric in loaded.items()
    }
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _refuse_altered_references(run: Run, units: Sequence[Unit]) -> None:
    for video in dict.fromkeys(unit.video for unit in units):
        for name in run.altered_references(video):
            raise ThbenchError(
                f"{run.path / name} is not the file that was written; remove its folder and "
                f"`thbench run-protocol --resume {run.path}`"
            )


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary)


def _stored_files(
    run: Run, units: Sequence[Unit], loaded: Mapping[str, Metric], unavailable: Mapping[str, str]
) -> Iterator[Path]:
    """The stored scores and features that the tables of a run are made from."""
    store = FeatureStore(run.path / "features")
    per_frame = frame_metrics(loaded, unavailable)
    specs = [
        metric.feature_spec()
        for name, metric in loaded.items()
        if is_set_metric(metric) and name not in unavailable
    ]

    for unit in with_frames(run, units):
        if per_frame:
            yield scores_file(run, unit)
        for spec in specs:
            for _, digests in frame_sets(run, unit):
                yield store.file(list(digests.values()), spec)
