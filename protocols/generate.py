"""Generation: every unit (method, T, video) of a run, each whole or absent, in this process or in
several.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from protocols.frames import write_frames
from protocols.kinds.base import Definition, MethodEntry
from thbench.data.dataset import Dataset, find_video
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.method import (
    Frames,
    Method,
    MethodOptions,
    adapt,
    load_method,
    notes_of,
    parts_s,
    render,
)
from thbench.records.encode import write_record
from thbench.records.split import DrawnVideo
from thbench.records.unit import References
from thbench.runs import REAL, Run, Unit, UnitResult, nested_shots
from thbench.workers import each

_LOADED_AT_MOST = 4  # methods in the memory of a process


@dataclass(frozen=True)
class Workshop:
    """Everything that a worker needs to do any unit of a run."""

    run: Path
    definition: Definition
    dataset: Dataset
    methods: Mapping[str, tuple[MethodEntry, MethodOptions]]  # by label
    videos: Mapping[str, DrawnVideo]  # by key
    sources: Dataset | None = None  # where shots come from, if not from the dataset
    loaded: dict[str, Method] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: each loads its methods itself."""
        return {**self.__dict__, "loaded": {}}

    def method(self, label: str) -> Method:
        """The method, loaded; of many the last few stay, since units come method by method."""
        if label not in self.loaded:
            while len(self.loaded) >= _LOADED_AT_MOST:
                del self.loaded[next(iter(self.loaded))]
            entry, options = self.methods[label]
            self.loaded[label] = load_method(entry.spec, options)
        return self.loaded[label]

    def shots(self, video: DrawnVideo, T: int) -> Frames:
        """The first T shots of a video, which a head is learned from."""
        dataset = self.sources or self.dataset
        return dataset.read(find_video(dataset, video.source), nested_shots(video.shots, T))

    def drive(self, video: DrawnVideo) -> Frames:
        """The frames that drive a head of a video."""
        return self.definition.drive(self.dataset, video)


def write_references(shop: Workshop) -> None:
    """The frames that units are compared with: hold-out, shots, real-vs-real floor and triplets of
    every video.
    """
    run = Run(shop.run)
    for video in shop.videos.values():
        _write_true_frames(shop, run, video)

        mark = run.references_mark(video.key)
        if not mark.exists():
            write_record(mark, references_of(run, video))

        floor = Unit(REAL, 0, video.key)
        if run.read_unit(floor) is None:
            images = shop.definition.floor(shop.dataset, video).images
            frames = write_frames(run.unit_folder(floor), images)
            run.commit_unit(floor, UnitResult("done", frames=frames))


def references_of(run: Run, video: DrawnVideo) -> References:
    """The sha256 of a video's hold-out frames, shots and triplets, as they lie in the run."""
    folders = (
        run.real_folder(video.key),
        run.shots_folder(video.key),
        run.triplets_folder(video.key),
    )
    return {
        folder.relative_to(run.path).as_posix(): {
            file.name: sha256_file(file) for file in sorted(folder.iterdir())
        }
        for folder in folders
        if folder.exists()
    }


def unfinished(run: Run) -> list[Unit]:
    """The planned units without a result, and those that failed: they are tried again."""
    results = ((unit, run.read_unit(unit)) for unit in run.planned())
    return [unit for unit, result in results if result is None or result.status == "failed"]


def generate(
    shop: Workshop, units: Sequence[Unit], workers: int | None, engine: Engine = LOCAL
) -> Generator[tuple[Unit, UnitResult], None, None]:
    """Does the units and yields each as it is committed; see `thbench.workers.each`.

    A unit whose method raises is committed as failed and the others go on; what cannot be written
    stops the run.
    """
    return each(partial(_unit_maker, shop), units, workers, engine, shop.run)


def do_unit(shop: Workshop, unit: Unit) -> UnitResult:
    """Learns the head, renders the hold-out frames, writes them and commits the unit."""
    run, video = Run(shop.run), shop.videos[unit.video]
    try:
        images, timing, notes = _render(shop, unit, video)
    except Exception as error:
        result = UnitResult("failed", error=first_line(error))
    else:
        result = UnitResult(
            "done",
            frames=write_frames(run.unit_folder(unit), images),
            timing=timing,
            notes=notes,
        )
    run.commit_unit(unit, result)
    return result


def first_line(error: Exception) -> str:
    """What a failed unit records of an error: a message, or the type and place of what nobody
    foresaw.
    """
    if isinstance(error, ThbenchError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"


def _write_true_frames(shop: Workshop, run: Run, video: DrawnVideo) -> None:
    """Writes the folders of a video that are not there yet."""
    reads = {
        run.real_folder(video.key): partial(shop.drive, video),
        run.shots_folder(video.key): partial(shop.shots, video, len(video.shots)),
    }
    for folder, read in reads.items():
        if not folder.exists():
            frames = read()
            write_frames(folder, frames.images, landmarks=frames.landmarks)

    triplets = run.triplets_folder(video.key)
    if video.others and not triplets.exists():
        _write_triplets(shop.dataset, video, triplets)


def _render(
    shop: Workshop, unit: Unit, video: DrawnVideo
) -> tuple[torch.Tensor, dict[str, float], list[str]]:
    method = shop.method(unit.method)
    shots = shop.shots(video, unit.T)
    head = adapt(method, shots)
    drive = shop.definition.drives(shop.drive(video), shots, video)
    images = render(method, head, drive)
    return images, parts_s(head), notes_of(head)


def _write_triplets(dataset: Dataset, video: DrawnVideo, folder: Path) -> None:
    names, images = [], []
    for index, pair in enumerate(video.others or []):
        for number, (key, position) in enumerate(pair, start=1):
            names.append(f"{index:02d}-{number}.png")
            images.append(dataset.read(find_video(dataset, key), [position]).images)
    write_frames(folder, torch.cat(images), names)


def _unit_maker(shop: Workshop) -> Callable[[Unit], UnitResult]:
    return partial(do_unit, shop)
