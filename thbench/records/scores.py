"""What a scored run says, ready to be reported: metrics, scores, and differences of methods.

The records of summary.json hold the numbers as they were written. These here know besides what a
number rests on: over how many of the planned videos it was computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from thbench.records.coverage import Coverage

LEVEL = 0.05  # a difference with a larger p-value is noise


@dataclass(frozen=True)
class Metric:
    """What a metric is. stand_in: it takes the place of one whose official network is missing."""

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
        if self.unit == "10^-3":
            return f"{self.label} ×10³"
        return f"{self.label}, {self.unit}" if self.unit else self.label


USER = Metric(
    name="user",
    label="USER",
    higher_is_better=False,
    unit="",
    network="",
    stand_in=False,
    policy="",
    description="share of raters who find the fake among three; chance is 1/3",
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

    @property
    def is_partial(self) -> bool:
        """Whether planned videos are missing from the number."""
        return self.coverage is not None and not self.coverage.is_whole

    @property
    def is_rough(self) -> bool:
        """Whether the number is over few videos."""
        return self.coverage is not None and self.coverage.is_few


NO_SCORE = Score()


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one (method, T) by metric; the floor is method "real" with T = 0."""

    method: str
    T: int
    n_videos: int
    n_frames: int
    n_failed_units: int
    scores: Mapping[str, Score]

    def score(self, metric: str) -> Score:
        """The score of a metric; one without a value where the run does not hold the metric."""
        return self.scores.get(metric, NO_SCORE)


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
