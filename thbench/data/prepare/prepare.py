"""`thbench prepare`: real frames -> landmarks -> square crops -> a prepared store, resumable.

Videos are sorted and grouped into shards before any work begins; a shard is the unit of work.
Machine i of n makes the shards i, i + n, ...; whichever finds all of them done merges the index and
writes dataset.json, which ends the work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from thbench.data.landmarks.detector import LandmarkDetector
from thbench.data.landmarks.load import load_detector
from thbench.data.prepare.clips import NO_RATE
from thbench.data.prepare.crop import POLICIES
from thbench.data.prepare.extract import Recipe, prepare_shard
from thbench.data.prepare.finish import finish, remove_store
from thbench.data.prepare.listing import list_source
from thbench.data.prepare.source import Listing, SourceVideo
from thbench.data.splits import SplitRule
from thbench.data.store.format import DATASET_JSON, PLAN_JSON
from thbench.data.store.shards import is_committed, remove_leftovers
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.files import read_json_object, sha256_json, write_json
from thbench.locks import LOCK, holds_nothing, locked
from thbench.workers import each

# Where there are as many videos: work for many processes, and a kill loses little.
_SHARDS_AT_LEAST = 64
PICTURE_LAYOUTS = ("vox1-frames", "frames", "photos-flat", "vfhq")
_VIDEOS_PER_SHARD = 32  # at most: tens of megabytes

# Takes the shards done, the shards in all, the frames of the shard just done.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Part:
    """Machine `index` of `count` that share the work."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ThbenchError(
                f"--shard-index {self.index} must lie between 0 and --num-shards - 1 = "
                f"{self.count - 1}"
            )

    @property
    def lock(self) -> str:
        """The name of the lock file: machines that share the work have one each."""
        return LOCK if self.count == 1 else f"{LOCK}-{self.index}-of-{self.count}"


def prepare(
    source: Path,
    out: Path,
    recipe: Recipe,
    split: SplitRule,
    workers: int | None = 1,
    part: Part = Part(),
    device: str = "cpu",
    progress: Progress = lambda done, total, frames: None,
    overwrite: bool = False,
    engine: Engine = LOCAL,
) -> bool:
    """Prepares `source` into the store `out` and returns whether the store is finished.

    workers, engine: see `thbench.workers.each`. overwrite: a store in `out` that was begun in
    another way is removed first.

    It is not when other machines still have shards to make. Run again after a kill, it goes on with
    the shards that are missing and ends with the same bytes. Raises `ThbenchError` for a recipe
    that makes no sense, a source that holds nothing, an `out` that holds something else or cannot
    be written, and when no frame has a face.
    """
    _check(recipe)
    listing = list_source(recipe.layout, source, recipe.follow_links)
    detector = _detector(recipe.landmarks, device)
    shards = list(grouped(listing.videos))
    _check_folder(out)

    with locked(out, part.lock):
        plan = {
            "recipe": recipe.record(),
            "split": asdict(split),
            "landmarks": dict(detector.provenance),
            "videos_sha256": sha256_json([asdict(video) for video in listing.videos]),
            "videos": len(listing.videos),
            "shards": len(shards),
        }
        if overwrite and _begun_otherwise(out, plan):
            remove_store(out)
        _write_plan(out, plan)
        if (out / DATASET_JSON).exists():
            return True

        ours = range(part.index, len(shards), part.count)
        jobs = [_Job(shard, shards[shard]) for shard in ours if not is_committed(out, shard)]
        for job in jobs:
            remove_leftovers(out, job.shard)

        before = len(ours) - len(jobs)
        progress(before, len(ours), 0)
        set_up = partial(_shard_maker, listing.root, out, recipe, device)
        with closing(each(set_up, jobs, workers, engine, out)) as made:
            for done, (_, frames) in enumerate(made, before + 1):
                progress(done, len(ours), frames)

        return _finish(out, len(shards), recipe, detector, split, listing)


@dataclass(frozen=True)
class _Job:
    shard: int
    videos: Sequence[SourceVideo]


def _check(recipe: Recipe) -> None:
    if recipe.size_px < 16:
        raise ThbenchError(
            f"--size {recipe.size_px} is too small for a face: choose 16 pixels or more"
        )
    if recipe.crop not in POLICIES:
        raise ThbenchError(f"no crop policy named {recipe.crop!r}: choose {', '.join(POLICIES)}")
    if not 0 <= recipe.max_outside <= 1:
        raise ThbenchError(
            f"--max-outside {recipe.max_outside} is a share of a face's landmarks: choose 0 to 1"
        )

    if recipe.in_videos and recipe.layout in PICTURE_LAYOUTS:
        raise ThbenchError(
            f"--in-videos needs videos, the layout {recipe.layout} holds pictures: leave it out"
        )
    if recipe.fps is None:
        return
    if not recipe.fps > 0:
        raise ThbenchError(f"--fps must be more than 0, not {recipe.fps}")
    if recipe.layout in ("vox1-frames", "frames", "photos-flat"):
        raise ThbenchError(NO_RATE)


def grouped(videos: Sequence[SourceVideo]) -> Iterator[Sequence[SourceVideo]]:
    """The videos of each shard, in order."""
    size = min(_VIDEOS_PER_SHARD, -(-len(videos) // _SHARDS_AT_LEAST))
    for start in range(0, len(videos), size):
        yield videos[start : start + size]


def _check_folder(out: Path) -> None:
    if not (out / PLAN_JSON).exists() and not holds_nothing(out):
        raise ThbenchError(f"{out} exists and is not a prepared dataset: choose a new folder")


def _write_plan(out: Path, plan: dict[str, Any]) -> None:
    """Writes plan.json into a new store.

    Raises `ThbenchError` when the store was begun earlier, in another way.
    """
    difference = _begun_otherwise(out, plan)
    if difference:
        raise ThbenchError(
            f"{out} was begun with {difference}: use a new folder, the options of the "
            "first time, or --overwrite to make it anew"
        )
    if not (out / PLAN_JSON).exists():
        write_json(out / PLAN_JSON, plan)


def _begun_otherwise(out: Path, plan: dict[str, Any]) -> str:
    """How the plan of the store in `out` differs, "" when it does not or there is none."""
    if not (out / PLAN_JSON).exists():
        return ""
    return _difference(read_json_object(out / PLAN_JSON), json.loads(json.dumps(plan)))


def _difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first setting that differs between two plans, "" when none does."""
    for key, value in now.items():
        if begun.get(key) != value:
            if isinstance(value, dict) and isinstance(begun.get(key), dict):
                return _difference(begun[key], value)
            return f"other {key.removesuffix('_sha256')} ({begun.get(key)!r}, now {value!r})"
    return ""


_detector = lru_cache(maxsize=1)(load_detector)  # one for a process, be it a worker or not


def _shard_maker(root: Path, out: Path, recipe: Recipe, device: str) -> Callable[[_Job], int]:
    """What does one shard, with the detector loaded."""
    detector = _detector(recipe.landmarks, device)
    return lambda job: prepare_shard(root, out, job.shard, job.videos, recipe, detector)


def _finish(
    out: Path,
    shards: int,
    recipe: Recipe,
    detector: LandmarkDetector,
    split: SplitRule,
    listing: Listing,
) -> bool:
    if not all(is_committed(out, shard) for shard in range(shards)):
        return (out / DATASET_JSON).exists()  # written, and the parts deleted, by another machine

    try:
        made = recipe.record()
        if recipe.in_videos:
            made["source"] = os.path.relpath(listing.root, out.resolve())
        finish(out, shards, made, detector.provenance, split, listing.dropped)
    except FileNotFoundError:
        if not (out / DATASET_JSON).exists():
            raise
    return True
