"""The prepared store: a dataset whose frames are read in place, at random.

`thbench.data.store.format` describes its files.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from thbench.data.dataset import Split, Video
from thbench.data.store.format import (
    DATASET_JSON,
    FORMAT,
    INDEX,
    PLAN_JSON,
    REQUIRED_SCHEMA,
    SCHEMA,
    SHARDS,
)
from thbench.errors import ThbenchError
from thbench.files import read_json_object
from thbench.method import Frames
from thbench.pictures import Pictures, checked_pictures
from thbench.records.dataset import DatasetInfo
from thbench.records.decode import decode
from thbench.tables import read_table

_GROUPS_KEPT = 256  # of landmarks or names, 0.3 MB each


class PreparedStore:
    """A prepared dataset, opened for reading: the `Dataset` protocol over DATASET's files.

    Safe to read from several threads and forked processes; pickles as its path, so that a worker
    opens it again. Per-frame offsets are held as arrays (16 bytes a frame); landmarks and names are
    read when they are asked for.
    """

    def __init__(self, path: Path) -> None:
        """Raises `ThbenchError` when `path` holds no finished dataset of this format."""
        self.path = Path(path)
        self.info = _dataset_info(self.path)
        self.name = self.path.resolve().name
        self.size_px = self.info.size_px
        self.sha256 = self.info.sha256
        self.pictures = _pictures(self.path, self.info)

        table = _read_index(self.path, ["person", "video", "split", "shard", "offset", "size"])
        self._shard, self._offset, self._size = (
            table[name].to_numpy() for name in ("shard", "offset", "size")
        )
        self.videos, first_rows = _videos(table)
        self._rows_of = {
            video.key: slice(first, first + video.n_frames)
            for video, first in zip(self.videos, first_rows, strict=True)
        }

        self._index = pq.ParquetFile(self.path / INDEX)
        metadata = self._index.metadata
        groups = range(metadata.num_row_groups)
        self._group_starts = np.cumsum(
            [0, *(metadata.row_group(group).num_rows for group in groups)]
        )
        self._lock = threading.Lock()
        self._cached_column = lru_cache(maxsize=_GROUPS_KEPT)(self._read_column)

    def __reduce__(self) -> tuple[type[PreparedStore], tuple[Path]]:
        return PreparedStore, (self.path,)

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`. Raises `ThbenchError` for an unknown video, a position outside it, or
        damaged files.
        """
        rows = self._rows(video, frames)
        encoded = self._encoded(rows)
        images = np.empty((len(rows), self.size_px, self.size_px, 3), np.uint8)
        for slot, data in enumerate(encoded):
            image = _decoded(data)
            if image is None or image.shape != images.shape[1:]:
                raise self._damaged(video, int(frames[slot]))
            images[slot] = image

        landmarks = self._gather(rows, "landmarks").reshape(-1, 68, 2)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return Frames(pixels, torch.from_numpy(landmarks), self._pupils(rows))

    def frame_names(self, video: Video) -> list[str]:
        """See `Dataset.frame_names`."""
        rows = self._rows(video, range(video.n_frames))
        clips, frames = self._gather(rows, "clip"), self._gather(rows, "frame")
        return [f"{clip}/{frame}" for clip, frame in zip(clips, frames, strict=True)]

    def frame_times_s(self, video: Video) -> list[float] | None:
        """See `Dataset.frame_times_s`; None, too, for a store made before times were recorded."""
        if "time_s" not in self._index.schema_arrow.names:
            return None

        rows = self._rows(video, range(video.n_frames))
        times_s = self._gather(rows, "time_s").astype(np.float64)
        return times_s.tolist() if np.isfinite(times_s).all() else None

    def _pupils(self, rows: NDArray[np.int64]) -> torch.Tensor | None:
        """The pupils [N, 2, 2] of these rows; None unless all have some, and for older stores."""
        if "pupils" not in self._index.schema_arrow.names:
            return None

        pupils = self._gather(rows, "pupils")
        if any(eyes is None for eyes in pupils):
            return None
        flat = np.concatenate([np.empty(0, np.float32), *pupils])
        return torch.from_numpy(flat.astype(np.float32).reshape(-1, 2, 2))

    def _rows(self, video: Video, frames: Sequence[int]) -> NDArray[np.int64]:
        rows = self._rows_of.get(video.key)
        if rows is None:
            raise ThbenchError(f"{self.path} has no video {video.key!r}")
        positions = np.asarray(frames, np.int64)
        if len(positions) and not 0 <= positions.min() <= positions.max() < rows.stop - rows.start:
            raise ThbenchError(
                f"{self.path}: {video.key} has frames 0 to {rows.stop - rows.start - 1}, asked for "
                f"{positions.min()} to {positions.max()}"
            )
        return positions + rows.start

    def _encoded(self, rows: NDArray[np.int64]) -> list[bytes]:
        """The bytes of frames that lie in one shard: those of one video always do."""
        if not len(rows):
            return []
        path = self.path / SHARDS / f"{self._shard[rows[0]]:05d}.tar"
        try:
            shard = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ThbenchError(
                f"cannot read {path} ({error.strerror}): run `thbench data verify {self.path}`"
            ) from error
        try:
            return [os.pread(shard, int(self._size[row]), int(self._offset[row])) for row in rows]
        except (OSError, OverflowError, ValueError, MemoryError):  # a place that no file has
            raise ThbenchError(
                f"{self.path / INDEX} is damaged: prepare the dataset again"
            ) from None
        finally:
            os.close(shard)

    def _damaged(self, video: Video, frame: int) -> ThbenchError:
        return ThbenchError(
            f"frame {frame} of {video.key} in {self.path} is damaged: run `thbench data verify "
            f"{self.path}`, then prepare the dataset again"
        )

    def _gather(self, rows: NDArray[np.int64], column: str) -> NDArray[Any]:
        groups = np.searchsorted(self._group_starts, rows, side="right") - 1
        parts = [
            self._cached_column(int(group), column)[row - self._group_starts[group]]
            for group, row in zip(groups, rows, strict=True)
        ]
        if column == "landmarks":
            return np.array(parts, np.float32)
        found = np.empty(len(parts), object)
        found[:] = parts
        return found

    def _read_column(self, group: int, column: str) -> NDArray[Any]:
        try:
            with self._lock:  # a ParquetFile is read by one thread at a time
                table = self._index.read_row_group(group, columns=[column], use_threads=False)
            values = table[column].combine_chunks()
            has_nulls = values.null_count and column in REQUIRED_SCHEMA.names
            if values.type != SCHEMA.field(column).type or has_nulls:
                raise ValueError(f"{column} holds {values.type} with {values.null_count} nulls")
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise ThbenchError(
                f"{self.path / INDEX} is damaged ({str(error).splitlines()[0]}): prepare the "
                "dataset again"
            ) from error

        if column == "landmarks":
            return np.asarray(values.flatten().to_numpy().reshape(-1, 136))
        return np.asarray(values.to_numpy(zero_copy_only=False))


def is_store(path: Path) -> bool:
    """Whether `path` holds a prepared dataset, finished or begun."""
    return any((path / name).exists() for name in (DATASET_JSON, PLAN_JSON))


def _decoded(data: bytes) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3] RGB; None for bytes that are not a picture."""
    if not data:
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return None if image is None else np.asarray(image, np.uint8)


def _dataset_info(path: Path) -> DatasetInfo:
    if not path.exists():
        raise ThbenchError(
            f"{path} does not exist: make a dataset with `thbench prepare LAYOUT SRC {path}`"
        )
    if not (path / DATASET_JSON).is_file():
        if is_store(path):
            raise ThbenchError(
                f"{path} is not finished: run the same `thbench prepare` again, it goes on from "
                "there"
            )
        raise ThbenchError(
            f"{path} is not a prepared dataset (no {DATASET_JSON}): make one with `thbench prepare "
            f"LAYOUT {path} OUT`"
        )

    info = read_json_object(path / DATASET_JSON)
    if info.get("format") != FORMAT:
        raise ThbenchError(
            f"{path}/{DATASET_JSON} has format {info.get('format')!r}, this thbench reads "
            f"{FORMAT}: update thbench or prepare the dataset again"
        )
    return decode(DatasetInfo, info, path / DATASET_JSON, "prepare the dataset again")


def _pictures(path: Path, info: DatasetInfo) -> Pictures:
    """What the frames show: photographs, where an old recipe does not say.

    Raises `ThbenchError` for one that says something else.
    """
    recipe = info.made
    if recipe.pictures is not None:
        return checked_pictures(recipe.pictures, path / DATASET_JSON)

    if recipe.layout == "synth" and recipe.packed_sha256 is not None:
        from thbench.data.synthetic import synth

        if recipe.packed_sha256 == synth(info.size_px).sha256:
            return "synthetic heads"
    return "photographs"


def _read_index(path: Path, columns: list[str]) -> Any:
    return read_table(
        path / INDEX, "prepare the dataset again", columns, SCHEMA, ["person", "video", "split"]
    )


def _videos(table: Any) -> tuple[list[Video], list[int]]:
    """The videos in the order of the index, and the first row of each; its rows lie together."""
    if not len(table):
        raise ThbenchError("the index of a dataset holds no frame: prepare the dataset again")
    names = {
        name: table[name].unify_dictionaries().combine_chunks()
        for name in ("person", "video", "split")
    }
    codes = np.stack([column.indices.to_numpy() for column in names.values()])
    changes = np.flatnonzero((codes[:, 1:] != codes[:, :-1]).any(axis=0)) + 1
    starts = np.concatenate([[0], changes, [codes.shape[1]]]).tolist()
    texts = [column.dictionary.to_pylist() for column in names.values()]
    videos = []
    for first, end in itertools.pairwise(starts):
        person, video, split = (
            text[code] for text, code in zip(texts, codes[:, first], strict=True)
        )
        chosen: Split = "test" if split == "test" else "train"
        videos.append(Video(person, video, chosen, end - first))
    return videos, starts[:-1]
