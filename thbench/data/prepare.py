"""`thbench prepare`: real frames -> landmarks -> square crops -> a prepared store, in parallel, resumable.

Videos are sorted and grouped into shards before any work begins; a shard is the unit of work. Machine i of n makes the
shards i, i + n, ...; whichever finds all of them done merges the index and writes dataset.json, which ends the work.
"""

from __future__ import annotations

import json
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from thbench.data.crop import POLICIES
from thbench.data.extract import Recipe, prepare_shard
from thbench.data.finish import finish
from thbench.data.landmarks import LandmarkDetector, load_detector
from thbench.data.layouts import Listing, SourceVideo, list_source
from thbench.data.shards import is_committed, remove_leftovers
from thbench.data.splits import SplitRule
from thbench.data.store_format import DATASET_JSON, PLAN_JSON
from thbench.errors import ThbenchError
from thbench.files import read_json_object, sha256_json, write_json

_SHARDS_AT_LEAST = 64  # where there are as many videos: the work of many processes, and little lost by a kill
_VIDEOS_PER_SHARD = 32  # at most: tens of megabytes

Progress = Callable[[int, int, int], None]  # shards done, shards in all, frames of the shard just done


@dataclass(frozen=True)
class Part:
    """Machine `index` of `count` that share the work."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ThbenchError(f"--shard-index {self.index} must lie between 0 and --num-shards - 1 = {self.count - 1}")


def prepare(source: Path, out: Path, recipe: Recipe, split: SplitRule, workers: int = 1, part: Part = Part(),
            device: str = "cpu", progress: Progress = lambda done, total, frames: None) -> bool:
    """Prepares `source` into the store `out` and returns whether the store is finished.

    It is not when other machines still have shards to make. Run again after a kill, it goes on with the shards that are
    missing and ends with the same bytes. Raises `ThbenchError` for a recipe that makes no sense, a source that holds
    nothing, an `out` that holds something else or cannot be written, and when no frame has a face.
    """
    _check(recipe)
    listing = list_source(recipe.layout, source)
    detector = load_detector(recipe.landmarks, device)
    shards = list(_grouped(listing.videos))
    _write_plan(out, {"recipe": asdict(recipe), "split": asdict(split), "landmarks": dict(detector.provenance),
                      "videos_sha256": sha256_json([asdict(video) for video in listing.videos]),
                      "videos": len(listing.videos), "shards": len(shards)})
    if (out / DATASET_JSON).exists():
        return True
    mine = [shard for shard in range(part.index, len(shards), part.count) if not is_committed(out, shard)]
    for shard in mine:
        remove_leftovers(out, shard)
    jobs = [_Job(listing.root, out, shard, shards[shard], recipe) for shard in mine]
    done = len(range(part.index, len(shards), part.count)) - len(mine)
    for frames in _results(jobs, detector, min(workers, len(jobs)), device):
        done += 1
        progress(done, len(range(part.index, len(shards), part.count)), frames)
    return _finish(out, len(shards), recipe, detector, split, listing)


@dataclass(frozen=True)
class _Job:
    root: Path
    out: Path
    shard: int
    videos: Sequence[SourceVideo]
    recipe: Recipe


def _check(recipe: Recipe) -> None:
    if recipe.size_px < 16:
        raise ThbenchError(f"--size {recipe.size_px} is too small for a face: choose 16 pixels or more")
    if recipe.crop not in POLICIES:
        raise ThbenchError(f"no crop policy named {recipe.crop!r}: choose {', '.join(POLICIES)}")
    if recipe.fps is not None and not recipe.fps > 0:
        raise ThbenchError(f"--fps must be more than 0, not {recipe.fps}")
    if recipe.fps is not None and recipe.layout in ("vox1-frames", "frames"):
        raise ThbenchError("--fps needs videos: image files carry no rate; use --frames-per-clip")


def _grouped(videos: Sequence[SourceVideo]) -> Iterator[Sequence[SourceVideo]]:
    size = min(_VIDEOS_PER_SHARD, -(-len(videos) // _SHARDS_AT_LEAST))
    for start in range(0, len(videos), size):
        yield videos[start:start + size]


def _write_plan(out: Path, plan: dict[str, Any]) -> None:
    """Writes plan.json into a new store; checks that one begun earlier was begun in the same way."""
    if (out / PLAN_JSON).exists():
        difference = _difference(read_json_object(out / PLAN_JSON), json.loads(json.dumps(plan)))
        if difference:
            raise ThbenchError(f"{out} was begun with {difference}: use a new folder or the options of the first time")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ThbenchError(f"{out} exists and is no prepared dataset: choose a new folder")
    else:
        write_json(out / PLAN_JSON, plan)


def _difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first setting that differs between two plans, "" when none does."""
    for key, value in now.items():
        if begun.get(key) != value:
            if isinstance(value, dict) and isinstance(begun.get(key), dict):
                return _difference(begun[key], value)
            return f"other {key.removesuffix('_sha256')} ({begun.get(key)!r}, now {value!r})"
    return ""


def _results(jobs: Sequence[_Job], detector: LandmarkDetector, workers: int, device: str) -> Iterator[int]:
    """The number of frames of each shard as it is done."""
    if workers <= 1:
        for job in jobs:
            yield _run(job, detector)
        return
    # Not forked: OpenCV, torch and dlib hold threads that a fork would copy half.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_worker, (jobs[0].recipe.landmarks, device)) as pool:
        futures = [pool.submit(_run_in_worker, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise ThbenchError("a worker was killed, for lack of memory perhaps: run the same command again with fewer "
                               "--workers, it goes on from here") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_worker_detector: LandmarkDetector


def _start_worker(landmarks: str, device: str) -> None:
    global _worker_detector
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    _worker_detector = load_detector(landmarks, device)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run_in_worker(job: _Job) -> int:
    return _run(job, _worker_detector)


def _run(job: _Job, detector: LandmarkDetector) -> int:
    return prepare_shard(job.root, job.out, job.shard, job.videos, job.recipe, detector)


def _finish(out: Path, shards: int, recipe: Recipe, detector: LandmarkDetector, split: SplitRule,
            listing: Listing) -> bool:
    if not all(is_committed(out, shard) for shard in range(shards)):
        return (out / DATASET_JSON).exists()  # written, and the parts deleted, by another machine
    try:
        finish(out, shards, asdict(recipe), detector.provenance, split, listing.dropped)
    except FileNotFoundError:
        if not (out / DATASET_JSON).exists():
            raise
    return True
