"""The rows of a store's frames, read shard by shard and group by group, when they are asked for."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from thbench.data.store.format import IN_VIDEOS_SCHEMA, NULLABLE, OPTIONAL, SCHEMA
from thbench.data.store.places import LocalPlace, Place
from thbench.errors import ThbenchError

_GROUPS_KEPT = 128  # 0.1 MB each with landmarks
_FILES_KEPT = 64  # open, with what their footers say
_BLOCK_BYTES = 64 * 1024  # of a remote index: what pyarrow reads first is as long
_BLOCKS_KEPT = 16
_TYPES = {field.name: field.type for field in (*SCHEMA, *IN_VIDEOS_SCHEMA)}


@dataclass(frozen=True)
class IndexFile:
    """A Parquet file of rows, by its name below the store, and its size."""

    name: str
    size_bytes: int


class FrameIndex:
    """Columns of rows: `file_of` tells the file in which the rows of a shard are.

    Memory is bounded, however many shards there are. Safe to use from several threads and forked
    processes.
    """

    def __init__(self, place: Place, file_of: Callable[[int], IndexFile]) -> None:
        self._place, self._file_of = place, file_of
        self._lock = threading.Lock()
        self._open = lru_cache(maxsize=_FILES_KEPT)(self._opened)
        self._group = lru_cache(maxsize=_GROUPS_KEPT)(self._read_group)

    def columns(
        self, shard: int, rows: NDArray[np.int64], names: Sequence[str]
    ) -> list[NDArray[Any]]:
        """Each of the columns at these rows: landmarks float32 [N, 136], others [N].

        Raises `ThbenchError` for an index that is damaged or ends before.
        """
        file = self._file_of(shard)
        with self._lock:  # a ParquetFile is read by one thread at a time
            starts = self._reading(file, lambda: self._open(file)[1])
            groups = np.searchsorted(starts, rows, side="right") - 1
            if len(rows) and groups.max() >= len(starts) - 1:
                raise self._damage(file, "it ends too early")
            parts = {
                group: self._reading(file, partial(self._group, file, group, tuple(names)))
                for group in sorted(set(groups.tolist()))
            }

        local = rows - starts[groups]
        if len(parts) == 1:  # as most often: the frames of one video adjoin
            (columns,) = parts.values()
            return [column[local] for column in columns]
        return [
            _gathered([parts[group][place] for group in groups.tolist()], local)
            for place in range(len(names))
        ]

    def all_of(self, file: IndexFile, column: str) -> Iterator[NDArray[Any]]:
        """A column of a whole file, group by group; nothing of it is kept."""
        with self._lock:
            _, starts = self._reading(file, partial(self._open, file))
        for group in range(len(starts) - 1):
            with self._lock:
                (values,) = self._reading(file, partial(self._read_group, file, group, (column,)))
            yield values

    def _opened(self, file: IndexFile) -> tuple[pq.ParquetFile, NDArray[np.int64]]:
        if isinstance(self._place, LocalPlace):
            opened = pq.ParquetFile(self._place.path / file.name)
        else:
            source = pa.PythonFile(RangeFile(self._place, file), mode="r")
            opened = pq.ParquetFile(source, pre_buffer=False)

        metadata = opened.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return opened, np.cumsum([0, *sizes])

    def _read_group(
        self, file: IndexFile, group: int, names: tuple[str, ...]
    ) -> list[NDArray[Any]]:
        opened, _ = self._open(file)
        known = opened.schema_arrow.names
        here = [name for name in names if name not in OPTIONAL or name in known]
        table = opened.read_row_group(group, columns=here, use_threads=False)
        nobody_knows = np.full(opened.metadata.row_group(group).num_rows, None)
        return [_array(table[name], name) if name in here else nobody_knows for name in names]

    def _reading(self, file: IndexFile, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise self._damage(file, str(error).splitlines()[0]) from error

    def _damage(self, file: IndexFile, reason: str) -> ThbenchError:
        return ThbenchError(
            f"{self._place}/{file.name} is damaged ({reason}): run `thbench data verify "
            f"{self._place}`"
        )


class RangeFile(io.RawIOBase):
    """A file of a place for reading at random, in blocks, a few of which are held."""

    def __init__(self, place: Place, file: IndexFile) -> None:
        super().__init__()
        self._place, self._file, self._at = place, file, 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes}
        self._at = start[whence] + offset
        return self._at

    def size(self) -> int:
        return self._file.size_bytes

    def read(self, size: int = -1) -> bytes:
        end = self._file.size_bytes if size < 0 else min(self._at + size, self._file.size_bytes)
        if end <= self._at:
            return b""

        first, last = self._at // _BLOCK_BYTES, (end - 1) // _BLOCK_BYTES
        blocks = self._read_blocks(range(first, last + 1))
        start = self._at - first * _BLOCK_BYTES
        data = b"".join(blocks)[start : start + end - self._at]
        self._at += len(data)
        return data

    def _read_blocks(self, wanted: range) -> list[bytes]:
        missing = [block for block in wanted if block not in self._blocks]
        places = [
            (start, min(_BLOCK_BYTES, self._file.size_bytes - start))
            for start in (block * _BLOCK_BYTES for block in missing)
        ]
        if missing:
            read = self._place.ranges(self._file.name, places)
            self._blocks.update(zip(missing, read, strict=True))

        for block in wanted:
            self._blocks.move_to_end(block)
        data = [self._blocks[block] for block in wanted]
        while len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return data


def _array(values: pa.ChunkedArray, name: str) -> NDArray[Any]:
    has_nulls = values.null_count and name not in NULLABLE
    if values.type != _TYPES[name] or has_nulls:
        raise ValueError(f"{name} holds {values.type} with {values.null_count} nulls")

    whole = values.combine_chunks()
    if name == "landmarks":
        return np.asarray(whole.flatten().to_numpy().reshape(-1, 136))
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def _gathered(parts: Sequence[NDArray[Any]], rows: NDArray[np.int64]) -> NDArray[Any]:
    if not parts:
        return np.empty(0, object)
    values = [part[row] for part, row in zip(parts, rows, strict=True)]
    gathered = np.empty((len(values), *parts[0].shape[1:]), parts[0].dtype)
    gathered[:] = values  # one by one: some columns hold arrays, or nothing
    return gathered
