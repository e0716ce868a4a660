"""One shard of a prepared store: frames in an uncompressed tar, and their rows of the index.

The commit mark is written last and holds the sha256 of the rows, so a shard with a mark that fits
is whole; a damaged one counts as not made.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from thbench.data.prepare.source import Dropped
from thbench.data.store.format import (
    DROPPED_SCHEMA,
    INDEX_GROUPS,
    INDEX_ROWS_PER_GROUP,
    ROWS_PER_GROUP,
    SCHEMA,
    SHARDS,
)
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file, sha256_json, write_json
from thbench.records.decode import read_record
from thbench.tables import read_table

PARTS = "parts"
_PART_TABLES = ("rows", "dropped")
_REMEDY = "run the same command again, it makes that shard anew"
_TEXT = ["person", "video", "clip", "split", "landmark_source", "reason", "path", "file_sha256"]


class ShardWriter:
    """Appends frames to the tar of a shard: no owner, no time, so the same frames, same bytes."""

    def __init__(self, file: BinaryIO, shard: int) -> None:
        self._file, self._shard = file, shard
        self._digest = hashlib.sha256()
        self._position = 0
        self.rows: list[dict[str, Any]] = []

    def add(self, encoded: bytes, suffix: str, row: Mapping[str, Any]) -> None:
        """Adds one encoded frame; `row` holds the columns of `SCHEMA` that do not say where."""
        folder = f"{row['person']}/{row['video']}/{row['clip']}"
        member = tarfile.TarInfo(f"{folder}/{row['frame']}{suffix}")
        member.size = len(encoded)
        self._write(member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))

        place = {"shard": self._shard, "offset": self._position, "size": len(encoded)}
        self.rows.append({**row, **place, "crc32": zlib.crc32(encoded)})
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


@dataclass(frozen=True)
class ShardMark:
    """The commit mark of a shard: the sha256 of its tar, of its rows and of what was left out.

    check is the sha256 of these three: a flipped bit in the mark itself must not pass either.
    """

    tar: str
    rows: str
    dropped: str
    check: str = ""

    @staticmethod
    def read(out: Path, shard: int) -> ShardMark | None:
        """The mark, or None where there is none or a damaged one."""
        path = _part_path(out, shard, "json")
        if not path.exists():
            return None
        with suppress(ThbenchError):
            mark = read_record(path, ShardMark, _REMEDY)
            return mark if mark == mark.checked() else None
        return None

    def write(self, out: Path, shard: int) -> None:
        write_json(_part_path(out, shard, "json"), asdict(self.checked()))

    def checked(self) -> ShardMark:
        """The same with the check that belongs to it."""
        return replace(self, check=sha256_json([self.tar, self.rows, self.dropped]))


def is_committed(out: Path, shard: int) -> bool:
    """Whether this shard was made and its rows are those that were written."""
    mark = ShardMark.read(out, shard)
    return mark is not None and not _damaged_parts(out, shard, mark)


def commit_shard(
    out: Path,
    shard: int,
    rows: Sequence[Mapping[str, Any]],
    dropped: Sequence[Dropped],
    sha256: str,
    schema: pa.Schema = SCHEMA,
) -> None:
    """Writes what was left out of a shard, its rows, then its mark. The tar must be in place."""
    lost = pa.Table.from_pylist([asdict(drop) for drop in dropped], DROPPED_SCHEMA)
    write_table(_part_path(out, shard, "dropped.parquet"), lost)

    unsplit = schema.remove(schema.get_field_index("split"))
    write_table(_part_path(out, shard, "rows.parquet"), pa.Table.from_pylist(list(rows), unsplit))

    digests = {
        what: sha256_file(_part_path(out, shard, f"{what}.parquet")) for what in _PART_TABLES
    }
    ShardMark(tar=sha256, **digests).write(out, shard)


def read_rows(out: Path, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a committed shard, without their split.

    Raises `ThbenchError` when they are not the ones that were written.
    """
    return _read(out, shard, "rows", columns)


def read_dropped(out: Path, shard: int) -> pa.Table:
    """What was left out of a committed shard; raises `ThbenchError` as `read_rows` does."""
    return _read(out, shard, "dropped", None)


def tar_sha256(out: Path, shard: int) -> str:
    """The sha256 of the tar of a committed shard, as it was written."""
    mark = ShardMark.read(out, shard)
    if mark is None:
        raise _damage(_part_path(out, shard, "json"))
    return mark.tar


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


def write_table(path: Path, table: pa.Table, rows_per_group: int = ROWS_PER_GROUP) -> None:
    """Writes one Parquet file atomically."""
    with atomic_path(path) as temporary, table_writer(temporary, table.schema) as writer:
        writer.write_table(table, rows_per_group)


def write_index(path: Path, table: pa.Table) -> None:
    """Writes the rows of one shard in groups small enough to read one for the sake of a frame."""
    write_table(path, table, max(INDEX_ROWS_PER_GROUP, -(-len(table) // INDEX_GROUPS)))


def table_writer(path: Path, schema: pa.Schema) -> Any:
    """A Parquet writer of every table here: names as dictionaries, numbers plain, to read fast."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="none",
        write_statistics=False,
        use_dictionary=[name for name in _TEXT if name in schema.names],
    )


def _part_path(out: Path, shard: int, what: str) -> Path:
    return out / PARTS / f"{shard:05d}.{what}"


def _damaged_parts(out: Path, shard: int, mark: ShardMark) -> list[Path]:
    written = {"rows": mark.rows, "dropped": mark.dropped}
    paths = {what: _part_path(out, shard, f"{what}.parquet") for what in _PART_TABLES}
    return [
        path
        for what, path in paths.items()
        if not path.is_file() or sha256_file(path) != written[what]
    ]


def _read(out: Path, shard: int, what: str, columns: Sequence[str] | None) -> pa.Table:
    path = _part_path(out, shard, f"{what}.parquet")
    mark = ShardMark.read(out, shard)
    if mark is None or path in _damaged_parts(out, shard, mark):
        raise _damage(path)
    return read_table(path, _REMEDY, columns)


def _damage(path: Path) -> ThbenchError:
    return ThbenchError(f"{path} is damaged: {_REMEDY}")
