"""The end of `thbench prepare`: the index of each shard, the table of videos, and dataset.json,
which says that all is done.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
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
    IN_VIDEOS_SCHEMA,
    INDEX_FOLDER,
    ONE_INDEX,
    PLAN_JSON,
    SCHEMA,
    SHARDS,
    VIDEOS,
    VIDEOS_SCHEMA,
    index_file,
    shard_file,
)
from thbench.data.store.shards import (
    read_dropped,
    read_rows,
    remove_parts,
    tar_sha256,
    write_index,
    write_table,
)
from thbench.errors import ThbenchError
from thbench.files import sha256_file
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
    """Writes the index of each shard, videos.parquet, dropped.parquet and, last, dataset.json.

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
    for shard in range(shards):
        _add_shard(out, shard, test, tally, bool(recipe.get("in_videos")))
    write_table(out / VIDEOS, pa.concat_tables(tally.videos))

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
        files={name: sha256_file(out / name) for name in (VIDEOS, DROPPED)},
        videos_bytes=(out / VIDEOS).stat().st_size,
    )
    write_record(out / DATASET_JSON, info)
    remove_parts(out)


def remove_store(out: Path) -> None:
    """Deletes the files of a store and nothing else; dataset.json first: no half looks whole."""
    (out / DATASET_JSON).unlink(missing_ok=True)
    remove_parts(out)
    parts = [*(out / SHARDS).glob("*.tar"), *(out / INDEX_FOLDER).glob("*.parquet")]
    for file in (out / ONE_INDEX, out / VIDEOS, out / DROPPED, *parts, out / PLAN_JSON):
        file.unlink(missing_ok=True)
    for folder in (out / SHARDS, out / INDEX_FOLDER, out):
        with suppress(OSError):  # not there, or something else lies in it
            folder.rmdir()


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
    """Counts and digests gathered while the rows pass by; what is held grows with the videos."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._persons: dict[str, set[str]] = {"train": set(), "test": set()}
        self._frames: Counter[str] = Counter()
        self.several_faces = 0
        self.shards: list[ShardRecord] = []
        self.videos = [VIDEOS_SCHEMA.empty_table()]

    def add(self, table: pa.Table, videos: pa.Table, shard: ShardRecord) -> None:
        self._digest.update(bytes.fromhex(shard.sha256) + table_sha256(table))
        for split, persons in self._persons.items():
            own = videos.filter(pc.equal(videos["split"], split))
            persons.update(own["person"].unique().to_pylist())
        self._frames.update(_counts(table["split"]))
        self.several_faces += pc.sum(pc.greater(table["faces"], 1)).as_py() or 0
        self.shards.append(shard)
        self.videos.append(videos)

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def counts(self) -> dict[str, dict[str, int]]:
        videos: Counter[str] = Counter()
        for table in self.videos:
            videos.update(_counts(table["split"]))
        return {
            split: {
                "persons": len(self._persons[split]),
                "videos": videos[split],
                "frames": self._frames[split],
            }
            for split in ("train", "test")
        }


def _add_shard(out: Path, shard: int, test: frozenset[str], tally: _Tally, in_videos: bool) -> None:
    """Writes the index of a shard, its rows with their split, and adds it to the tally.

    in_videos: there is no tar, its file is the index.
    """
    rows = read_rows(out, shard)
    table = with_split(rows, test)
    path = out / index_file(shard)
    write_index(path, table)

    record = ShardRecord(
        index_file(shard) if in_videos else shard_file(shard),
        len(table),
        tar_sha256(out, shard),
        rows_sha256=sha256_file(path),
        rows_bytes=path.stat().st_size,
    )
    tally.add(table, videos_of_rows(table, shard), record)


def with_split(rows: pa.Table, test: Collection[str]) -> pa.Table:
    """The rows of a shard as the index has them: the test persons are told."""
    splits = ["test" if person in test else "train" for person in rows["person"].to_pylist()]
    schema = IN_VIDEOS_SCHEMA if "path" in rows.column_names else SCHEMA
    place = schema.get_field_index("split")
    return rows.add_column(place, "split", pa.array(splits, pa.string())).cast(schema)


def videos_of_rows(table: pa.Table, shard: int) -> pa.Table:
    """The videos of the rows of one shard, of which those of a video adjoin."""
    names = list(zip(table["person"].to_pylist(), table["video"].to_pylist(), strict=True))
    starts = [row for row in range(len(names)) if not row or names[row] != names[row - 1]]
    firsts = table.select(["person", "video", "split"]).take(pa.array(starts, pa.int64()))
    counts = [end - start for start, end in pairwise([*starts, len(names)])]
    where = {"shard": [shard] * len(starts), "first_row": starts, "n_frames": counts}
    columns = [*firsts.columns, *(pa.array(column, pa.int32()) for column in where.values())]
    return pa.table(columns, VIDEOS_SCHEMA)


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted(Counter(column.to_pylist()).items(), key=lambda item: (-item[1], item[0])))
