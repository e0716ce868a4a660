"""Splits of cross-reenactment: heads learned from some sources, driven by other videos of the person or of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from protocols.definition import Definition
from protocols.split import Split, TestVideo, draw_split
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.method import Frames


def split_of(definition: Definition, dataset: Dataset, sources: Dataset | None = None) -> Split:
    """The split that a protocol draws.

    sources: where a cross-reenactment's heads are learned from, all its videos; the dataset's test videos by default.
    Raises `ThbenchError` when a dataset has too few videos or frames, or no driver for a source.
    """
    if definition.kind != "cross-reenactment":
        return draw_split(dataset, definition.videos, max(definition.T), definition.holdout, definition.seed)
    return _draw_cross(definition, dataset, sources)


def read_drive(dataset: Dataset, video: TestVideo) -> Frames:
    """The frames that drive a head and that its results are compared with, in the order of the hold-out."""
    known = {known.key: known for known in dataset.videos}
    if video.driver_of is None:
        return dataset.read(known[video.key], video.holdout)
    parts = [dataset.read(known[driver], [frame for frame, of in zip(video.holdout, video.driver_of, strict=True)
                                          if of == driver]) for driver in dict.fromkeys(video.driver_of)]
    return Frames(torch.cat([part.images for part in parts]), torch.cat([part.landmarks for part in parts]))


def _draw_cross(definition: Definition, dataset: Dataset, sources: Dataset | None) -> Split:
    random = np.random.default_rng([definition.seed, 2])
    shots = max(definition.T)
    drivers = [video for video in videos_of(dataset, "test") if video.n_frames >= definition.holdout]
    drivers = [drivers[index] for index in random.permutation(len(drivers))]
    found = [video for video in (sources.videos if sources else videos_of(dataset, "test")) if video.n_frames >= shots]
    where = (sources or dataset).name
    if len(found) < definition.videos:
        raise ThbenchError(f"{definition.videos} sources with {shots} frames asked for; {where} has {len(found)}; "
                           "lower --videos or the largest T")
    chosen = sorted(random.choice(len(found), definition.videos, replace=False))
    split = [_draw_source(definition, sources or dataset, found[index], dataset, drivers) for index in chosen]
    return Split(definition.seed, dataset.sha256, shots, definition.holdout * definition.drivers, split,
                 sources.sha256 if sources else None)


def _draw_source(definition: Definition, sources: Dataset, source: Video, dataset: Dataset,
                 drivers: Sequence[Video]) -> TestVideo:
    same = definition.driven_by == "same-person"
    fitting = [video for video in drivers if (video.person == source.person) == same and video.key != source.key]
    if len(fitting) < definition.drivers:
        of = f"another video of {source.person}" if same else f"videos of other persons than {source.person}"
        raise ThbenchError(f"{definition.drivers} drivers asked for, {of} with {definition.holdout} frames; "
                           f"{dataset.name} has {len(fitting)}; lower --drivers, --holdout or --videos")
    random = np.random.default_rng([definition.seed, 3, *source.key.encode()])
    strata = np.array_split(np.arange(source.n_frames), max(definition.T))
    shots = [int(frame) for frame in random.permutation([int(random.choice(stratum)) for stratum in strata])]
    # The first drivers of one drawn order: the same ones for every source, its own person left out.
    places = [(driver, frame) for driver in fitting[:definition.drivers]
              for frame in _spread(driver, definition.holdout, definition.seed)]
    names: Mapping[str, list[str]] = {video.key: dataset.frame_names(video) for video in fitting[:definition.drivers]}
    shot_names = sources.frame_names(source)
    return TestVideo(source.person, source.video, shots, [frame for _, frame in places], [],
                     [shot_names[frame] for frame in shots], [names[driver.key][frame] for driver, frame in places],
                     None, [driver.key for driver, _ in places])


def _spread(driver: Video, frames: int, seed: int) -> list[int]:
    """Frames of a driver in time order, spread over the video; the same for every source."""
    random = np.random.default_rng([seed, 4, *driver.key.encode()])
    return [int(random.choice(stratum)) for stratum in np.array_split(np.arange(driver.n_frames), frames)]
