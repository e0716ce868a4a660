"""Cross-reenactment (section 4, Figures 5, 11 and 13): heads learned from some sources, driven by
other videos of the person or of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from protocols.kinds.base import Definition
from protocols.lists.draw import draw_next_persons, draw_pairs
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.records.run import Kind
from thbench.records.split import DrawnVideo, Split

if TYPE_CHECKING:
    from thbench.method import Frames

DrivenBy = Literal["same-person", "other-persons", "next-person", "listed"]


@dataclass(frozen=True, kw_only=True)
class CrossReenactment(Definition):
    """A protocol in which several driving videos move each head, `holdout` frames of each."""

    kind: ClassVar[Kind] = "cross-reenactment"
    takes_sources: ClassVar[bool] = True
    has_true_frames: ClassVar[bool] = False

    driven_by: DrivenBy  # whose videos drive a head ...
    drivers: int = 1  # ... how many of them ...
    rank_by: str = ""  # ... and the metric that ranks them
    adapt_landmarks: bool = False  # the driver's motion on the face shape of the head's person

    def draw(self, dataset: Dataset, sources: Dataset | None = None) -> Split:
        """See `Definition.draw`; raises `ThbenchError` also where a source has too few drivers."""
        if self.driven_by == "listed":
            return draw_pairs(dataset, self.names, self.videos, self.seed)
        if self.driven_by == "next-person":
            return draw_next_persons(dataset, self.names, self.videos, self.holdout, self.seed)

        random = np.random.default_rng([self.seed, 2])
        drivers = self._drivers(dataset, random)
        found = self._sources(sources or dataset, None if sources else drivers)
        if len(found) < self.videos:
            raise ThbenchError(
                f"{self.videos} sources with {max(self.T)} frames and {self.drivers} drivers with "
                f"{self.holdout} asked for; {(sources or dataset).name} has {len(found)}; lower "
                "--videos, --drivers, --holdout or the largest T"
            )

        chosen = sorted(random.choice(len(found), self.videos, replace=False))
        drawn = [
            self._draw_source(sources or dataset, found[index], dataset, drivers)
            for index in chosen
        ]
        return Split(
            self.seed,
            dataset.sha256,
            max(self.T),
            self.holdout_frames,
            drawn,
            sources.sha256 if sources else None,
        )

    def drive(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The frames of the drivers, one after the other."""
        from thbench.method import joined

        known = {driver.key: driver for driver in dataset.videos}
        places = zip(video.driver_of or [], video.holdout, strict=True)
        parts = [
            dataset.read(known[driver], [frame for _, frame in part])
            for driver, part in groupby(places, key=lambda place: place[0])
        ]
        return joined(parts)

    def drives(self, drive: Frames, shots: Frames, video: DrawnVideo) -> Frames:
        """With `adapt_landmarks` the motion of each driver on the face that the shots show."""
        if not self.adapt_landmarks:
            return drive

        from thbench.adaptation import adapted
        from thbench.method import joined

        parts, start = [], 0
        for _, part in groupby(video.driver_of or []):
            end = start + len(list(part))
            parts.append(adapted(drive[start:end], shots.landmarks))
            start = end
        return joined(parts)

    def floor(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The driving frames themselves: no other frame shows the person in their poses."""
        return self.drive(dataset, video)

    def check(self, video: DrawnVideo) -> str | None:
        """See `Definition.check`."""
        if video.driver_of is None:
            return "is driven by itself"

        counts = Counter(video.driver_of)
        if len(counts) != self.drivers or set(counts.values()) != {self.holdout}:
            return f"is not driven by {self._driving_videos}"

        if self.driven_by == "listed":
            return None

        same = {driver.partition("/")[0] == video.person for driver in counts}
        if same != {self.driven_by == "same-person"} or video.key in counts:
            whose = "another video of the person" if self._by_same_person else "other persons"
            return f"is not driven by {whose}"
        return None

    @property
    def holdout_frames(self) -> int:
        """Those of all drivers."""
        return self.holdout * self.drivers

    @property
    def ranked_by(self) -> str:
        """See `Definition.ranked_by`."""
        return self.rank_by

    def problem(self) -> str:
        """See `Definition.problem`."""
        if self.driven_by not in get_args(DrivenBy):
            return f"driven_by = {self.driven_by!r}, choose one of {', '.join(get_args(DrivenBy))}"
        if self.drivers < 1:
            return "drivers must be at least 1"
        one_each = (self.drivers, max(self.T, default=1)) == (1, 1)
        if self.driven_by == "listed" and not (one_each and self.holdout == 1):
            return 'driven_by = "listed" has pairs of frames: T = [1], drivers = 1, holdout = 1'
        if self.driven_by == "next-person" and not one_each:
            return 'driven_by = "next-person" has one shot and one driver: T = [1], drivers = 1'
        if bool(self.names) != (self.driven_by in ("listed", "next-person")):
            return 'names and driven_by = "listed" or "next-person" go together'
        return super().problem()

    @property
    def not_measured(self) -> Set[str]:
        """See `Definition.not_measured`."""
        as_driven = set() if self.adapt_landmarks else {"adapt_landmarks"}
        return super().not_measured | {"holdout_rule"} | as_driven

    def in_words(self, sources: str) -> list[str]:
        """What drives what."""
        return [
            f"sources   {sources}",
            f"driven by {self.driven_by}, {self._driving_videos}; "
            f"ranked by {self.rank_by or 'nothing'}",
        ]

    @property
    def _driving_videos(self) -> str:
        if self.drivers == 1:
            return f"1 video, {self.holdout} frames of it"
        return f"{self.drivers} videos, {self.holdout} frames of each"

    @property
    def _by_same_person(self) -> bool:
        return self.driven_by == "same-person"

    def _drivers(self, dataset: Dataset, random: np.random.Generator) -> list[Video]:
        """The videos that are long enough to drive a head, in random order."""
        long_enough = [
            video for video in videos_of(dataset, "test") if video.n_frames >= self.holdout
        ]
        return [long_enough[index] for index in random.permutation(len(long_enough))]

    def _sources(self, sources: Dataset, drivers: Sequence[Video] | None) -> list[Video]:
        """The videos that a head can be learned from.

        drivers: those of the same dataset. A video of it that too few of them fit is passed over,
        while photographs that nobody drives are an error, told by `_draw_source`.
        """
        from thbench.data.photos import HandPicked

        shots = max(self.T)
        few = [video for video in sources.videos if video.n_frames < shots]
        if isinstance(sources, HandPicked) and few:
            raise ThbenchError(
                f"T = {shots} needs {shots} photographs of {few[0].person}, {sources.name} has "
                f"{few[0].n_frames}; lower --T or leave {few[0].person} out"
            )

        found = [video for video in videos_of(sources, "test") if video.n_frames >= shots]
        if drivers is None:
            return found
        return [video for video in found if len(self._fitting(video, drivers)) >= self.drivers]

    def _draw_source(
        self, sources: Dataset, source: Video, dataset: Dataset, drivers: Sequence[Video]
    ) -> DrawnVideo:
        # The first drivers of one drawn order: the same ones for every source, its own person left
        # out.
        fitting = self._fitting(source, drivers)[: self.drivers]
        if len(fitting) < self.drivers:
            raise ThbenchError(self._too_few_drivers(source, dataset, len(fitting)))

        shots = self._draw_shots(source)
        held = [
            (driver, frame)
            for driver in fitting
            for frame in _spread(driver, self.holdout, self.seed)
        ]

        shot_names = sources.frame_names(source)
        driver_names = {driver.key: dataset.frame_names(driver) for driver in fitting}
        return DrawnVideo(
            source.person,
            source.video,
            shots,
            [frame for _, frame in held],
            [],
            [shot_names[frame] for frame in shots],
            [driver_names[driver.key][frame] for driver, frame in held],
            None,
            [driver.key for driver, _ in held],
        )

    def _draw_shots(self, source: Video) -> list[int]:
        """One frame of each stretch of the source, in random order."""
        random = np.random.default_rng([self.seed, 3, *source.key.encode()])
        stretches = np.array_split(np.arange(source.n_frames), max(self.T))
        frames = [int(random.choice(stretch)) for stretch in stretches]
        return [int(frame) for frame in random.permutation(frames)]

    def _fitting(self, source: Video, drivers: Sequence[Video]) -> list[Video]:
        """The videos that may drive a source, in their order."""
        return [
            video
            for video in drivers
            if (video.person == source.person) == self._by_same_person and video.key != source.key
        ]

    def _too_few_drivers(self, source: Video, dataset: Dataset, found: int) -> str:
        whose = (
            f"a test person called {source.person}"
            if self._by_same_person
            else f"others than {source.person}"
        )
        return (
            f"{self.drivers} driving videos of {whose} with {self.holdout} frames asked for; "
            f"{dataset.name} tests {found}; leave {source.person} out, or lower --drivers or "
            "--holdout"
        )


def _spread(driver: Video, frames: int, seed: int) -> list[int]:
    """Frames of a driver in time order, spread over the video; the same for every source."""
    random = np.random.default_rng([seed, 4, *driver.key.encode()])
    stretches = np.array_split(np.arange(driver.n_frames), frames)
    return [int(random.choice(stretch)) for stretch in stretches]
