"""Timing (appendix A.1, Table 2): one video drives itself, and only the seconds count."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from protocols.kinds.base import Definition
from protocols.split import Rules, draw_split
from thbench.data.dataset import Dataset, find_video
from thbench.records.run import Kind
from thbench.records.split import DrawnVideo, Split

if TYPE_CHECKING:
    from thbench.method import Frames


@dataclass(frozen=True, kw_only=True)
class Timing(Definition):
    """A protocol that measures how long few-shot learning and inference take."""

    kind: ClassVar[Kind] = "timing"
    measures: ClassVar[Literal["frames", "time"]] = "time"

    iterations: int = 100  # measured repetitions ...
    warmup: int = 10  # ... after these

    def draw(self, dataset: Dataset, sources: Dataset | None = None) -> Split:
        """See `split.draw_split`."""
        return draw_split(dataset, self.videos, max(self.T), self.holdout, self.seed, Rules())

    def drive(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The first hold-out frame: inference is timed frame by frame."""
        return dataset.read(find_video(dataset, video.key), video.holdout[:1])

    def floor(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """Other frames of the video; nothing is compared with them."""
        return dataset.read(find_video(dataset, video.key), video.floor)

    def check(self, video: DrawnVideo) -> str | None:
        """See `Definition.check`."""
        return None if video.driver_of is None else "is driven by other videos"

    def problem(self) -> str:
        """See `Definition.problem`."""
        if self.iterations < 1 or self.warmup < 0:
            return "iterations must be at least 1 and warmup at least 0"
        return super().problem()

    @property
    def not_measured(self) -> Set[str]:
        """See `Definition.not_measured`."""
        return super().not_measured | {
            "driven_by",
            "drivers",
            "holdout_rule",
            "adapt_landmarks",
        }

    def with_values(self, **changes: Any) -> Self:
        """See `Definition.with_values`; no more repetitions warm up than are measured."""
        iterations = changes.get("iterations")
        if iterations is not None and changes.get("warmup") is None:
            changes["warmup"] = min(iterations, self.warmup)
        return super().with_values(**changes)
