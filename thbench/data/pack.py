"""Any dataset as a prepared store: synthetic heads rendered once, so that training does not render them again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import cv2
import torch

from thbench.data.clips import sampled_positions
from thbench.data.dataset import Dataset, Video
from thbench.data.finish import finish
from thbench.data.shards import ShardWriter, commit_shard, is_committed, remove_leftovers, shard_path
from thbench.data.splits import SplitRule
from thbench.data.store_format import DATASET_JSON
from thbench.errors import ThbenchError
from thbench.files import atomic_path, read_json, write_json

PACK_JSON = "plan.json"   # as `thbench prepare` names it: a folder with it and without dataset.json is unfinished
_VIDEOS_PER_SHARD = 64


def pack(dataset: Dataset, out: Path, videos: int | None = None, frames: int | None = None, workers: int = 1,
         progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Writes `dataset` into the store `out`: lossless PNG, the dataset's own landmarks and split.

    videos: the first so many of each person; frames: so many of each video, evenly spaced; None: all of them. Run
    again after a kill, it goes on with the shards that are missing. Raises `ThbenchError` when `out` holds something
    else or cannot be written.
    """
    plan = {"packed": {"name": dataset.name, "sha256": dataset.sha256, "videos": videos, "frames": frames}}
    if (out / PACK_JSON).exists():
        if read_json(out / PACK_JSON) != plan:
            raise ThbenchError(f"{out} was begun with another dataset: choose a new folder")
    elif out.exists() and any(out.iterdir()):
        raise ThbenchError(f"{out} exists and is no prepared dataset: choose a new folder")
    write_json(out / PACK_JSON, plan)
    if (out / DATASET_JSON).exists():
        return
    chosen = [video for _, own in groupby(dataset.videos, key=lambda video: video.person)
              for video in islice(own, videos)]
    shards = [chosen[start:start + _VIDEOS_PER_SHARD] for start in range(0, len(chosen), _VIDEOS_PER_SHARD)]
    missing = [shard for shard in range(len(shards)) if not is_committed(out, shard)]
    packed = _packed(partial(_pack_shard, dataset, out, frames), shards, missing, workers)
    for done, _ in enumerate(packed, len(shards) - len(missing) + 1):
        progress(done, len(shards))
    recipe = {"layout": dataset.name, "size_px": dataset.size_px, "lossless": True,
              "packed_sha256": dataset.sha256, "pictures": dataset.pictures}
    test = tuple(sorted({video.person for video in dataset.videos if video.split == "test"}))
    finish(out, len(shards), recipe, {"source": dataset.name}, SplitRule(test_persons=test, test_fraction=0), [])


def _packed(one: Callable[[int, Sequence[Video]], None], shards: Sequence[Sequence[Video]], missing: Sequence[int],
            workers: int) -> Iterator[None]:
    if workers <= 1:
        yield from map(one, missing, (shards[shard] for shard in missing))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(one, missing, [shards[shard] for shard in missing])


def _pack_shard(dataset: Dataset, out: Path, frames: int | None, shard: int, videos: Sequence[Video]) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    remove_leftovers(out, shard)
    with atomic_path(shard_path(out, shard)) as temporary, open(temporary, "wb") as file:
        writer = ShardWriter(file, shard)
        for video in videos:
            for encoded, row in _frames(dataset, video, frames):
                writer.add(encoded, ".png", row)
        sha256 = writer.close()
    commit_shard(out, shard, writer.rows, [], sha256)


def _frames(dataset: Dataset, video: Video, count: int | None) -> Iterator[tuple[bytes, dict[str, Any]]]:
    positions = sampled_positions(video.n_frames, None, None, count)
    names = dataset.frame_names(video)
    frames = dataset.read(video, positions)
    images = frames.images.permute(0, 2, 3, 1).numpy()
    for position, image, landmarks in zip(positions, images, frames.landmarks, strict=True):
        clip, _, frame = names[position].rpartition("/")
        low, high = landmarks.min(dim=0).values, landmarks.max(dim=0).values
        encoded = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        yield encoded, {"person": video.person, "video": video.video, "clip": clip, "frame": frame,
                        "crop": [0, 0, dataset.size_px], "box": [*low.tolist(), *high.tolist()], "faces": 1,
                        "landmarks": landmarks.flatten().tolist(), "landmark_source": dataset.name}
