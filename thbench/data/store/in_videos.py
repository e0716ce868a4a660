"""A store whose frames stay in the videos that it was made of, and are decoded when they are read.

It holds landmarks, crops and the place of each frame in its file (`IN_VIDEOS_SCHEMA`), and no
shards: nobody unpacks millions of frames to use some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thbench.data.dataset import Video
from thbench.data.prepare.crop import Square, cut
from thbench.data.store.places import LocalPlace, Place, place_of
from thbench.data.store.prepared import PreparedStore, frames_of, read_info
from thbench.data.video_seek import FramePlace, read_places
from thbench.errors import ThbenchError
from thbench.files import inside
from thbench.method import Frames
from thbench.records.dataset import DatasetInfo

_COLUMNS = ("path", "file_bytes", "position", "pts", "key_pts", "crop", "landmarks", "pupils")


class StoreInVideos(PreparedStore):
    """The `Dataset` protocol over landmarks here and videos where they were.

    Frames equal those of a lossless store prepared with the same options.
    """

    def __init__(self, location: Path | str) -> None:
        """Raises `ThbenchError` as `PreparedStore` does, and when the videos are not there."""
        super().__init__(location)
        self.source = videos_folder(self.place, self.info)

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`. Raises `ThbenchError` for an unknown video, a position outside it, or
        a file that is missing, damaged or no longer the same.
        """
        shard, rows = self._rows(video, frames)
        images = np.empty((len(rows), self.size_px, self.size_px, 3), np.uint8)
        if not len(rows):
            return frames_of(images, np.empty((0, 136), np.float32), np.empty(0, object))

        columns = self.index.columns(shard, rows, _COLUMNS)
        paths, sizes, positions, pts, key_pts, crops, landmarks, pupils = columns
        places = [_place(*times) for times in zip(pts, key_pts, strict=True)]
        for path in dict.fromkeys(paths):
            slots = np.flatnonzero(paths == path)
            wanted = {int(positions[slot]): places[slot] for slot in slots}
            pixels = self._decoded(path, int(sizes[slots[0]]), wanted)
            for slot in slots:
                square = Square(*(int(edge) for edge in crops[slot]))
                images[slot] = cut(pixels[int(positions[slot])], square, self.size_px)
        return frames_of(images, landmarks, pupils)

    def _decoded(
        self, path: str, size_bytes: int, wanted: dict[int, FramePlace]
    ) -> dict[int, NDArray[np.uint8]]:
        file = self.source / path if self.info.recipe.get("follow_links") else None
        file = file or inside(self.source, path)
        if not file.is_file():
            raise ThbenchError(
                f"{file} is missing: {self.place} decodes its frames from it; put it back, or "
                "prepare the dataset again"
            )
        if file.stat().st_size != size_bytes:
            raise ThbenchError(
                f"{file} has changed since its landmarks were found for {self.place}: put the old "
                "file back, or prepare the dataset again"
            )
        return read_places(file, wanted)


def open_store(location: Path | str) -> PreparedStore:
    """The store there, with its frames in shards or in videos."""
    in_videos = read_info(place_of(location)).made.in_videos
    return StoreInVideos(location) if in_videos else PreparedStore(location)


def videos_folder(place: Place, info: DatasetInfo) -> Path:
    """Where the videos of such a store are; raises `ThbenchError` where they are not."""
    if not isinstance(place, LocalPlace):
        raise ThbenchError(
            f"{place} holds landmarks of videos, not their frames: copy it to where the videos "
            "are, or prepare it without --in-videos to read it by its URL"
        )
    folder = Path(place.path, info.made.source or "").resolve()
    if not folder.is_dir():
        raise ThbenchError(
            f"the videos of {place} are not at {folder}: put them there, or prepare the dataset "
            "again with --in-videos"
        )
    return folder


def _place(pts: float, key_pts: float) -> FramePlace:
    if pts is None or np.isnan(pts):
        return FramePlace(None, None)
    return FramePlace(int(pts), int(key_pts))
