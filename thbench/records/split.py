"""Which videos and frames a run tests: the content of a split file, and part of run.json."""

from __future__ import annotations

from dataclasses import dataclass, field

from thbench.records.encode import WHERE_SAID
from thbench.records.video_key import video_key

FramePlace = tuple[str, int]  # ("person/video", position)


@dataclass(frozen=True)
class DrawnVideo:
    """One test video and the positions of the frames that it is tested with.

    shots: for the largest T; a smaller T takes the first T of them.
    holdout: in time order; none of these frames is a shot.
    floor: frames for the real-vs-real row that are not held out, as many as those that are, of
        this video or of `floor_of`; empty where there is no such row.
    floor_of: another video of the person ("person/video"); None where `floor` is of this one.
    shot_names, holdout_names: what the dataset calls the frames.
    others: for each hold-out frame, two frames of two other videos of the person, for the user
        study's triplets; None where the person has fewer than three videos.
    shown_in: the video of the dataset ("person/video") that the shots are of; None where it is this
        one. Several pairs of a list may share a source, and then have names of their own.
    driver_of: in cross-reenactment, the video ("person/video") that each hold-out frame comes from,
        driver by driver; None where the video itself drives.
    shot_times_s, holdout_times_s: when the frames were recorded, in seconds from the start of the
        clip; None where that is unknown.
    """

    person: str
    video: str
    shots: list[int]
    holdout: list[int]
    floor: list[int]
    shot_names: list[str]
    holdout_names: list[str]
    others: list[list[FramePlace]] | None
    driver_of: list[str] | None = None
    shot_times_s: list[float] | None = None
    holdout_times_s: list[float] | None = None
    floor_of: str | None = field(default=None, metadata=WHERE_SAID)
    shown_in: str | None = field(default=None, metadata=WHERE_SAID)

    def __post_init__(self) -> None:
        """Raises `ValueError` unless each frame has one name, driver, time and pair of others."""
        if len(self.shot_names) != len(self.shots):
            raise ValueError(f"has {len(self.shots)} shots and the names of {len(self.shot_names)}")

        one_per_holdout_frame = {
            "names": self.holdout_names,
            "drivers": self.driver_of,
            "triplets": self.others,
        }
        for what, values in one_per_holdout_frame.items():
            if values is not None and len(values) != len(self.holdout):
                raise ValueError(
                    f"has {len(self.holdout)} hold-out frames and {len(values)} {what}"
                )

        for times_s, frames in (
            (self.shot_times_s, self.shots),
            (self.holdout_times_s, self.holdout),
        ):
            if times_s is not None and len(times_s) != len(frames):
                raise ValueError(f"has {len(times_s)} times of {len(frames)} frames")

        if any(len(pair) != 2 for pair in self.others or []):
            raise ValueError("has triplets without two other frames")
        if min([0, *self.shots, *self.holdout, *self.floor]) < 0:
            raise ValueError("has frames at negative positions")

    @property
    def key(self) -> str:
        """The key of the video, "person/video"."""
        return video_key(self.person, self.video)

    @property
    def source(self) -> str:
        """The key of the dataset's video that the shots are of."""
        return self.shown_in or self.key


@dataclass(frozen=True)
class ListedRecord:
    """How much of a published list of clips, or of pairs, the dataset has.

    found_sha256: a hash over the clips found and how many frames each has, or over the pairs. Two
    labs that have the same ones have the same hash.
    """

    name: str
    n_listed: int
    n_found: int
    found_sha256: str
    what: str = field(default="clips", metadata=WHERE_SAID)

    def __str__(self) -> str:
        """A line such as "fomm-vox1: 437 of 525 clips (found: 0f3a12...)"."""
        found = self.found_sha256[:12]
        return f"{self.name}: {self.n_found} of {self.n_listed} {self.what} (found: {found})"


@dataclass(frozen=True)
class Split:
    """The test videos of a run; the same seed and dataset give the same split.

    dataset_sha256: the hash of the dataset with the test videos.
    shots: the number of shots of each video.
    holdout: the largest number of hold-out frames of a video.
    sources_sha256: the hash of the dataset that cross-reenactment learns its heads from; None where
        that is the same dataset.
    listed: the published list of clips that the split follows, if any.
    """

    seed: int
    dataset_sha256: str
    shots: int
    holdout: int
    videos: list[DrawnVideo]
    sources_sha256: str | None = None
    listed: ListedRecord | None = field(default=None, metadata=WHERE_SAID)

    def __post_init__(self) -> None:
        """Raises `ValueError` for no videos, and for one with other than the stated numbers of
        shots and hold-out frames.
        """
        if not self.videos:
            raise ValueError("names no video")

        for video in self.videos:
            shots, holdout = len(video.shots), len(video.holdout)
            if shots != self.shots or not 1 <= holdout <= self.holdout:
                raise ValueError(
                    f"has {shots} shots and {holdout} hold-out frames of {video.key}, "
                    f"{self.shots} and 1 to {self.holdout} expected"
                )
