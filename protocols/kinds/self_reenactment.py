"""Self-reenactment (section 4): the hold-out frames of a video drive a head learned from others."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from protocols.kinds.base import Definition
from protocols.split import draw_split
from thbench.data.dataset import Dataset, find_video
from thbench.errors import ThbenchError
from thbench.records.run import Kind
from thbench.records.split import DrawnVideo, Split

if TYPE_CHECKING:
    from thbench.method import Frames

HoldoutRule = Literal["part", "interleaved", "clip"]
Identity = Literal["frame", "shots"]


@dataclass(frozen=True, kw_only=True)
class SelfReenactment(Definition):
    """A protocol in which every video drives the head of its own person."""

    kind: ClassVar[Kind] = "self-reenactment"

    # See `split.draw_split`; "clip": all frames of a clip, which `thbench score-videos` scores.
    holdout_rule: HoldoutRule = "part"
    identity: Identity = "frame"  # what a face is compared with: the true frame, or the shots

    def draw(self, dataset: Dataset, sources: Dataset | None = None) -> Split:
        """See `split.draw_split`; raises `ThbenchError` also by the rule "clip"."""
        if self.holdout_rule == "clip":
            raise ThbenchError(
                f'protocol {self.name!r}: holdout_rule = "clip" is that of `thbench score-videos`, '
                "which draws nothing; choose part or interleaved"
            )
        return draw_split(
            dataset, self.videos, max(self.T), self.holdout, self.seed, self.holdout_rule
        )

    def drive(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The hold-out frames of the video itself."""
        return dataset.read(find_video(dataset, video.key), video.holdout)

    def floor(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """Other frames of the video."""
        return dataset.read(find_video(dataset, video.key), video.floor)

    def check(self, video: DrawnVideo) -> str | None:
        """See `Definition.check`."""
        if video.driver_of is not None:
            return "is driven by other videos"

        apart = max(video.shots) < min(video.holdout) or max(video.holdout) < min(video.shots)
        if self.holdout_rule == "part" and not apart:
            return 'has hold-out frames between its shots, the protocol has holdout_rule = "part"'
        return None

    @property
    def identity_by_shots(self) -> bool:
        """See `Definition.identity_by_shots`."""
        return self.identity == "shots"

    @property
    def not_measured(self) -> Set[str]:
        """An interleaved protocol keeps the identity that it had before there was a choice."""
        interleaved = {"holdout_rule"} if self.holdout_rule == "interleaved" else set()
        return super().not_measured | {"driven_by", "drivers"} | interleaved
