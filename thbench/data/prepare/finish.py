"""The end of `thbench prepare`: one index of all shards, then dataset.json, which says so."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from thbench.data.prepare.source import Dropped
from thbench.data.splits import SplitRule, choose_test_persons
from thbench.data.store.format import (
    DATASET_JSON,
    DROPPED,
    DROPPED_SCHEMA,
    FORMAT,
    INDEX,
    PLAN_JSON,
    ROWS_PER_GROUP,
    SCHEMA,
    SHARDS,
)
from thbench.data.store.shards import (
    read_dropped,
    read_rows,
    remove_parts,
    shard_path,
    table_writer,
    tar_sha256,
    write_table,
)
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file
from thbench.records.dataset import DatasetInfo, ShardRecord
from thbench.records.encode import write_record


def finish(
    out: Path,
    shards: int,
    recipe: Mapping[str, Any],
    landmarks: Mapping[str, Any],
    rule: SplitRule,
    unlisted: Sequence[Dropped],
) -> None:
    """Merges the rows of all shards and writes index.parquet, dropped.parquet and, last,
    dataset.json.

    The same shards give the same bytes. Raises `ThbenchError` when not one frame was kept, with the
    reasons.
    """
    before = pa.Table.from_pylist([asdict(drop) for drop in unlisted], DROPPED_SCHEMA)
    lost = pa.concat_tables([before, *(read_dropped(out, shard) for shard in range(shards))])
    reasons = _counts(lost["reason"])
    persons = _persons(out, shards)
    if not persons:
        remove_store(out)
        raise ThbenchError(
            f"no frame was kept ({told(reasons) or 'the source holds none'}): {out} was not made; "
            "check the source, its layout and --landmarks"
        )

    test, how = choose_test_persons(rule, str(recipe["layout"]), persons)
    write_table(out / DROPPED, lost)

    tally = _Tally()
    with atomic_path(out / INDEX) as temporary, table_writer(temporary, SCHEMA) as writer:
        for table in _split_rows(out, shards, test, tally):
            writer.write_table(table, ROWS_PER_GROUP)

    info = DatasetInfo(
        format=FORMAT,
        size_px=recipe["size_px"],
        sha256=tally.sha256(),
        recipe=recipe,
        landmarks=landmarks,
        split={**how, "test_persons": sorted(test)},
        counts=tally.counts(),
        dropped=reasons,
        frames_with_several_faces=tally.several_faces,
        shards=tally.shards,
        files={name: sha256_file(out / name) for name in (INDEX, DROPPED)},
    )
    write_record(out / DATASET_JSON, info)
    remove_parts(out)


def remove_store(out: Path) -> None:
    """Deletes the files of a store and nothing else; dataset.json first: no half looks whole."""
    (out / DATASET_JSON).unlink(missing_ok=True)
    remove_parts(out)
    for file in (out / INDEX, out / DROPPED, *(out / SHARDS).glob("*.tar"), out / PLAN_JSON):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # something else lies in it
        (out / SHARDS).rmdir()
        out.rmdir()


def told(reasons: Mapping[str, int]) -> str:
    """Reasons and their counts in one line, the most frequent first."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items())


def table_sha256(table: pa.Table) -> bytes:
    """The digest of what names and describes the frames of one shard: names, split, landmarks and
    pupils.
    """
    digest = hashlib.sha256()
    for column in ("person", "video", "clip", "frame", "split"):
        digest.update("\0".join(table[column].to_pylist()).encode())
    for column in ("landmarks", "pupils"):
        if column in table.column_names:  # nothing is added where nobody knows the pupils
            points = table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            digest.update(points.astype("<f4").tobytes())
    return digest.digest()


def _persons(out: Path, shards: int) -> list[str]:
    """Everybody with a frame in some shard, sorted."""
    columns = [read_rows(out, shard, ["person"])["person"] for shard in range(shards)]
    return sorted({person for column in columns for person in column.unique().to_pylist()})


class _Tally:
    """Counts and digests gathered while the rows pass by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._videos: set[tuple[str, str, str]] = set()
        self._frames: Counter[str] = Counter()
        self.several_faces = 0
        self.shards: list[ShardRecord] = []

    def add(self, shard: Path, sha256: str, table: pa.Table) -> None:
        self._digest.update(bytes.fromhex(sha256) + table_sha256(table))
        columns = ["split", "person", "video"]
        names = table.select(columns).group_by(columns).aggregate([])
        self._videos |= {tuple(row.values()) for row in names.to_pylist()}
        self._frames.update(_counts(table["split"]))
        self.several_faces += pc.sum(pc.greater(table["faces"], 1)).as_py() or 0
        self.shards.append(ShardRecord(f"{shard.parent.name}/{shard.name}", len(table), sha256))

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        return {
            split: {
                "persons": len({person for part, person, _ in self._videos if part == split}),
                "videos": sum(part == split for part, _, _ in self._videos),
                "frames": self._frames[split],
            }
            for split in ("train", "test")
        }


def _split_rows(out: Path, shards: int, test: frozenset[str], tally: _Tally) -> Iterator[pa.Table]:
    """The rows of each shard with their split added."""
    for shard in range(shards):
        rows = read_rows(out, shard)
        persons = rows["person"].to_pylist()
        splits = ["test" if person in test else "train" for person in persons]
        split = pa.array(splits, pa.string())

        table = rows.add_column(SCHEMA.get_field_index("split"), "split", split).cast(SCHEMA)
        tally.add(shard_path(out, shard), tar_sha256(out, shard), table)
        yield table


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted(Counter(column.to_pylist()).items(), key=lambda item: (-item[1], item[0])))
