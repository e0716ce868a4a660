"""Splits of cross-reenactment: heads learned from some sources, driven by other videos of the
person or of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import torch

from protocols.definition import Definition
from protocols.split import Split, TestVideo, draw_split
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.data.open import open_dataset, open_sources
from thbench.data.photo_folder import PhotoFolder
from thbench.errors import ThbenchError
from thbench.method import Frames


def split_of(definition: Definition, dataset: Dataset, sources: Dataset | None = None) -> Split:
    """The split that a protocol draws.

    sources: whose test videos a cross-reenactment's heads are learned from; by default those of the
    dataset. Raises `ThbenchError` when a dataset has too few videos or frames, or no driver for a
    source.
    """
    if definition.holdout_rule == "clip":
        raise ThbenchError(
            f'protocol {definition.name!r}: holdout_rule = "clip" is that of `thbench score-videos`, '
            "which draws nothing; choose part or interleaved"
        )
    if definition.kind != "cross-reenactment":
        return draw_split(
            dataset,
            definition.videos,
            max(definition.T),
            definition.holdout,
            definition.seed,
            definition.holdout_rule,
        )
    return _draw_cross(definition, dataset, sources)


def open_data(
    definition: Definition,
    dataset: str | None,
    sources: str | None,
    videos: int | None,
    skip_unusable: bool = False,
) -> tuple[Definition, Dataset, Dataset | None]:
    """Opens what a protocol runs on, and counts its videos: `videos`, or as many as there are
    photographs.

    skip_unusable: leave out photographs that cannot be read or show no face.

    Raises `ThbenchError` when no dataset is named, for sources that the protocol has no use for, or
    of another size.
    """
    if not (dataset or definition.dataset):
        raise ThbenchError(f"protocol {definition.name!r} names no dataset; add --dataset")
    opened = open_dataset(dataset or definition.dataset)
    if sources is None:
        return definition.with_values(videos=videos), opened, None
    if definition.kind != "cross-reenactment":
        raise ThbenchError(
            f"protocol {definition.name!r} drives every video with itself: it takes no --sources"
        )
    learned = open_sources(sources, opened.size_px, skip_unusable)
    if learned.size_px != opened.size_px:
        raise ThbenchError(
            f"sources are {learned.size_px} pixels large, {opened.name} {opened.size_px}; prepare them "
            "with the same --size"
        )
    photographs = len(learned.videos) if isinstance(learned, PhotoFolder) else None
    return definition.with_values(videos=videos or photographs), opened, learned


def read_drive(dataset: Dataset, video: TestVideo) -> Frames:
    """The frames that drive a head and that its results are compared with, in the order of the
    hold-out.
    """
    known = {known.key: known for known in dataset.videos}
    if video.driver_of is None:
        return dataset.read(known[video.key], video.holdout)
    places = zip(video.driver_of, video.holdout, strict=True)
    parts = [
        dataset.read(known[driver], [frame for _, frame in part])
        for driver, part in groupby(places, key=lambda place: place[0])
    ]
    return Frames(
        torch.cat([part.images for part in parts]), torch.cat([part.landmarks for part in parts])
    )


def _draw_cross(definition: Definition, dataset: Dataset, sources: Dataset | None) -> Split:
    random = np.random.default_rng([definition.seed, 2])
    shots = max(definition.T)
    drivers = [
        video for video in videos_of(dataset, "test") if video.n_frames >= definition.holdout
    ]
    drivers = [drivers[index] for index in random.permutation(len(drivers))]
    found = [video for video in videos_of(sources or dataset, "test") if video.n_frames >= shots]
    if (
        sources is None
    ):  # photographs that nobody drives are an error, a video of a dataset is passed over
        found = [
            video
            for video in found
            if len(_fitting(definition, video, drivers)) >= definition.drivers
        ]
    few = [video for video in (sources.videos if sources else ()) if video.n_frames < shots]
    if isinstance(sources, PhotoFolder) and few:
        raise ThbenchError(
            f"T = {shots} needs {shots} photographs of {few[0].person}, {sources.name} has "
            f"{few[0].n_frames}; lower --T or leave {few[0].person} out"
        )
    if len(found) < definition.videos:
        raise ThbenchError(
            f"{definition.videos} sources with {shots} frames and {definition.drivers} drivers with "
            f"{definition.holdout} asked for; {(sources or dataset).name} has {len(found)}; lower "
            "--videos, --drivers, --holdout or the largest T"
        )
    chosen = sorted(random.choice(len(found), definition.videos, replace=False))
    split = [
        _draw_source(definition, sources or dataset, found[index], dataset, drivers)
        for index in chosen
    ]
    return Split(
        definition.seed,
        dataset.sha256,
        shots,
        definition.holdout * definition.drivers,
        split,
        sources.sha256 if sources else None,
    )


def _draw_source(
    definition: Definition,
    sources: Dataset,
    source: Video,
    dataset: Dataset,
    drivers: Sequence[Video],
) -> TestVideo:
    fitting = _fitting(definition, source, drivers)
    if len(fitting) < definition.drivers:
        same = definition.driven_by == "same-person"
        whose = f"a test person called {source.person}" if same else f"others than {source.person}"
        raise ThbenchError(
            f"{definition.drivers} driving videos of {whose} with {definition.holdout} frames asked "
            f"for; {dataset.name} tests {len(fitting)}; leave {source.person} out, or lower "
            "--drivers or --holdout"
        )
    random = np.random.default_rng([definition.seed, 3, *source.key.encode()])
    strata = np.array_split(np.arange(source.n_frames), max(definition.T))
    shots = [
        int(frame)
        for frame in random.permutation([int(random.choice(stratum)) for stratum in strata])
    ]
    # The first drivers of one drawn order: the same ones for every source, its own person left out.
    places = [
        (driver, frame)
        for driver in fitting[: definition.drivers]
        for frame in _spread(driver, definition.holdout, definition.seed)
    ]
    names: Mapping[str, list[str]] = {
        video.key: dataset.frame_names(video) for video in fitting[: definition.drivers]
    }
    shot_names = sources.frame_names(source)
    return TestVideo(
        source.person,
        source.video,
        shots,
        [frame for _, frame in places],
        [],
        [shot_names[frame] for frame in shots],
        [names[driver.key][frame] for driver, frame in places],
        None,
        [driver.key for driver, _ in places],
    )


def _fitting(definition: Definition, source: Video, drivers: Sequence[Video]) -> list[Video]:
    """The videos that may drive a source, in their order."""
    same = definition.driven_by == "same-person"
    return [
        video
        for video in drivers
        if (video.person == source.person) == same and video.key != source.key
    ]


def _spread(driver: Video, frames: int, seed: int) -> list[int]:
    """Frames of a driver in time order, spread over the video; the same for every source."""
    random = np.random.default_rng([seed, 4, *driver.key.encode()])
    return [
        int(random.choice(stratum))
        for stratum in np.array_split(np.arange(driver.n_frames), frames)
    ]
