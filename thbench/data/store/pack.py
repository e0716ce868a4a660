"""Any dataset as a prepared store: synthetic heads rendered once, not in every training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.dataset import Dataset, Video
from thbench.data.prepare.clips import sampled_positions
from thbench.data.prepare.finish import finish
from thbench.data.splits import SplitRule
from thbench.data.store.format import DATASET_JSON
from thbench.data.store.shards import (
    ShardWriter,
    commit_shard,
    is_committed,
    remove_leftovers,
    shard_path,
)
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.files import atomic_path, read_json, write_json
from thbench.locks import holds_nothing, locked
from thbench.workers import each

# As `thbench prepare` names it: a folder with it and without dataset.json is unfinished.
PACK_JSON = "plan.json"
_VIDEOS_PER_SHARD = 64


def pack(
    dataset: Dataset,
    out: Path,
    videos: int | None = None,
    frames: int | None = None,
    workers: int | None = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
    engine: Engine = LOCAL,
) -> None:
    """Writes `dataset` into the store `out`: lossless PNG, the dataset's own landmarks and split.

    videos: the first so many of each person; frames: so many of each video, evenly spaced; None:
    all of them. Run again after a kill, it goes on with the shards that are missing. Raises
    `ThbenchError` when `out` holds something else or cannot be written.
    """
    packed_from = {"name": dataset.name, "sha256": dataset.sha256}
    plan = {"packed": {**packed_from, "videos": videos, "frames": frames}}
    if not (out / PACK_JSON).exists() and not holds_nothing(out):
        raise ThbenchError(f"{out} exists and is not a prepared dataset: choose a new folder")

    with locked(out):
        if (out / PACK_JSON).exists() and read_json(out / PACK_JSON) != plan:
            raise ThbenchError(f"{out} was begun with another dataset: choose a new folder")
        write_json(out / PACK_JSON, plan)
        if (out / DATASET_JSON).exists():
            return

        shards = shards_of(dataset, videos)
        missing = [shard for shard in range(len(shards)) if not is_committed(out, shard)]
        jobs = [(shard, shards[shard]) for shard in missing]

        before = len(shards) - len(jobs)
        progress(before, len(shards))
        packer = partial(_shard_packer, dataset, out, frames)
        with closing(each(packer, jobs, workers, engine, out)) as packed:
            for done, _ in enumerate(packed, before + 1):
                progress(done, len(shards))

        recipe = {
            "layout": dataset.name,
            "size_px": dataset.size_px,
            "lossless": True,
            "packed_sha256": dataset.sha256,
            "pictures": dataset.pictures,
        }
        test = tuple(sorted({video.person for video in dataset.videos if video.split == "test"}))
        rule = SplitRule(test_persons=test, test_fraction=0)
        finish(out, len(shards), recipe, {"source": dataset.name}, rule, [])


def shards_of(dataset: Dataset, videos: int | None) -> list[list[Video]]:
    """The first so many videos of each person, in groups."""
    chosen = [
        video
        for _, own in groupby(dataset.videos, key=lambda video: video.person)
        for video in islice(own, videos)
    ]
    return [
        chosen[start : start + _VIDEOS_PER_SHARD]
        for start in range(0, len(chosen), _VIDEOS_PER_SHARD)
    ]


def _shard_packer(
    dataset: Dataset, out: Path, frames: int | None
) -> Callable[[tuple[int, Sequence[Video]]], None]:
    return lambda job: pack_shard(dataset, out, frames, *job)


def pack_shard(
    dataset: Dataset, out: Path, frames: int | None, shard: int, videos: Sequence[Video]
) -> None:
    remove_leftovers(out, shard)
    with atomic_path(shard_path(out, shard)) as temporary, open(temporary, "wb") as file:
        writer = ShardWriter(file, shard)
        for video in videos:
            for encoded, row in _frames(dataset, video, frames):
                writer.add(encoded, ".png", row)
        sha256 = writer.close()
    commit_shard(out, shard, writer.rows, [], sha256)


def _frames(
    dataset: Dataset, video: Video, count: int | None
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    positions = sampled_positions(video.n_frames, None, None, count)
    names = dataset.frame_names(video)
    times_s = dataset.frame_times_s(video)
    frames = dataset.read(video, positions)
    images = frames.images.permute(0, 2, 3, 1).numpy()

    eyes = [None] * len(frames) if frames.pupils is None else frames.pupils.flatten(1).tolist()

    for position, image, landmarks, pupils in zip(
        positions, images, frames.landmarks, eyes, strict=True
    ):
        clip, _, frame = names[position].rpartition("/")
        low, high = landmarks.min(dim=0).values, landmarks.max(dim=0).values
        row = {
            "person": video.person,
            "video": video.video,
            "clip": clip,
            "frame": frame,
            "crop": [0, 0, dataset.size_px],
            "box": [*low.tolist(), *high.tolist()],
            "faces": 1,
            "landmarks": landmarks.flatten().tolist(),
            "landmark_source": dataset.name,
            "time_s": None if times_s is None else times_s[position],
            "pupils": pupils,
        }
        yield _png(image), row


def _png(image: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return encoded.tobytes()
