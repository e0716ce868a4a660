"""Self-reenactment (section 4): the hold-out frames of a video drive a head learned from others."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from protocols.kinds.base import Definition
from protocols.lists.draw import draw_named
from protocols.split import DriveRule, Rules, ShotRule, draw_split
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

    # See `split.Rules`; "clip": all frames of a clip, which `thbench score-videos` scores.
    holdout_rule: HoldoutRule = "part"
    drive_rule: DriveRule = "spread"
    shot_rule: ShotRule = "spread"
    identity: Identity = "frame"  # what a face is compared with: the true frame, or the shots

    def draw(self, dataset: Dataset, sources: Dataset | None = None) -> Split:
        """See `split.draw_split`, and `lists.draw` for a list of clips; raises `ThbenchError` also
        by the rule "clip".
        """
        if self.holdout_rule == "clip":
            raise ThbenchError(
                f'protocol {self.name!r}: holdout_rule = "clip" is that of `thbench score-videos`, '
                "which draws nothing; choose part or interleaved"
            )
        rules = Rules(self.holdout_rule, self.drive_rule, self.shot_rule)
        if self.names:
            return draw_named(dataset, self.names, self.videos, self.holdout, self.seed, rules)
        return draw_split(dataset, self.videos, max(self.T), self.holdout, self.seed, rules)

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

        steps = {after - before for before, after in pairwise(video.holdout)}
        if self.drive_rule == "consecutive" and steps - {1}:
            return (
                "has hold-out frames that do not follow each other, the protocol has "
                'drive_rule = "consecutive"'
            )
        if self.shot_rule == "first-frame" and video.shots != [0]:
            return 'is not learned from its first frame, the protocol has shot_rule = "first-frame"'
        return None

    def problem(self) -> str:
        """See `Definition.problem`."""
        if self.names and self.shot_rule != "first-frame":
            return 'names needs shot_rule = "first-frame"'
        if self.drive_rule == "even" and self.shot_rule != "first-frame":
            return 'drive_rule = "even" needs shot_rule = "first-frame"'
        if self.shot_rule == "first-frame" and tuple(self.T) != (1,):
            return f'shot_rule = "first-frame" is one shot of each video, and T = {list(self.T)}'

        is_spread = self.drive_rule == self.shot_rule == "spread"
        if self.holdout_rule != "part" and not is_spread:
            return (
                'drive_rule = "consecutive" and shot_rule = "first-frame" hold out a part of the '
                f'video, and holdout_rule = "{self.holdout_rule}"'
            )
        return super().problem()

    def in_words(self, sources: str) -> list[str]:
        """How frames are drawn, where that is not by the paper's rules."""
        shots = {"spread": "spread", "first-frame": "the first frame"}[self.shot_rule]
        if self.drive_rule == self.shot_rule == "spread":
            return []
        return [f"frames    shots: {shots}; hold-out: {self.drive_rule}"]

    @property
    def identity_by_shots(self) -> bool:
        """See `Definition.identity_by_shots`."""
        return self.identity == "shots"

    @property
    def not_measured(self) -> Set[str]:
        """An interleaved protocol keeps the identity that it had before there was a choice."""
        interleaved = {"holdout_rule"} if self.holdout_rule == "interleaved" else set()
        return super().not_measured | {"driven_by", "drivers", "adapt_landmarks"} | interleaved
