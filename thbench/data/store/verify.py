"""`thbench data verify`: every byte of a prepared store against what was recorded of it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from thbench.data.prepare.finish import table_sha256
from thbench.data.store.format import (
    IN_VIDEOS_SCHEMA,
    NULLABLE,
    ONE_INDEX,
    ONE_INDEX_FORMAT,
    REQUIRED_SCHEMA,
    index_file,
)
from thbench.data.store.in_videos import videos_folder
from thbench.data.store.places import LocalPlace, Place, place_of
from thbench.data.store.prepared import read_info
from thbench.errors import ThbenchError
from thbench.records.dataset import DatasetInfo, ShardRecord
from thbench.records.video_key import video_key
from thbench.tables import read_table

_AGAIN = "prepare the dataset again"
_TOLD = 5  # damaged files in one line


@dataclass(frozen=True)
class Damage:
    """A file of a store, by its name below it, that is not what was written, and what is wrong.

    shard: the one that it belongs to, None for a file of the whole store.
    """

    file: str
    what: str
    shard: int | None = None


def verify(location: Path | str) -> str:
    """One line on a whole store; raises `ThbenchError` naming the damaged files."""
    place = place_of(location)
    info = read_info(place)
    found = list(damages(place, info))
    if found:
        raise ThbenchError(_told(place, found))

    frames = sum(shard.frames for shard in info.shards)
    return f"{place} is whole: {frames} frames in {len(info.shards)} shards, sha256 {info.sha256}"


def damages(place: Place, info: DatasetInfo) -> Iterator[Damage]:
    """Every file that is missing or other than it was written; each is read once."""
    for name, sha256 in info.files.items():  # the oldest stores list none
        if fault := _fault(place, name, sha256):
            yield Damage(name, fault)

    digest, all_read = hashlib.sha256(), True
    for number, (shard, (rows, fault)) in enumerate(
        zip(info.shards, _rows_of_shards(place, info), strict=True)
    ):
        if fault:
            yield Damage(index_file(number), fault, number)
        if info.made.in_videos:
            yield from _damaged_videos(videos_folder(place, info), rows, number)
        else:
            yield from _damaged_tar(place, shard, rows, number)

        if rows is None:
            all_read = False
        else:
            digest.update(bytes.fromhex(shard.sha256) + table_sha256(rows))

    if all_read and digest.hexdigest() != info.sha256:
        yield Damage(
            ONE_INDEX if info.format == ONE_INDEX_FORMAT else "dataset.json",
            "does not hold what was prepared",
        )


_MISSING, _DAMAGED = "is missing", "is damaged"


def _fault(place: Place, file: str, sha256: str) -> str:
    try:
        return "" if place.sha256(file) == sha256 else _DAMAGED
    except FileNotFoundError:
        return _MISSING


def _rows_of_shards(place: Place, info: DatasetInfo) -> Iterator[tuple[pa.Table | None, str]]:
    """(rows, what is wrong) of each shard; without rows where they cannot be read."""
    if info.format == ONE_INDEX_FORMAT:
        yield from _rows_of_one_index(place, info)
        return

    schema = IN_VIDEOS_SCHEMA if info.made.in_videos else REQUIRED_SCHEMA

    for number, shard in enumerate(info.shards):
        file = index_file(number)
        try:
            data = place.read(file)
        except FileNotFoundError:
            yield None, _MISSING
            continue

        rows = None
        with suppress(ThbenchError):
            rows = _table(place, file, data, schema)
        yield rows, "" if hashlib.sha256(data).hexdigest() == shard.rows_sha256 else _DAMAGED


def _rows_of_one_index(place: Place, info: DatasetInfo) -> Iterator[tuple[pa.Table | None, str]]:
    try:
        data = place.read(ONE_INDEX)
    except FileNotFoundError:
        raise ThbenchError(f"{place}/{ONE_INDEX} is missing: {_AGAIN}") from None
    index = _table(place, ONE_INDEX, data, REQUIRED_SCHEMA)
    for number, shard in enumerate(info.shards):
        rows = index.filter(pc.equal(index["shard"], number))
        if len(rows) != shard.frames:
            raise ThbenchError(
                f"{place}/{ONE_INDEX} has {len(rows)} frames of {shard.file}, {shard.frames} were "
                f"prepared: {_AGAIN}"
            )
        yield rows, ""


def _table(place: Place, file: str, data: bytes, schema: pa.Schema) -> Any:
    needed = pa.schema([field for field in schema if field.name not in NULLABLE])
    return read_table(Path(f"{place}/{file}"), _AGAIN, schema=needed, data=data)


def _damaged_tar(
    place: Place, shard: ShardRecord, rows: pa.Table | None, number: int
) -> Iterator[Damage]:
    if wrong := _fault(place, shard.file, shard.sha256):
        at = _first_damaged(place, shard.file, rows) if wrong != _MISSING else ""
        yield Damage(shard.file, wrong + at, number)


def _damaged_videos(folder: Path, rows: pa.Table | None, number: int) -> Iterator[Damage]:
    """The videos of a shard that are not the ones whose landmarks were found."""
    if rows is None:
        return
    names = ["path", "file_sha256"]
    for file in rows.select(names).group_by(names).aggregate([]).to_pylist():
        if wrong := _fault(LocalPlace(folder), file["path"], file["file_sha256"]):
            yield Damage(str(folder / file["path"]), wrong)


def _first_damaged(place: Place, file: str, rows: pa.Table | None) -> str:
    """Which frame of a damaged shard is the first to differ."""
    if rows is None:
        return ""
    columns = ["person", "video", "clip", "frame", "offset", "size", "crc32"]
    for row in rows.select(columns).to_pylist():
        (data,) = place.ranges(file, [(max(0, row["offset"]), max(0, row["size"]))], fresh=True)
        if zlib.crc32(data) != row["crc32"]:
            key = video_key(row["person"], row["video"])
            return f" at {key}/{row['clip']}/{row['frame']}"
    return " between its frames"


def _told(place: Place, found: list[Damage]) -> str:
    listed = ", ".join(f"{damage.file} {damage.what}" for damage in found[:_TOLD])
    more = f" and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return (
        f"{place}: {listed}{more}: run `thbench data repair {place} SOURCE` with what it was "
        "prepared from, or with a copy of it"
    )
