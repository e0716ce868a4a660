"""Which videos were tested, and which of their frames were shots or hold-out: a split file, and
part of run.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from thbench.records.encode import WHERE_SAID
from thbench.records.video_key import video_key

FramePlace = tuple[str, int]  # ("person/video", position)


@dataclass(frozen=True)
class DrawnVideo:
    """One test video: T_max shots (the first T are the T shots), the hold-out frames in time order,
    all disjoint.

    floor: as many other frames of the same video, or of `floor_of`, another one of the person, for
    the real-vs-real row; empty where there is none. others: per hold-out
    frame two frames of two other videos of the person (the user study's triplets), or None where
    the person has fewer than three videos. driver_of: in cross-reenactment the video
    ("person/video") that each hold-out frame comes from, driver by driver; None where the video
    itself drives. shot_times_s, holdout_times_s: when each frame was recorded, in seconds from the
    start of its clip; None where nobody recorded it.
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

    def __post_init__(self) -> None:
        """Raises `ValueError` unless each frame has one name, driver and pair of others."""
        if len(self.shot_names) != len(self.shots):
            raise ValueError(f"has {len(self.shots)} shots and the names of {len(self.shot_names)}")
        of_frames = {
            "names": self.holdout_names,
            "drivers": self.driver_of,
            "triplets": self.others,
        }
        for what, values in of_frames.items():
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


@dataclass(frozen=True)
class ListedRecord:
    """What share of a published list of clips is here. found_sha256: of the clips and their numbers
    of frames, so that two labs see whether they have the same.
    """

    name: str
    n_listed: int
    n_found: int
    found_sha256: str

    def __str__(self) -> str:
        """Such as "fomm-vox1: 437 of 525 clips (found: 0f3a12...)"."""
        found = self.found_sha256[:12]
        return f"{self.name}: {self.n_found} of {self.n_listed} clips (found: {found})"


@dataclass(frozen=True)
class Split:
    """The test videos of a run; the same seed and dataset give the same split.

    sources_sha256: of the dataset that cross-reenactment learns its heads from, where it is another
    one. listed: the list of clips that it follows, if any.
    """

    seed: int
    dataset_sha256: str
    shots: int
    holdout: int
    videos: list[DrawnVideo]
    sources_sha256: str | None = None
    listed: ListedRecord | None = field(default=None, metadata=WHERE_SAID)

    def __post_init__(self) -> None:
        """Raises `ValueError` for a split without videos, or with other numbers of frames than it
        states.
        """
        if not self.videos:
            raise ValueError("names no video")
        for video in self.videos:
            found = (len(video.shots), len(video.holdout))
            if min(found) < 1 or len(video.shots) != self.shots:
                raise ValueError(
                    f"has {found[0]} shots and {found[1]} hold-out frames of {video.key}, "
                    f"{self.shots} and {self.holdout} expected"
                )
