"""A run folder read for reporting: its scores, differences, times and study, typed and checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from reports.frames import read_frames
from reports.ranges import Interval, clipped, range_of, range_of_difference
from thbench.errors import ThbenchError
from thbench.files import read_json_object, sha256_json
from thbench.records.coverage import Cell, Coverage, coverage
from thbench.records.run import MethodRecord, RunRecord
from thbench.records.scores import USER, Difference, Metric, Score, ScoreRow
from thbench.records.split import DrawnVideo, ListedRecord
from thbench.records.summary import DifferenceRecord, RowRecord, ScoreRecord, SummaryRecord
from thbench.records.timing import TimeRecord, TimingRecord
from thbench.records.unit import UserRow
from thbench.records.video_key import video_keys
from thbench.runs import REAL, Run


@dataclass(frozen=True)
class Results:
    """One run, opened for reading; each file is read when it is first asked for."""

    run: Run

    @staticmethod
    def open(path: Path) -> Results:
        """Raises `ThbenchError` when `path` holds no run or a broken run.json."""
        return Results(Run.open(path))

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.run.path

    @cached_property
    def record(self) -> RunRecord:
        """run.json."""
        return self.run.record()

    @cached_property
    def stored(self) -> Mapping[str, Any]:
        """run.json word for word, for what shows or compares it without knowing its keys."""
        return read_json_object(self.run.run_json)

    @property
    def methods(self) -> Mapping[str, MethodRecord]:
        """The methods of the run by label."""
        return self.record.methods

    @property
    def shots(self) -> list[int]:
        """The values of T, ascending."""
        return sorted(self.record.T)

    @property
    def dataset(self) -> str:
        """The name of the dataset in tables."""
        return self.record.dataset.label or self.record.dataset.name

    @property
    def is_cross(self) -> bool:
        """Whether other videos drive the heads, so that generated frames have no true ones."""
        return self.record.protocol.kind == "cross-reenactment"

    @property
    def target(self) -> str:
        """What stands beside a generated frame: the true frame, or that of another video."""
        return "Driver" if self.is_cross else "Ground truth"

    @property
    def test_videos(self) -> Sequence[DrawnVideo]:
        """The test videos with their shots and hold-out frames."""
        return self.record.split.videos

    @property
    def listed(self) -> ListedRecord | None:
        """What share of a published list of clips the run has; None where it follows none."""
        return self.record.split.listed

    @property
    def videos(self) -> list[str]:
        """The keys of the test videos."""
        return [video.key for video in self.test_videos]

    def drivers(self, video: str) -> Sequence[str]:
        """Of each hold-out frame of a cross-reenactment, the key of the video it comes from."""
        (found,) = (entry for entry in self.test_videos if entry.key == video)
        return found.driver_of or []

    @property
    def is_scored(self) -> bool:
        """Whether the run has a summary."""
        return self.run.summary_json.exists()

    @cached_property
    def comparison_key(self) -> str:
        """Equal for runs with the same data, protocol and hold-out frames: the runs whose rows may
        be ranked together.
        """
        record = self.record
        split = [
            [video.person, video.video, video.holdout, video.driver_of]
            for video in self.test_videos
        ]
        sources = None if record.sources is None else record.sources.sha256

        return sha256_json([record.dataset.sha256, sources, record.protocol.sha256, split])

    @cached_property
    def summary(self) -> SummaryRecord:
        """summary.json.

        Raises `ThbenchError` when the run was not scored, or the file lacks what it must hold.
        """
        return self.run.summary_record()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of the run by name."""
        return {
            name: Metric(
                name=name,
                label=card.label or name,
                higher_is_better=card.higher_is_better,
                unit=card.unit,
                network=card.network or "",
                stand_in=card.stand_in,
                policy=card.policy,
                description=card.description,
            )
            for name, card in self.summary.metrics.items()
        }

    @cached_property
    def rows(self) -> Sequence[ScoreRow]:
        """The scores of every (method, T), the floor among them."""
        return [self._row(row) for row in self.summary.rows]

    def row(self, method: str, T: int) -> ScoreRow | None:
        """The scores of one (method, T), or None."""
        return next((row for row in self.rows if (row.method, row.T) == (method, T)), None)

    @property
    def floor(self) -> ScoreRow | None:
        """Real against real frames of the same videos."""
        return self.row(REAL, 0)

    @cached_property
    def coverage(self) -> Mapping[Cell, Mapping[str, Coverage]]:
        """By (method, T) and metric (USER too): over how many planned videos a number is."""
        policies = {name: metric.policy for name, metric in self.metrics.items()}
        return coverage(self.frames, {**policies, USER.name: USER.policy}, len(self.videos))

    @cached_property
    def differences(self) -> Sequence[Difference]:
        """The differences that were computed."""
        found = (self._difference(difference) for difference in self.summary.differences)
        return [difference for difference in found if difference is not None]

    @cached_property
    def frames(self) -> pd.DataFrame:
        """frames.parquet; raises `ThbenchError` when it is missing, altered or broken."""
        return read_frames(self.run, self.metrics.keys())

    @cached_property
    def timing(self) -> TimingRecord | None:
        """timing.json; None when nothing was timed."""
        return self.run.timing_record() if self.run.timing_json.exists() else None

    @property
    def times(self) -> Sequence[TimeRecord]:
        """What was timed: few-shot learning at each T, and inference."""
        return [] if self.timing is None else self.timing.rows

    @cached_property
    def study(self) -> Mapping[Cell, Score]:
        """The USER column by (method, T): people's success rate; empty when no study was scored."""
        rows = self.run.users().rows if self.run.study_json.exists() else []
        return {(row.method, row.T): self._user_score(row) for row in rows}

    def per_video(self, metric: str) -> pd.DataFrame:
        """Mean of a per-frame metric by video: columns method, T, video (its key), value.

        A frame without a value counts by the metric's policy: as 0 with "score-zero", else not at
        all. No rows for a metric that is not measured frame by frame.
        """
        frames = self.frames
        if metric not in frames.columns:
            return pd.DataFrame({"method": [], "T": [], "video": [], "value": []})

        values = frames[metric]
        if self.metrics[metric].policy == "score-zero":
            values = values.where(values.notna() | (frames["error"] != ""), 0.0)

        table = pd.DataFrame(
            {
                "method": frames["method"],
                "T": frames["T"],
                "video": video_keys(frames),
                "value": values,
            }
        )
        by_video = table.dropna().groupby(["method", "T", "video"], sort=False)
        return by_video["value"].mean().reset_index()

    def warning(self) -> str:
        """What a reader must know before believing the numbers, or an empty string."""
        said = []
        if self.record.status != "complete":
            said.append(f"unfinished run ({self.record.status}): {self._progress()}")
        if self.record.partial:
            said.append(f"partial run: {len(self.videos)} videos only")

        return "; ".join(said)

    def _progress(self) -> str:
        """Such as "3 of 8 units"."""
        if self.record.protocol.kind == "timing":
            n_planned = len(self.methods) * (len(self.shots) + 1)
            return f"{len(self.times)} of {n_planned} rows"

        units = list(self.run.planned())
        n_done = sum(self.run.read_unit(unit) is not None for unit in units)
        return f"{n_done} of {len(units)} units"

    def _row(self, row: RowRecord) -> ScoreRow:
        covered = self.coverage.get((row.method, row.T), {})
        return ScoreRow(
            method=row.method,
            T=row.T,
            n_videos=row.n_videos,
            n_frames=row.n_frames,
            n_failed_units=row.n_failed_units,
            scores={
                name: _score(name, score, covered.get(name)) for name, score in row.metrics.items()
            },
        )

    def _user_score(self, row: UserRow) -> Score:
        record = ScoreRecord(row.value, row.se, row.ci95, row.n, n_failed=0)
        covered = self.coverage.get((row.method, row.T), {})
        return _score(USER.name, record, covered.get(USER.name))

    def _difference(self, found: DifferenceRecord) -> Difference | None:
        """None where the difference was not computed."""
        if found.difference is None:
            return None

        nothing = Coverage(0, len(self.videos))
        covered = [
            self.coverage.get((side, found.T), {}).get(found.metric, nothing)
            for side in (found.a, found.b)
        ]
        return Difference(
            metric=found.metric,
            T=found.T,
            a=found.a,
            b=found.b,
            value=found.difference,
            ci95=_interval(found.ci95, range_of_difference(found.metric)),
            p_holm=found.p_holm,
            coverage=min(covered, key=lambda side: side.n_videos),
        )


def open_all(paths: Iterable[Path]) -> list[Results]:
    """Opens several runs; raises `ThbenchError` when there is none, or the same folder twice."""
    results = [Results.open(path) for path in paths]
    if not results:
        raise ThbenchError("no run given; name at least one run folder")

    if len({run.path.resolve() for run in results}) < len(results):
        raise ThbenchError("the same run folder is given twice; name each one once")
    return results


def known_metric(results: Sequence[Results], name: str) -> str:
    """`name`, or `ThbenchError` listing the metrics that the runs hold."""
    known = sorted({metric for run in results if run.is_scored for metric in run.metrics})
    if name not in known:
        raise ThbenchError(
            f"no metric named {name!r} in {results[0].path}; it holds {', '.join(known) or 'none'}"
        )
    return name


def _score(metric: str, record: ScoreRecord, covered: Coverage | None) -> Score:
    value = record.value
    return Score(
        value=value if value is None or math.isfinite(value) else None,
        se=record.se,
        ci95=_interval(record.ci95, range_of(metric)),
        n=record.n,
        n_failed=record.n_failed,
        reason=record.reason or "",
        coverage=covered,
    )


def _interval(
    ends: tuple[float | None, float | None] | None, bounds: Interval
) -> tuple[float, float] | None:
    """The interval inside the range of its metric; None without both ends."""
    low, high = ends or (None, None)
    return None if low is None or high is None else clipped((low, high), bounds)
