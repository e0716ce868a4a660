"""Writing the frames that are scored: references of each true clip, and a unit for each result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from protocols.frames import write_frames
from protocols.generate import first_line, references_of
from protocols.score_videos.matching import answers
from protocols.score_videos.pairs import Pair
from protocols.score_videos.plan import Plan
from thbench.data.clip_files import ClipFile
from thbench.method import Frames
from thbench.records.encode import write_record
from thbench.records.split import DrawnVideo, FramePlace
from thbench.runs import REAL, Run, Unit, UnitResult


def video_writer(
    run: Path, plan: Plan, split: Mapping[str, DrawnVideo]
) -> Callable[[str], list[tuple[Unit, UnitResult]]]:
    """What writes one video, by key, and returns the units that it tried; for `thbench.workers`."""
    return partial(_write_video, Run(run), plan, split)


def is_whole(run: Run, video: DrawnVideo, methods: Sequence[str]) -> bool:
    """Whether nothing is left to write for a video."""
    floor = Unit(REAL, 0, video.key)
    if not run.references_mark(video.key).exists() or (video.floor and not run.read_unit(floor)):
        return False
    results = [run.read_unit(Unit(label, 1, video.key)) for label in methods]
    return all(result is not None and result.status == "done" for result in results)


def _write_video(
    run: Run, plan: Plan, split: Mapping[str, DrawnVideo], key: str
) -> list[tuple[Unit, UnitResult]]:
    pair, video = plan.pair(key), split[key]
    _write_references(run, plan, video)

    tried = []
    for label in plan.keeps:
        unit = Unit(label, 1, key)
        before = run.read_unit(unit)
        if before is None or before.status == "failed":
            result = _result(run, plan, pair, unit)
            run.commit_unit(unit, result)
            tried.append((unit, result))
    return tried


def _write_references(run: Run, plan: Plan, video: DrawnVideo) -> None:
    real, shots = run.real_folder(video.key), run.shots_folder(video.key)
    triplets, mark = run.triplets_folder(video.key), run.references_mark(video.key)
    if not mark.exists():
        frames = _true_frames(plan, video.key, video.holdout)
        write_frames(real, frames.images, landmarks=frames.landmarks)
        source = _shot(plan, video.key)
        write_frames(shots, source.images, landmarks=source.landmarks)
        if video.others:
            _write_triplets(plan, video.others, triplets)
        write_record(mark, references_of(run, video))

    floor = Unit(REAL, 0, video.key)
    if video.floor and video.floor_of and run.read_unit(floor) is None:
        images = _true_frames(plan, video.floor_of, video.floor).images
        written = write_frames(run.unit_folder(floor), images)
        run.commit_unit(floor, UnitResult("done", frames=written))


def _result(run: Run, plan: Plan, pair: Pair, unit: Unit) -> UnitResult:
    if unit.method not in pair.fakes:
        return UnitResult("failed", error="no result with the name of this clip")
    try:
        images = _answer(plan, pair, unit.method)
    except Exception as error:
        return UnitResult("failed", error=first_line(error))
    return UnitResult("done", frames=write_frames(run.unit_folder(unit), images))


def _answer(plan: Plan, pair: Pair, label: str) -> Tensor:
    view, fake = plan.views[pair.key], ClipFile(pair.fakes[label])
    places = answers(ClipFile(pair.real), fake, view.positions, plan.match)
    squares = plan.shape.squares(view.sizes, list(view.landmarks))
    return plan.shape.answering_frames(
        list(fake.read(places)), squares, view.sizes, plan.keeps[label], fake.path
    )


def _true_frames(plan: Plan, key: str, positions: Sequence[int]) -> Frames:
    view = plan.views[key]
    places = [view.positions.index(position) for position in positions]
    sizes, landmarks = [view.sizes[at] for at in places], [view.landmarks[at] for at in places]

    images = list(ClipFile(plan.pair(key).real).read(positions))
    return plan.shape.true_frames(images, plan.shape.squares(sizes, landmarks), landmarks)


def _shot(plan: Plan, key: str) -> Frames:
    view = plan.views[key]
    squares = plan.shape.squares([view.shot_size], [view.shot_landmarks])
    images = list(ClipFile(plan.pair(key).real).read([view.shot]))
    return plan.shape.true_frames(images, squares, [view.shot_landmarks])


def _write_triplets(plan: Plan, others: Sequence[Sequence[FramePlace]], folder: Path) -> None:
    """Two frames of other clips for each scored one, as "00-1.png" and "00-2.png"."""
    names, images = [], []
    for number in (1, 2):
        places = [pair[number - 1] for pair in others]
        for key, part in groupby(places, key=lambda place: place[0]):
            images.append(_true_frames(plan, key, [position for _, position in part]).images)
        names += [f"{index:02d}-{number}.png" for index in range(len(places))]
    write_frames(folder, torch.cat(images), names)
