"""One shard of a prepared store: frames in an uncompressed tar, and the rows of the index that point into it.

The rows are written last, so a shard with rows is whole: they are its commit mark.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from thbench.data.layouts import Dropped
from thbench.data.store_format import DROPPED_SCHEMA, ROWS_PER_GROUP, SCHEMA, SHARDS
from thbench.errors import ThbenchError
from thbench.files import atomic_path
from thbench.tables import read_table

PARTS = "parts"
UNSPLIT_SCHEMA = SCHEMA.remove(SCHEMA.get_field_index("split"))
_TEXT = ["person", "video", "clip", "split", "landmark_source", "reason"]


class ShardWriter:
    """Appends frames to the tar of one shard. The same frames give the same bytes: no owner, no time."""

    def __init__(self, file: BinaryIO, shard: int) -> None:
        self._file, self._shard = file, shard
        self._digest = hashlib.sha256()
        self._position = 0
        self.rows: list[dict[str, Any]] = []

    def add(self, encoded: bytes, suffix: str, row: Mapping[str, Any]) -> None:
        """Adds one encoded frame; `row` holds the columns of `SCHEMA` that do not depend on where it lies."""
        member = tarfile.TarInfo(f"{row['person']}/{row['video']}/{row['clip']}/{row['frame']}{suffix}")
        member.size = len(encoded)
        self._write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
        self.rows.append({**row, "shard": self._shard, "offset": self._position, "size": len(encoded),
                          "crc32": zlib.crc32(encoded)})
        self._write(encoded + bytes(-len(encoded) % tarfile.BLOCKSIZE))

    def close(self) -> str:
        """Ends the tar and returns the sha256 of all its bytes."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        return self._digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._position += len(data)


def shard_path(out: Path, shard: int) -> Path:
    return out / SHARDS / f"{shard:05d}.tar"


def is_committed(out: Path, shard: int) -> bool:
    """Whether this shard is whole on disk."""
    return _part_path(out, shard, "rows").exists()


def commit_shard(out: Path, shard: int, rows: Sequence[Mapping[str, Any]], dropped: Sequence[Dropped],
                 sha256: str) -> None:
    """Writes what was left out of a shard, then its rows. The tar must already be in place."""
    lost = pa.Table.from_pylist([asdict(drop) for drop in dropped], DROPPED_SCHEMA)
    write_table(_part_path(out, shard, "dropped"), lost)
    table = pa.Table.from_pylist(list(rows), UNSPLIT_SCHEMA.with_metadata({"sha256": sha256}))
    write_table(_part_path(out, shard, "rows"), table)


def read_rows(out: Path, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a committed shard, without their split; the tar's sha256 is in the schema's metadata."""
    return _read(_part_path(out, shard, "rows"), columns)


def recorded_sha256(out: Path, shard: int, rows: pa.Table) -> str:
    """The tar's sha256 as its rows were written with; raises `ThbenchError` where they have lost it."""
    sha256: str = (rows.schema.metadata or {}).get(b"sha256", b"").decode("ascii", "replace")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ThbenchError(f"{_part_path(out, shard, 'rows')} holds no sha256 of its shard: delete it and run the same "
                           "`thbench prepare` again")
    return sha256


def read_dropped(out: Path, shard: int) -> pa.Table:
    return _read(_part_path(out, shard, "dropped"), None)


def remove_leftovers(out: Path, shard: int) -> None:
    """Deletes temporary files that a killed process left for this shard."""
    for folder in (SHARDS, PARTS):
        for path in (out / folder).glob(f".{shard:05d}.*.tmp"):
            path.unlink(missing_ok=True)


def remove_parts(out: Path) -> None:
    """Deletes the parts once they are merged into the index."""
    for path in (out / PARTS).glob("*"):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        (out / PARTS).rmdir()


def write_table(path: Path, table: pa.Table) -> None:
    """Writes one Parquet file atomically."""
    with atomic_path(path) as temporary, table_writer(temporary, table.schema) as writer:
        writer.write_table(table, ROWS_PER_GROUP)


def table_writer(path: Path, schema: pa.Schema) -> Any:
    """A Parquet writer with the settings of every table here: names as dictionaries, numbers plain for quick reads."""
    return pq.ParquetWriter(path, schema, compression="none", write_statistics=False,
                            use_dictionary=[name for name in _TEXT if name in schema.names])


def _part_path(out: Path, shard: int, what: str) -> Path:
    return out / PARTS / f"{shard:05d}.{what}.parquet"


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    known = DROPPED_SCHEMA if path.name.endswith(".dropped.parquet") else UNSPLIT_SCHEMA
    return read_table(path, "delete it and run the same `thbench prepare` again", columns, known)
