"""The files of a prepared store, for those who write it and those who read it.

    DATASET/
      dataset.json      size, recipe, landmark source, split rule, counts, sha256 of every shard;
                        written last
      index.parquet     one row per frame (see `SCHEMA`): names, split, crop, box, landmarks, place
      dropped.parquet   one row per frame, clip or video that was left out, with the reason
      shards/00000.tar  frames as person/video/clip/frame.jpg, uncompressed tar: `tar tf` lists them

A folder without dataset.json is one that `thbench prepare` has begun and not finished.
"""

from __future__ import annotations

import pyarrow as pa

FORMAT = 1
PLAN_JSON, DATASET_JSON = "plan.json", "dataset.json"
INDEX, DROPPED = "index.parquet", "dropped.parquet"
SHARDS = "shards"
ROWS_PER_GROUP = 512  # what is decoded for the landmarks of one frame

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
# What every index has: older stores lack the last columns.
REQUIRED_SCHEMA = pa.schema([field for field in SCHEMA if field.name not in ("time_s", "pupils")])
DROPPED_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("reason", "person", "video", "clip", "frame")]
)
