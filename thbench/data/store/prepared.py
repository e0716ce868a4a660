"""The prepared store: a dataset whose frames are read in place, at random.

`thbench.data.store.format` describes its files.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from thbench.data.dataset import Video
from thbench.data.store.format import (
    DATASET_JSON,
    FORMAT,
    ONE_INDEX,
    ONE_INDEX_FORMAT,
    PLAN_JSON,
    SCHEMA,
    VIDEOS,
    VIDEOS_SCHEMA,
    index_file,
    shard_file,
)
from thbench.data.store.frame_index import FrameIndex, IndexFile
from thbench.data.store.places import LocalPlace, Place, place_of
from thbench.data.video_table import VideoTable
from thbench.errors import ThbenchError
from thbench.files import parse_json
from thbench.method import Frames
from thbench.pictures import Pictures, checked_pictures
from thbench.records.dataset import DatasetInfo
from thbench.records.decode import decode
from thbench.tables import read_table

_AGAIN = "prepare the dataset again"


class PreparedStore:
    """A prepared dataset, opened for reading: the `Dataset` protocol over a folder or a URL.

    Safe to read from several threads and forked processes; pickles as its location, so that a
    worker opens it again. Only the table of videos is held, some 50 bytes for each; what is known
    of frames is read when they are asked for.
    """

    def __init__(self, location: Path | str) -> None:
        """Raises `ThbenchError` when there is no finished dataset of this format."""
        self.place = place_of(location)
        self.info = read_info(self.place)
        self.name = self.place.name
        self.size_px = self.info.size_px
        self.sha256 = self.info.sha256
        self.pictures = _pictures(self.place, self.info)

        if self.info.format == ONE_INDEX_FORMAT:
            self.videos = _videos_of_one_index(self.place)
        else:
            self.videos = _videos(self.place, self.info)
        self.index = FrameIndex(self.place, self._index_file)

    def __reduce__(self) -> tuple[type[PreparedStore], tuple[str]]:
        return type(self), (str(self.place),)

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`. Raises `ThbenchError` for an unknown video, a position outside it, or
        damaged files.
        """
        shard, rows = self._rows(video, frames)
        images = np.empty((len(rows), self.size_px, self.size_px, 3), np.uint8)
        if not len(rows):
            return frames_of(images, np.empty((0, 136), np.float32), np.empty(0, object))

        names = ["offset", "size", "crc32", "landmarks", "pupils"]
        offsets, sizes, checks, landmarks, pupils = self.index.columns(shard, rows, names)
        ranges = list(zip(offsets.tolist(), sizes.tolist(), strict=True))
        if min(map(min, ranges)) < 0:
            raise self._damaged_index(shard)

        for slot, data in enumerate(self._encoded(shard, ranges, checks)):
            image = None if data is None else _decoded(data)
            if image is None or image.shape != images.shape[1:]:
                raise self._damaged(video, int(frames[slot]))
            images[slot] = image
        return frames_of(images, landmarks, pupils)

    def frame_names(self, video: Video) -> list[str]:
        """See `Dataset.frame_names`."""
        shard, rows = self._rows(video, range(video.n_frames))
        clips, frames = self.index.columns(shard, rows, ["clip", "frame"])
        return [f"{clip}/{frame}" for clip, frame in zip(clips, frames, strict=True)]

    def frame_times_s(self, video: Video) -> list[float] | None:
        """See `Dataset.frame_times_s`; None, too, for a store made before times were recorded."""
        shard, rows = self._rows(video, range(video.n_frames))
        (times_s,) = self.index.columns(shard, rows, ["time_s"])
        times_s = times_s.astype(np.float64)
        return times_s.tolist() if np.isfinite(times_s).all() else None

    def all_landmarks(self) -> Iterator[NDArray[np.float32]]:
        """The landmarks of all frames, float32 [N, 136] at a time."""
        shards = range(len(self.info.shards))
        files = dict.fromkeys(self._index_file(shard) for shard in shards)
        for file in files:
            yield from self.index.all_of(file, "landmarks")

    def _index_file(self, shard: int) -> IndexFile:
        if self.info.format == ONE_INDEX_FORMAT:
            return IndexFile(ONE_INDEX, 0)
        return IndexFile(index_file(shard), self.info.shards[shard].rows_bytes)

    def _rows(self, video: Video, frames: Sequence[int]) -> tuple[int, NDArray[np.int64]]:
        """The shard of a video, and the rows of these of its frames in the index of the shard."""
        row = self.videos.row_of(video)
        if row is None:
            raise ThbenchError(f"{self.place} has no video {video.key!r}")

        positions, n_frames = np.asarray(frames, np.int64), int(self.videos.n_frames[row])
        if len(positions) and not 0 <= positions.min() <= positions.max() < n_frames:
            raise ThbenchError(
                f"{self.place}: {video.key} has frames 0 to {n_frames - 1}, asked for "
                f"{positions.min()} to {positions.max()}"
            )
        shard = int(self.videos.shard[row])
        if not 0 <= shard < len(self.info.shards):
            raise self._damaged_index(shard)
        return shard, positions + int(self.videos.first_row[row])

    def _encoded(
        self, shard: int, ranges: Sequence[tuple[int, int]], checks: NDArray[np.uint32]
    ) -> list[bytes | None]:
        """The bytes of frames of one shard; None for one that is not what was written."""
        file = shard_file(shard)
        try:
            read = self.place.ranges(file, ranges)
            wrong = [slot for slot, data in enumerate(read) if zlib.crc32(data) != checks[slot]]
            again = self.place.ranges(file, [ranges[slot] for slot in wrong], fresh=True)
        except (OverflowError, MemoryError):  # a place that no file has
            raise self._damaged_index(shard) from None

        encoded: list[bytes | None] = list(read)
        for slot, data in zip(wrong, again, strict=True):
            encoded[slot] = data if zlib.crc32(data) == checks[slot] else None
        return encoded

    def _damaged(self, video: Video, frame: int) -> ThbenchError:
        return ThbenchError(
            f"frame {frame} of {video.key} in {self.place} is damaged: run `thbench data verify "
            f"{self.place}`, which says how to repair it"
        )

    def _damaged_index(self, shard: int) -> ThbenchError:
        return ThbenchError(
            f"{self.place}/{self._index_file(shard).name} is damaged: run `thbench data verify "
            f"{self.place}`"
        )


def is_store(path: Path) -> bool:
    """Whether `path` holds a prepared dataset, finished or begun."""
    return any((path / name).exists() for name in (DATASET_JSON, PLAN_JSON))


def read_info(place: Place) -> DatasetInfo:
    """dataset.json of a finished store; raises `ThbenchError` where there is none of this format.

    The place then knows which store is there.
    """
    try:
        data = place.read(DATASET_JSON)
    except FileNotFoundError:
        raise _no_dataset(place) from None

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ThbenchError(
            f"{place}/{DATASET_JSON} is not text in UTF-8 (byte {error.start})"
        ) from None
    where = f"{place}/{DATASET_JSON}"
    info = parse_json(text, where)
    if not isinstance(info, dict):
        raise ThbenchError(f"{where} holds no JSON object, but {type(info).__name__}")
    if info.get("format") not in (FORMAT, ONE_INDEX_FORMAT):
        raise ThbenchError(
            f"{where} has format {info.get('format')!r}, this thbench reads "
            f"{ONE_INDEX_FORMAT} and {FORMAT}: update thbench or prepare the dataset again"
        )

    place.pin(hashlib.sha256(data).hexdigest())
    return decode(DatasetInfo, info, where, _AGAIN)


def frames_of(
    images: NDArray[np.uint8], landmarks: NDArray[np.float32], pupils: NDArray[Any]
) -> Frames:
    """Frames of uint8 [N, H, W, 3] and columns of the index; pupils only where all frames have
    some.
    """
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    points = torch.from_numpy(landmarks.reshape(-1, 68, 2))
    if any(eyes is None for eyes in pupils):
        return Frames(pixels, points)

    flat = np.concatenate([np.empty(0, np.float32), *pupils])
    return Frames(pixels, points, torch.from_numpy(flat.astype(np.float32).reshape(-1, 2, 2)))


def _decoded(data: bytes) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3] RGB; None for bytes that are not a picture."""
    if not data:
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return None if image is None else np.asarray(image, np.uint8)


def _no_dataset(place: Place) -> ThbenchError:
    if not isinstance(place, LocalPlace):
        return ThbenchError(
            f"{place} is not a prepared dataset (no {DATASET_JSON} there): check the URL; "
            "a store that is copied there is whole with all its files"
        )
    path = place.path
    if not path.exists():
        return ThbenchError(
            f"{path} does not exist: make a dataset with `thbench prepare LAYOUT SRC {path}`"
        )
    if is_store(path):
        return ThbenchError(
            f"{path} is not finished: run the same `thbench prepare` again, it goes on from there"
        )
    return ThbenchError(
        f"{path} is not a prepared dataset (no {DATASET_JSON}): make one with `thbench prepare "
        f"LAYOUT {path} OUT`"
    )


def _pictures(place: Place, info: DatasetInfo) -> Pictures:
    """What the frames show: photographs, where an old recipe does not say.

    Raises `ThbenchError` for one that says something else.
    """
    recipe = info.made
    if recipe.pictures is not None:
        return checked_pictures(recipe.pictures, f"{place}/{DATASET_JSON}")

    if recipe.layout == "synth" and recipe.packed_sha256 is not None:
        from thbench.data.synthetic import synth

        if recipe.packed_sha256 == synth(info.size_px).sha256:
            return "synthetic heads"
    return "photographs"


def _videos(place: Place, info: DatasetInfo) -> VideoTable:
    """The table of videos; raises `ThbenchError` where it is not the one that was written."""
    (data,) = place.ranges(VIDEOS, [(0, info.videos_bytes)])
    if hashlib.sha256(data).hexdigest() != info.files.get(VIDEOS):
        (data,) = place.ranges(VIDEOS, [(0, info.videos_bytes)], fresh=True)
    if hashlib.sha256(data).hexdigest() != info.files.get(VIDEOS):
        raise ThbenchError(f"{place}/{VIDEOS} is damaged: run `thbench data verify {place}`")
    return VideoTable(
        read_table(Path(f"{place}/{VIDEOS}"), _AGAIN, schema=VIDEOS_SCHEMA, data=data)
    )


def _videos_of_one_index(place: Place) -> VideoTable:
    """The videos in the order of the one index of a store of format 1, where their rows adjoin."""
    if not isinstance(place, LocalPlace):
        raise ThbenchError(
            f"{place} has one index for all frames, which is read from a folder only: copy it to "
            "this machine, or write it anew with `thbench data pack` and put that there"
        )
    names = ["person", "video", "split"]
    table = read_table(place.path / ONE_INDEX, _AGAIN, [*names, "shard"], SCHEMA, names)
    if not len(table):
        raise ThbenchError(f"{place}/{ONE_INDEX} holds no frame: {_AGAIN}")

    columns = [table[name].unify_dictionaries().combine_chunks() for name in names]
    codes = np.stack([column.indices.to_numpy() for column in columns])
    changes = np.flatnonzero((codes[:, 1:] != codes[:, :-1]).any(axis=0)) + 1
    starts = np.concatenate([[0], changes]).astype(np.int32)

    firsts = table.take(starts)
    counts = np.diff([*starts, len(table)]).astype(np.int32)
    rows = {name: firsts[name].cast(pa.string()) for name in names}
    return VideoTable(
        pa.table({**rows, "shard": firsts["shard"], "first_row": starts, "n_frames": counts})
    )
