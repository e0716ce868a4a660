"""A run folder read for reporting: its scores, differences, times and study, typed and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from reports.ranges import clipped, range_of, range_of_difference
from reports.table import LEVEL
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.metrics.coverage import Cell, Coverage, coverage
from thbench.runs import REAL, Run
from thbench.tables import is_text, read_table

FRAME_COLUMNS: dict[str, Callable[[pa.DataType], bool]] = {
    "method": is_text,
    "T": pa.types.is_integer,
    "person": is_text,
    "video": is_text,
    "frame": is_text,
    "position": pa.types.is_integer,
    "error": is_text,
}


@dataclass(frozen=True)
class Metric:
    """What summary.json says about a metric. stand_in: it replaces a metric whose official network
    is missing.
    """

    name: str
    label: str
    higher_is_better: bool | None
    unit: str
    network: str
    stand_in: bool
    policy: str
    description: str

    @property
    def heading(self) -> str:
        """The label with its unit: "AKD, px", "KID ×10³"."""
        return (
            f"{self.label} ×10³"
            if self.unit == "10^-3"
            else self.label + (f", {self.unit}" if self.unit else "")
        )


USER = Metric(
    "user",
    "USER",
    False,
    "",
    "",
    False,
    "",
    "share of raters who find the fake among three; chance is 1/3",
)


@dataclass(frozen=True)
class Score:
    """One number of one (method, T); value is None when it was not computed, and reason says why.

    ci95 lies inside the metric's range, so it may be cut at one end. coverage says over how many of
    the planned videos the number was computed, and so whether it may be ranked; None where nothing
    was computed.
    """

    value: float | None = None
    se: float | None = None
    ci95: tuple[float, float] | None = None
    n: int = 0
    n_failed: int = 0
    reason: str = ""
    coverage: Coverage | None = None

    @property
    def may_rank(self) -> bool:
        """Whether there is a number, over all of the videos and enough of them."""
        return self.value is not None and self.coverage is not None and self.coverage.may_rank


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one (method, T); the floor is method "real" with T = 0."""

    method: str
    T: int
    n_videos: int
    n_frames: int
    n_failed_units: int
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Difference:
    """score(a) - score(b) at one T, paired by video; coverage is that of the smaller side."""

    metric: str
    T: int
    a: str
    b: str
    value: float
    ci95: tuple[float, float] | None
    p_holm: float | None
    coverage: Coverage

    @property
    def is_significant(self) -> bool:
        """Whether the difference is told from chance, over enough and all of the videos."""
        return self.coverage.may_rank and self.p_holm is not None and self.p_holm < LEVEL

    def seen_from(self, method: str) -> Difference:
        """The same difference as score(method) - score(the other one)."""
        if method == self.a:
            return self
        ends = None if self.ci95 is None else (-self.ci95[1], -self.ci95[0])
        return replace(self, a=self.b, b=self.a, value=-self.value, ci95=ends)


@dataclass(frozen=True)
class Time:
    """Median and spread of a phase ("few-shot" at T shots, or "inference" with T None)."""

    method: str
    T: int | None
    phase: str
    median_s: float
    iqr_s: float | None
    n: int
    parts: Mapping[str, float | None]
    memory_peak_mb: float | None
    note: str


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
        return self.run.path

    @cached_property
    def info(self) -> dict[str, Any]:
        return self.run.info()

    @property
    def methods(self) -> Mapping[str, Mapping[str, Any]]:
        methods: Mapping[str, Mapping[str, Any]] = self.info["methods"]
        return methods

    @property
    def shots(self) -> list[int]:
        """The values of T, ascending."""
        return sorted(self.info["T"])

    @property
    def dataset(self) -> str:
        return str(self.info["dataset"].get("label") or self.info["dataset"]["name"])

    @property
    def target(self) -> str:
        """What a generated frame stands beside: "Ground truth", or "Driver" where another video
        drives.
        """
        return "Driver" if self.is_cross else "Ground truth"

    @property
    def is_cross(self) -> bool:
        """Whether other videos drive the heads, so that generated frames have no true ones."""
        return bool(self.info["protocol"]["kind"] == "cross-reenactment")

    @property
    def videos(self) -> list[str]:
        """The test videos as "person/video"."""
        return [f"{v['person']}/{v['video']}" for v in self.info["split"]["videos"]]

    def drivers(self, video: str) -> list[str]:
        """Of each hold-out frame of a cross-reenactment, the video that it comes from."""
        described = next(
            v for v in self.info["split"]["videos"] if f"{v['person']}/{v['video']}" == video
        )
        return list(described["driver_of"])

    @property
    def is_scored(self) -> bool:
        return self.run.summary_json.exists()

    @cached_property
    def comparison_key(self) -> str:
        """Equal for runs whose rows may be ranked together: same data, protocol, and hold-out
        frames.
        """
        split = [
            [v["person"], v["video"], v["holdout"], v.get("driver_of")]
            for v in self.info["split"]["videos"]
        ]
        return sha256_json(
            [
                self.info["dataset"]["sha256"],
                (self.info.get("sources") or {}).get("sha256"),
                self.info["protocol"]["sha256"],
                split,
            ]
        )

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; raises `ThbenchError` when the run was not scored or the file lacks what it
        must hold.
        """
        return self.run.summary()

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        return {
            name: Metric(
                name,
                str(entry.get("label") or name),
                entry.get("higher_is_better"),
                str(entry.get("unit") or ""),
                str(entry.get("network") or ""),
                bool(entry.get("stand_in")),
                str(entry.get("policy") or ""),
                str(entry.get("description") or ""),
            )
            for name, entry in self.summary["metrics"].items()
        }

    @cached_property
    def rows(self) -> list[ScoreRow]:
        return [self._row(row) for row in self.summary["rows"]]

    def _row(self, row: Mapping[str, Any]) -> ScoreRow:
        covered = self.coverage.get((row["method"], int(row["T"])), {})
        scores = {
            name: _score(name, entry, covered.get(name)) for name, entry in row["metrics"].items()
        }
        return ScoreRow(
            row["method"],
            int(row["T"]),
            row["n_videos"],
            row["n_frames"],
            row["n_failed_units"],
            scores,
        )

    @cached_property
    def coverage(self) -> Mapping[Cell, Mapping[str, Coverage]]:
        """By (method, T) and metric (USER too): over how many of the planned videos a number is."""
        policies = {name: metric.policy for name, metric in self.metrics.items()}
        return coverage(self.frames, {**policies, USER.name: USER.policy}, len(self.videos))

    def row(self, method: str, T: int) -> ScoreRow | None:
        """The scores of one (method, T), or None."""
        return next((row for row in self.rows if (row.method, row.T) == (method, T)), None)

    @property
    def floor(self) -> ScoreRow | None:
        """Real against real frames of the same videos."""
        return self.row(REAL, 0)

    @cached_property
    def differences(self) -> list[Difference]:
        return [
            self._difference(d)
            for d in self.summary.get("differences", [])
            if d.get("difference") is not None
        ]

    def _difference(self, entry: Mapping[str, Any]) -> Difference:
        metric, T, sides = entry["metric"], int(entry["T"]), (entry["a"], entry["b"])
        nothing = Coverage(0, len(self.videos))
        covered = [self.coverage.get((side, T), {}).get(metric, nothing) for side in sides]
        interval = _interval(entry.get("ci95"))
        if interval is not None:
            interval = clipped(interval, range_of_difference(metric))
        return Difference(
            metric,
            T,
            *sides,
            entry["difference"],
            interval,
            entry.get("p_holm"),
            min(covered, key=lambda side: side.n_videos),
        )

    @cached_property
    def frames(self) -> pd.DataFrame:
        """frames.parquet; raises `ThbenchError` when it is missing, altered or broken."""
        remedy = f"rebuild it with `thbench score {self.path}`"
        table = read_table(self.run.checked_frames_parquet(), remedy)

        for name, holds in FRAME_COLUMNS.items():
            if (
                name not in table.column_names
                or not holds(table.schema.field(name).type)
                or (table[name].null_count)
            ):
                raise ThbenchError(
                    f"{self.run.frames_parquet} has no whole column {name}: {remedy}"
                )
        for name in set(table.column_names) & self.metrics.keys():
            if not pa.types.is_floating(table.schema.field(name).type):
                raise ThbenchError(f"{self.run.frames_parquet} has no numbers in {name}: {remedy}")

        frames: pd.DataFrame = table.to_pandas()
        return frames

    @cached_property
    def timing(self) -> dict[str, Any]:
        """timing.json, or an empty dictionary when nothing was timed."""
        return self.run.timing() if self.run.timing_json.exists() else {}

    @cached_property
    def times(self) -> list[Time]:
        return [
            Time(
                t["method"],
                t["T"],
                t["phase"],
                t["median_s"],
                t.get("iqr_s"),
                t["n"],
                t.get("parts") or {},
                t.get("memory_peak_mb"),
                t.get("note") or "",
            )
            for t in self.timing.get("rows", [])
        ]

    @cached_property
    def study(self) -> dict[tuple[str, int], Score]:
        """The USER column by (method, T): people's success rate; empty when no study was scored."""
        rows = self.run.users().rows if self.run.study_json.exists() else []
        return {
            (row.method, row.T): _score(
                USER.name, asdict(row), self.coverage.get((row.method, row.T), {}).get(USER.name)
            )
            for row in rows
        }

    def per_video(self, metric: str) -> pd.DataFrame:
        """Mean of a per-frame metric by (method, T, "person/video"): columns method, T, video,
        value.

        A frame without a value counts by the metric's policy: as 0 with "score-zero", else not at
        all.
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
                "video": frames["person"] + "/" + frames["video"],
                "value": values,
            }
        )
        return (
            table.dropna()
            .groupby(["method", "T", "video"], sort=False)["value"]
            .mean()
            .reset_index()
        )

    def warning(self) -> str:
        """What a reader must know before believing the numbers, or an empty string."""
        said = []
        if self.info["status"] != "complete" and self.info["protocol"]["kind"] == "timing":
            said.append(
                f"unfinished run ({self.info['status']}): {len(self.times)} of "
                f"{len(self.methods) * (len(self.shots) + 1)} rows"
            )
        elif self.info["status"] != "complete":
            done = sum(self.run.read_unit(unit) is not None for unit in self.run.planned())
            said.append(
                f"unfinished run ({self.info['status']}): {done} of {sum(1 for _ in self.run.planned())} units"
            )
        if self.info.get("partial"):
            said.append(f"partial run: {len(self.videos)} videos only")
        return "; ".join(said)


def open_all(paths: Iterable[Path]) -> list[Results]:
    """Opens several runs; raises `ThbenchError` when there is none or the same folder twice."""
    results = [Results.open(path) for path in paths]
    if not results:
        raise ThbenchError("no run given; name at least one run folder")
    if len({r.path.resolve() for r in results}) < len(results):
        raise ThbenchError("the same run folder is given twice; name each one once")
    return results


def known_metric(results: Sequence[Results], name: str) -> str:
    """`name`, or `ThbenchError` listing the metrics that the runs hold."""
    known = sorted({metric for r in results if r.is_scored for metric in r.metrics})
    if name not in known:
        raise ThbenchError(
            f"no metric named {name!r} in {results[0].path}; it holds {', '.join(known) or 'none'}"
        )
    return name


def _score(metric: str, entry: Mapping[str, Any], covered: Coverage | None) -> Score:
    value, interval = entry.get("value"), _interval(entry.get("ci95"))
    return Score(
        value if value is None or math.isfinite(value) else None,
        entry.get("se"),
        None if interval is None else clipped(interval, range_of(metric)),
        int(entry.get("n") or 0),
        int(entry.get("n_failed") or 0),
        str(entry.get("reason") or ""),
        covered,
    )


def _interval(ends: Sequence[float | None] | None) -> tuple[float, float] | None:
    low, high = ends or (None, None)
    return None if low is None or high is None else (float(low), float(high))
