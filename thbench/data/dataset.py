"""What every dataset offers, prepared or synthetic: persons -> videos -> frames, read at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from thbench.errors import ThbenchError
from thbench.pictures import Pictures
from thbench.records.video_key import video_key

if TYPE_CHECKING:
    from thbench.method import Frames

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Video:
    """One recording (the YouTube id in VoxCeleb, not the utterance clip) of one person."""

    person: str
    video: str
    split: Split
    n_frames: int

    @property
    def key(self) -> str:
        """`person/video`, unique in a dataset."""
        return video_key(self.person, self.video)


class Dataset(Protocol):
    """Persons, their videos and their frames. Test persons are never in training.

    sha256 changes whenever any frame, landmark or split changes. pictures says what the frames
    show, and so which metrics mean something on them.
    """

    @property
    def name(self) -> str: ...

    @property
    def size_px(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    @property
    def pictures(self) -> Pictures: ...

    @property
    def videos(self) -> Sequence[Video]: ...

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """The frames at these positions of the video, 0 to n_frames - 1, in the order asked for."""
        ...

    def frame_names(self, video: Video) -> list[str]:
        """A stable name for each frame of the video, `clip/frame`, in time order."""
        ...

    def frame_times_s(self, video: Video) -> list[float] | None:
        """When each frame was recorded, in seconds from the start of its clip; None if unknown."""
        ...


def videos_of(dataset: Dataset, split: Split) -> Sequence[Video]:
    """The videos of one split, in the dataset's order."""
    from thbench.data.video_table import VideoTable  # which needs `Video` of this file

    if isinstance(dataset.videos, VideoTable):
        return dataset.videos.of_split(split)
    return [video for video in dataset.videos if video.split == split]


def find_video(dataset: Dataset, key: str) -> Video:
    """The video called `key`; raises `ThbenchError` where the dataset has none of that name."""
    for video in dataset.videos:
        if video.key == key:
            return video
    raise ThbenchError(f"{dataset.name} has no video {key}")
