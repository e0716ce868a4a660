"""Scoring folders of videos: pair, plan, write a run folder, score it as any other run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from protocols.definition import stored_definition
from protocols.generate import unfinished
from protocols.kinds.self_reenactment import Identity, SelfReenactment
from protocols.progress import Progress, unwatched
from protocols.run import Outcome, locked, set_status
from protocols.score import score_run
from protocols.score_videos.look import look
from protocols.score_videos.matching import Match, frame_choice
from protocols.score_videos.pairs import Pairs, listed, pairs_by_name, pairs_from_csv
from protocols.score_videos.plan import (
    Plan,
    dataset_sha256,
    definition_of,
    plan_split,
    run_record,
)
from protocols.score_videos.shape import Crop, Shape
from protocols.score_videos.units import is_whole, video_writer
from thbench.data.clip_files import ClipFile, Keep
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.locks import holds_nothing
from thbench.records.run import RunRecord
from thbench.runs import REAL, Run, Unit
from thbench.workers import each

CROPPED_SIZE_PX = 256


@dataclass(frozen=True)
class Request:
    """What is scored, and how.

    methods: the folder of each method's results, by its label in tables. size_px: the side of the
    squares that are scored; None for the true frames' own. frames: see `frame_choice`. keeps: which
    part of a frame is meant, by method, where it is not all. pairs: a CSV, see `pairs_from_csv`.
    identity: what metrics of identity compare a face with.
    """

    real: Path
    methods: Mapping[str, Path]
    out: Path
    metrics: tuple[str, ...]
    crop: Crop = "none"
    size_px: int | None = None
    frames: str = "all"
    match: Match = "frame"
    keeps: Mapping[str, Keep] = field(default_factory=dict)
    identity: Identity = "frame"
    pairs: Path | None = None
    landmarks: str = "auto"
    device: str = "cpu"
    workers: int | None = 1
    engine: Engine = LOCAL


@dataclass(frozen=True)
class Scored:
    """What came of it: failed units and the summary; and what had no partner, in words."""

    outcome: Outcome
    left_out: list[str]


def score_videos(request: Request, progress: Progress = unwatched) -> Scored:
    """Writes the run folder `request.out`, or goes on with it, and scores it.

    Raises `ThbenchError` before any frame is written when nothing matches, sizes differ, or the
    folder holds another run.
    """
    if REAL in request.methods or not all(request.methods):
        raise ThbenchError(f"no method may be called {REAL!r} or have no name: write NAME=FOLDER")
    found = _pairs(request)
    shape = Shape(request.crop, _size_px(request, found))

    run = Run(request.out)
    with locked(run):
        sha256 = dataset_sha256(found.pairs, shape, request.frames, request.landmarks)
        earlier = _earlier(run, sha256)
        if earlier is None or not _nothing_to_write(run, request, earlier):
            _write(run, request, found, shape, sha256, earlier, progress)
        failed = [(unit, _error(run, unit)) for unit in unfinished(run)]

        set_status(run, "scoring")
        summary = score_run(
            run, request.metrics, request.device, request.workers, progress, request.engine
        )
        set_status(run, "failed" if failed else "complete")
    return Scored(Outcome(failed, summary), _left_out(request, found))


def _write(
    run: Run,
    request: Request,
    found: Pairs,
    shape: Shape,
    sha256: str,
    earlier: RunRecord | None,
    progress: Progress,
) -> None:
    """Plans, writes run.json, then writes what is missing, video by video."""
    views = look(
        found.pairs,
        frame_choice(request.frames),
        request.match,
        request.landmarks,
        request.workers,
        request.engine,
        progress,
    )
    keeps = {label: request.keeps.get(label, Keep()) for label in request.methods}
    plan = Plan(found.pairs, views, shape, request.match, keeps)
    split = plan_split(plan, sha256)
    definition = definition_of(split, list(request.methods), request.metrics, request.identity)
    record = run_record(plan, definition, split, request.real, request.methods, request.device)
    run.write(record if earlier is None else _extended(earlier, record, run.path))

    videos = {video.key: video for video in split.videos}
    keys = [key for key, video in videos.items() if not is_whole(run, video, list(request.methods))]
    begin = partial(video_writer, run.path, plan, videos)
    with closing(each(begin, keys, request.workers, request.engine, run.path)) as written:
        for _ in progress(written, len(keys), "read videos"):
            pass


def _pairs(request: Request) -> Pairs:
    if request.pairs is not None:
        return pairs_from_csv(request.pairs, request.real, request.methods)
    return pairs_by_name(request.real, request.methods)


def _size_px(request: Request, found: Pairs) -> int:
    """The side of the scored squares; raises `ThbenchError` where the true clips do not agree."""
    if request.size_px is not None:
        return request.size_px
    if request.crop == "shared":
        return CROPPED_SIZE_PX

    sides = {pair.key: min(ClipFile(pair.real).first_size) for pair in found.pairs}
    smallest, largest = min(sides, key=sides.__getitem__), max(sides, key=sides.__getitem__)
    if sides[smallest] != sides[largest]:
        raise ThbenchError(
            f"the true clips differ in size ({smallest} is {sides[smallest]} pixels, {largest} "
            f"{sides[largest]}): say at which size to score them, for example --size 256"
        )
    return sides[smallest]


def _earlier(run: Run, sha256: str) -> RunRecord | None:
    if not run.run_json.exists():
        if not holds_nothing(run.path):
            raise ThbenchError(f"{run.path} exists and is not a run folder; choose another --out")
        return None
    earlier = Run.open(run.path).record()
    if earlier.dataset.sha256 != sha256:
        raise ThbenchError(
            f"{run.path} holds a run on other true clips, or with another --crop, --size, --frames "
            "or --landmarks; choose another --out"
        )
    return earlier


def _nothing_to_write(run: Run, request: Request, earlier: RunRecord) -> bool:
    """Whether the run has every result that is asked for, as it lies on disk."""
    if not request.methods.keys() <= earlier.methods.keys():
        return False
    return _asks_the_same(request, earlier) and all(
        is_whole(run, video, list(request.methods)) for video in earlier.split.videos
    )


def _asks_the_same(request: Request, earlier: RunRecord) -> bool:
    definition = stored_definition(earlier.protocol)
    if not isinstance(definition, SelfReenactment) or definition.identity != request.identity:
        return False

    configs = {label: method.config for label, method in earlier.methods.items()}
    return all(
        configs[label].get("match") == request.match
        and configs[label].get("keep") == request.keeps.get(label, Keep()).name
        for label in request.methods
    )


def _extended(earlier: RunRecord, new: RunRecord, out: Path) -> RunRecord:
    """run.json of a run that goes on: the same frames, with more methods perhaps."""
    if new.split != earlier.split or new.protocol.sha256 != earlier.protocol.sha256:
        raise ThbenchError(
            f"{out} holds a run of other frames or with another --reference; choose another --out"
        )
    for label, method in new.methods.items():
        stored = earlier.methods.get(label, method)
        if (stored.checkpoint, stored.config) != (method.checkpoint, method.config):
            raise ThbenchError(
                f"{out} was made with other files, --keep or --match of {label}; choose another "
                "--out"
            )
    return replace(
        earlier,
        methods={**earlier.methods, **new.methods},
        status="running",
        sessions=[*earlier.sessions, *new.sessions],
    )


def _error(run: Run, unit: Unit) -> str:
    result = run.read_unit(unit)
    return result.error if result is not None else "was not read: name its method again"


def _left_out(request: Request, found: Pairs) -> list[str]:
    told = []
    if found.unanswered:
        told.append(
            f"{len(found.unanswered)} true clips have no result at all and are not scored: "
            f"{listed(found.unanswered)}"
        )
    told += [
        f"{label}: {len(names)} clips have the name of no true one: {listed(names)}"
        for label, names in found.extra.items()
    ]
    return told
