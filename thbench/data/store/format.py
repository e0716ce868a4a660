"""The files of a prepared store, for those who write it and those who read it.

    DATASET/
      dataset.json         size, recipe, landmark source, split rule, counts, sha256 of every file;
                           written last
      videos.parquet       one row per video (see `VIDEOS_SCHEMA`): all that is read to open a store
      index/00000.parquet  one row per frame of a shard (see `SCHEMA`): names, split, crop, box,
                           landmarks, place
      dropped.parquet      one row per frame, clip or video that was left out, with the reason
      shards/00000.tar     frames as person/video/clip/frame.jpg, uncompressed tar: `tar tf` lists
                           them

A folder without dataset.json is one that `thbench prepare` has begun and not finished. Stores of
format 1 have one index.parquet of all frames instead of videos.parquet and index/.
"""

from __future__ import annotations

import pyarrow as pa

FORMAT, ONE_INDEX_FORMAT = 2, 1
PLAN_JSON, DATASET_JSON = "plan.json", "dataset.json"
VIDEOS, DROPPED = "videos.parquet", "dropped.parquet"
INDEX_FOLDER, ONE_INDEX = "index", "index.parquet"
SHARDS = "shards"
ROWS_PER_GROUP = 512  # of tables that are read whole
# Of an index: what is decoded for the landmarks of one frame, and what its footer has to list.
INDEX_ROWS_PER_GROUP, INDEX_GROUPS = 128, 64

SCHEMA = pa.schema(
    [
        ("person", pa.string()),
        ("video", pa.string()),
        ("clip", pa.string()),
        ("frame", pa.string()),
        ("split", pa.string()),
        ("crop", pa.list_(pa.int32(), 3)),  # left, top, side in pixels of the source frame
        # Of the face: left, top, right, bottom in pixels of the stored frame.
        ("box", pa.list_(pa.float32(), 4)),
        ("faces", pa.int16()),  # found in the source frame; the largest one is kept
        # x_0, y_0, ..., x_67, y_67 in pixels of the stored frame.
        ("landmarks", pa.list_(pa.float32(), 136)),
        ("landmark_source", pa.string()),
        ("shard", pa.int32()),
        ("offset", pa.int64()),  # of the encoded frame in its shard, in bytes
        ("size", pa.int32()),  # of the encoded frame, in bytes
        ("crc32", pa.uint32()),
        ("time_s", pa.float64()),  # since the start of the clip; null where nobody recorded it
        # Centres of the irises, x and y of the eye of landmarks 36-41, then of 42-47, in pixels of
        # the stored frame; NaN where lids hide one, null where nobody knows them.
        ("pupils", pa.list_(pa.float32(), 4)),
    ]
)
OPTIONAL = frozenset({"time_s", "pupils"})  # older stores lack these columns
REQUIRED_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in OPTIONAL])
# Of a store whose frames stay in the source's videos: where to decode each of them. The file is
# named below the source; pts and key_pts, null where the file states no times, are when the frame
# and the key frame before it are shown, in the units of the stream.
_PLACE = ("offset", "size", "crc32")
IN_VIDEOS_SCHEMA = pa.schema(
    [
        *(field for field in SCHEMA if field.name not in _PLACE),
        ("path", pa.string()),
        ("file_bytes", pa.int64()),
        ("file_sha256", pa.string()),
        ("position", pa.int32()),
        ("pts", pa.int64()),
        ("key_pts", pa.int64()),
    ]
)
NULLABLE = OPTIONAL | {"pts", "key_pts"}
VIDEOS_SCHEMA = pa.schema(
    [
        ("person", pa.string()),
        ("video", pa.string()),
        ("split", pa.string()),
        ("shard", pa.int32()),
        ("first_row", pa.int32()),  # of its frames in the index of the shard
        ("n_frames", pa.int32()),
    ]
)
DROPPED_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("reason", "person", "video", "clip", "frame")]
)


def shard_file(shard: int) -> str:
    """The tar of a shard, below the store."""
    return f"{SHARDS}/{shard:05d}.tar"


def index_file(shard: int) -> str:
    """The rows of a shard's frames, below the store."""
    return f"{INDEX_FOLDER}/{shard:05d}.parquet"
