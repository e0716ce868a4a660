"""audit.json: what each metric sees of each defect, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FORMAT: Literal[1] = 1
Verdict = Literal["sees", "blind", "rewards", "unclear"]


@dataclass(frozen=True)
class EffectRecord:
    """How much worse a metric finds frames with a defect than those without: harm > 0 is worse.

    se: clustered by video, of the videos of the audit. z: harm over the standard error that 50
    videos would have.
    """

    strength: float
    harm: float | None
    se: float | None
    z: float | None


@dataclass(frozen=True, kw_only=True)
class ReactionRecord:
    """One metric and one defect.

    verdict: at the strongest defect; "rewards" where the metric finds the defect better, "unclear"
    where the audit's own videos are too few to be sure. monotone:
    no step to a stronger defect lowers the harm by more than twice its standard error. smallest:
    the strength that 50 videos tell from none in four of five experiments, at 5 %; None for none.
    at_most: that strength is the weakest that was tried, or below. smallest_se is its standard
    error, None where it could not be made.
    """

    metric: str
    defect: str
    verdict: Verdict
    monotone: bool
    smallest: float | None
    smallest_se: float | None
    at_most: bool
    effects: list[EffectRecord]


@dataclass(frozen=True)
class AuditedMetricRecord:
    """A metric; base: its value on frames without the defect."""

    label: str
    higher_is_better: bool
    unit: str
    network: str | None
    base: float | None
    base_se: float | None


@dataclass(frozen=True)
class DefectRecord:
    label: str
    unit: str
    strengths: list[float]


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """The audit on one kind of pictures; base_in_words: what the frames without the defect are."""

    pictures: str
    base_in_words: str
    size_px: int
    n_videos: int
    n_frames: int
    metrics: Mapping[str, AuditedMetricRecord]
    defects: Mapping[str, DefectRecord]
    reactions: list[ReactionRecord]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def reaction(self, metric: str, defect: str) -> ReactionRecord:
        """That of a metric to a defect."""
        return next(
            found for found in self.reactions if (found.metric, found.defect) == (metric, defect)
        )


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """The whole of audit.json. left_out of a part: metric -> why it was not audited."""

    format: Literal[1] = FORMAT
    version: str
    seed: int
    parts: list[PartRecord]
