"""The videos of a large dataset as columns: a million of them in some tens of megabytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from thbench.data.dataset import Split, Video

_AT_ONCE = 4096  # videos made into objects together: iterating is fast and holds few


class VideoTable(Sequence[Video]):
    """Videos that become objects one by one, when they are asked for.

    n_frames, shard, first_row: int32 [N], the frames of each video and where its rows begin.
    """

    def __init__(self, table: pa.Table) -> None:
        """table: columns of `thbench.data.store.format.VIDEOS_SCHEMA`."""
        self._table = table.combine_chunks()
        self.n_frames, self.shard, self.first_row = (
            self._table[name].to_numpy() for name in ("n_frames", "shard", "first_row")
        )

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Video: ...
    @overload
    def __getitem__(self, place: slice) -> VideoTable: ...
    def __getitem__(self, place: int | slice) -> Video | VideoTable:
        if isinstance(place, slice):
            return VideoTable(self._table.take(pa.array(range(len(self))[place], pa.int64())))

        row = range(len(self))[place]  # which raises for one that is outside
        person, video, split = self._names
        return _video(
            person[row].as_py(), video[row].as_py(), split[row].as_py(), self.n_frames[row]
        )

    def __iter__(self) -> Iterator[Video]:
        for start in range(0, len(self), _AT_ONCE):
            names = [column.slice(start, _AT_ONCE).to_pylist() for column in self._names]
            counts = self.n_frames[start : start + _AT_ONCE].tolist()
            yield from map(_video, *names, counts)

    def of_split(self, split: Split) -> VideoTable:
        """The videos of one split, in the same order."""
        return VideoTable(self._table.filter(pc.equal(self._table["split"], split)))

    def row_of(self, video: Video) -> int | None:
        """Where a video of these names is; None where there is none."""
        wanted = (video.person, video.video)
        low, high = 0, len(self)

        while low < high:  # bisect, whose key would be called for each step as well
            middle = (low + high) // 2
            if self._key(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        if low == len(self) or self._key(low) != wanted:
            return None
        return low if self._order is None else int(self._order[low])

    @cached_property
    def _names(self) -> list[pa.Array]:
        columns = [self._table[name] for name in ("person", "video", "split")]
        return [
            column.chunk(0) if column.num_chunks else pa.array([], pa.string())
            for column in columns
        ]

    @cached_property
    def _order(self) -> NDArray[np.int32] | None:
        """The rows by person and video; None where they lie in this order already."""
        keys = [("person", "ascending"), ("video", "ascending")]
        order = pc.sort_indices(self._table, sort_keys=keys).to_numpy().astype(np.int32)
        return None if np.array_equal(order, np.arange(len(order))) else order

    def _key(self, place: int) -> tuple[str, str]:
        row = place if self._order is None else int(self._order[place])
        person, video, _ = self._names
        return person[row].as_py(), video[row].as_py()


def frame_counts(videos: Sequence[Video]) -> NDArray[np.int64]:
    """int64 [N]: the frames of each video."""
    if isinstance(videos, VideoTable):
        return np.asarray(videos.n_frames, np.int64)
    return np.fromiter((video.n_frames for video in videos), np.int64, len(videos))


def _video(person: str, video: str, split: str, n_frames: int) -> Video:
    return Video(person, video, "test" if split == "test" else "train", int(n_frames))
