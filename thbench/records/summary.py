"""summary.json: one row per method and T with every metric, and the differences between methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FORMAT: Literal[1] = 1
Cluster = Literal["person", "video"]


@dataclass(frozen=True)
class MetricRecord:
    """What a metric is. stand_in: it takes the place of one whose official network is missing."""

    label: str
    higher_is_better: bool | None
    unit: str
    network: str | None
    stand_in: bool
    policy: str
    description: str


@dataclass(frozen=True)
class ScoreRecord:
    """One number; value is None where it was not computed, and reason says why."""

    value: float | None
    se: float | None
    ci95: tuple[float | None, float | None] | None
    n: int
    n_failed: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class RowRecord:
    """The scores of one method and T; the real-vs-real floor is method "real" with T = 0."""

    method: str
    T: int
    n_videos: int
    n_persons: int | None = None  # since errors are clustered by person
    n_frames: int
    n_failed_units: int
    metrics: Mapping[str, ScoreRecord]


@dataclass(frozen=True)
class DifferenceRecord:
    """score(a) - score(b) at one T, paired by video; p_holm is corrected over all differences of
    the metric.
    """

    metric: str
    T: int
    a: str
    b: str
    difference: float | None
    se: float | None = None
    ci95: tuple[float | None, float | None] | None = None
    p: float | None = None
    reason: str | None = None
    p_holm: float | None = None


@dataclass(frozen=True, kw_only=True)
class SummaryRecord:
    """The whole of summary.json. cluster: what standard errors left out as one."""

    format: Literal[1] = FORMAT
    cluster: Cluster = "video"
    metrics: Mapping[str, MetricRecord]
    rows: list[RowRecord]
    differences: list[DifferenceRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises `ValueError` for a row or a difference of other metrics than those described."""
        for row in self.rows:
            if row.metrics.keys() != self.metrics.keys():
                raise ValueError(
                    f"has other metrics in the row of {row.method}, T = {row.T}, than it describes"
                )
        for difference in self.differences:
            if difference.metric not in self.metrics:
                raise ValueError(f"has a difference of the unknown metric {difference.metric!r}")
