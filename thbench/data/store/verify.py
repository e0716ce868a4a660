"""`thbench data verify`: every byte of a prepared store against what was recorded of it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from thbench.data.prepare.finish import table_sha256
from thbench.data.store.format import INDEX, REQUIRED_SCHEMA
from thbench.data.store.prepared import PreparedStore
from thbench.errors import ThbenchError
from thbench.files import inside, sha256_file
from thbench.records.video_key import video_key
from thbench.tables import read_table


def verify(path: Path) -> str:
    """One line on a whole store; raises `ThbenchError` naming the first damaged frame or file."""
    store = PreparedStore(path)
    for name, sha256 in store.info.files.items():  # older stores list none
        if sha256_file(inside(path, name)) != sha256:
            raise ThbenchError(f"{path / name} is not what was prepared: prepare the dataset again")

    digest = hashlib.sha256()
    for shard, rows in zip(store.info.shards, _rows_of_shards(store), strict=True):
        file = inside(path, shard.file)
        if not file.is_file():
            raise ThbenchError(f"{file} is missing: prepare the dataset again")
        if sha256_file(file) != shard.sha256:
            raise ThbenchError(f"{_damage(file, rows)}: prepare the dataset again")
        digest.update(bytes.fromhex(shard.sha256) + table_sha256(rows))

    if digest.hexdigest() != store.sha256:
        raise ThbenchError(
            f"{path / INDEX} does not hold what was prepared: prepare the dataset again"
        )

    frames = sum(video.n_frames for video in store.videos)
    return (
        f"{path} is whole: {frames} frames in {len(store.info.shards)} shards, "
        f"sha256 {store.sha256}"
    )


def _rows_of_shards(store: PreparedStore) -> Iterator[pa.Table]:
    """The rows of each shard, as many as were prepared."""
    index = read_table(store.path / INDEX, "prepare the dataset again", schema=REQUIRED_SCHEMA)
    for number, shard in enumerate(store.info.shards):
        rows = index.filter(pc.equal(index["shard"], number))
        if len(rows) != shard.frames:
            raise ThbenchError(
                f"{store.path / INDEX} has {len(rows)} frames of {shard.file}, "
                f"{shard.frames} were prepared: prepare the dataset again"
            )
        yield rows


def _damage(file: Path, rows: pa.Table) -> str:
    """Which frame of a damaged shard is the first to differ."""
    columns = ["person", "video", "clip", "frame", "offset", "size", "crc32"]
    with open(file, "rb") as shard:
        for row in rows.select(columns).to_pylist():
            shard.seek(max(0, row["offset"]))
            if zlib.crc32(shard.read(max(0, row["size"]))) != row["crc32"]:
                key = video_key(row["person"], row["video"])
                return f"{file} is damaged at {key}/{row['clip']}/{row['frame']}"
    return f"{file} is damaged between its frames"
