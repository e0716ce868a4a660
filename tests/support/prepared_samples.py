"""Small sources for the tests of preparation: pictures that look like nothing, with landmarks that
are known.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from thbench.data.prepare.extract import Recipe
from thbench.data.store.format import ROWS_PER_GROUP
from thbench.data.store.shards import table_writer
from thbench.files import read_json, sha256_file, write_json

VOX1 = Path(__file__).parents[2] / "../shared/data/vox1-sample"
VOX2 = Path(__file__).parents[2] / "../shared/data/vox2-sample"


def noise(seed: int, height: int = 48, width: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def points(seed: int, size: int = 48) -> NDArray[np.float32]:
    return np.random.default_rng([seed, 1]).uniform(4, size - 5, (68, 2)).astype(np.float32)


def make_frames(root: Path, persons: int = 3, videos: int = 2, frames: int = 4) -> None:
    """`root/frames/<person>/<video>/<n>.png` with landmarks in `root/landmarks`, every frame of its
    own seed.
    """
    for person in range(persons):
        for video in range(videos):
            folder = f"p{person}/v{video}"
            (root / "frames" / folder).mkdir(parents=True)
            (root / "landmarks" / folder).mkdir(parents=True)
            for frame in range(frames):
                seed = (person * videos + video) * frames + frame
                Image.fromarray(noise(seed)).save(root / f"frames/{folder}/{frame}.png")
                np.save(root / f"landmarks/{folder}/{frame}.npy", points(seed))


def recipe(root: Path, **settings: object) -> Recipe:
    """Keeps every pixel: no crop, the source's size, lossless, the landmarks that `make_frames`
    wrote.
    """
    chosen = {
        "layout": "frames",
        "size_px": 48,
        "crop": "as-is",
        "landmarks": f"import:{root / 'landmarks'}",
        "lossless": True,
        **settings,
    }
    return Recipe(**chosen)  # type: ignore[arg-type]


def with_one_index(store: Path, without: str | None = None) -> None:
    """Makes of a store what older releases wrote: format 1, one index.parquet of all frames.

    without: a column that they did not write yet; then they kept no digests of tables either.
    """
    table = pa.concat_tables(pq.read_table(file) for file in sorted(store.glob("index/*")))
    table = table.drop_columns(without) if without else table
    with table_writer(store / "index.parquet", table.schema) as writer:
        writer.write_table(table, ROWS_PER_GROUP)
    shutil.rmtree(store / "index")
    (store / "videos.parquet").unlink()

    info = read_json(store / "dataset.json")
    del info["files"], info["videos_bytes"]
    for shard in info["shards"]:
        del shard["rows_sha256"], shard["rows_bytes"]
    if not without:
        names = ("index.parquet", "dropped.parquet")
        info["files"] = {name: sha256_file(store / name) for name in names}
    write_json(store / "dataset.json", {**info, "format": 1})


def contents(out: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
