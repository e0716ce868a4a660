"""Splits by name: the clips or pairs of a list that are still here, and what share that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from protocols.split import Rules, draw_video
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.records.decode import read_record
from thbench.records.name_list import NamedPair, NameList
from thbench.records.split import DrawnVideo, ListedRecord, Split

ALL_TEST_CLIPS = "all-test-clips"  # in the place of a list: the rule where none is published

_REMEDY = "it is not a list of clips: make one with `thbench protocols import`"


def draw_named(
    dataset: Dataset, names: str, videos: int, holdout: int, seed: int, rules: Rules
) -> Split:
    """One shot and `holdout` frames of each clip of a list that is here, by the rules.

    names: a list of clips (`thbench protocols import`), or `ALL_TEST_CLIPS` in the order of their
    names. At most `videos` clips are taken. A clip's frames do not depend on which others are here.
    Raises `ThbenchError` where none is.
    """
    tested = _tested(dataset)
    wanted = _wanted(names, tested)
    found = [tested[key] for key in wanted if key in tested and tested[key].n_frames > holdout]
    if not found:
        raise ThbenchError(_none_here(dataset, names, wanted, f"{holdout} + 1 frames"))

    drawn = [draw_video(dataset, video, [], 1, holdout, seed, rules) for video in found[:videos]]
    listed = _listed(names, _n_listed(names, wanted, videos), found)
    return Split(seed, dataset.sha256, 1, holdout, drawn, listed=listed)


def draw_pairs(dataset: Dataset, names: str, videos: int, seed: int) -> Split:
    """The pairs of frames of a list of pairs, as they are listed, each with a head of its own.

    At most `videos` of them. A pair is called after its source clip and its place in the list. A
    frame is found by its number, for frames without a face are not in a dataset. Raises
    `ThbenchError` where no pair is here.
    """
    here = _Numbered(dataset)
    pairs = _read(names).pairs
    found = [(number, pair) for number, pair in enumerate(pairs, 1) if here.has(pair)]
    if not found:
        sources = [pair.source for pair in pairs]
        raise ThbenchError(_none_here(dataset, names, sources, "the frames of a pair"))

    drawn = [here.pair(number, pair) for number, pair in found[:videos]]
    what = [[pair.source, pair.source_frame, pair.driving, pair.driving_frame] for _, pair in found]
    listed = ListedRecord(Path(names).stem, len(pairs), len(found), sha256_json(what), "pairs")
    return Split(seed, dataset.sha256, 1, 1, drawn, listed=listed)


def draw_next_persons(dataset: Dataset, names: str, videos: int, holdout: int, seed: int) -> Split:
    """The first frame of each clip, driven by the first clip after it that shows somebody else.

    The order is that of the names, and after the last clip comes the first. names: as for
    `draw_named`; a clip of a list whose driver is not here is not here either. `holdout` frames of
    the driver are evenly spaced, its first and its last among them. Raises `ThbenchError` where no
    clip is here.
    """
    tested = _tested(dataset)
    wanted = sorted(_wanted(names, tested))
    driver_of = {key: driver for key in wanted if (driver := _next_person(key, wanted))}
    found = [
        tested[key]
        for key, driver in driver_of.items()
        if key in tested and driver in tested and tested[driver].n_frames >= holdout
    ]
    if not found:
        raise ThbenchError(_none_here(dataset, names, wanted, "another person's clip after it"))

    drawn = [
        _driven(dataset, video, tested[driver_of[video.key]], holdout) for video in found[:videos]
    ]
    listed = _listed(names, _n_listed(names, wanted, videos), found)
    return Split(seed, dataset.sha256, 1, holdout, drawn, listed=listed)


def _tested(dataset: Dataset) -> dict[str, Video]:
    return {video.key: video for video in videos_of(dataset, "test")}


def _wanted(names: str, tested: Mapping[str, Video]) -> list[str]:
    return sorted(tested) if names == ALL_TEST_CLIPS else _read(names).clips


def _n_listed(names: str, wanted: Sequence[str], videos: int) -> int:
    """How many clips there should be: without a list, as many as the protocol has."""
    return max(videos, len(wanted)) if names == ALL_TEST_CLIPS else len(wanted)


def _read(names: str) -> NameList:
    path = Path(names)
    if not path.exists():
        raise ThbenchError(
            f"no list of clips {path}: make it from the published file with `thbench protocols "
            f"import FORM FILE -o {path}`"
        )
    return read_record(path, NameList, _REMEDY)


def _listed(names: str, n_listed: int, found: Sequence[Video]) -> ListedRecord:
    here = [[video.key, video.n_frames] for video in sorted(found, key=lambda video: video.key)]
    name = "all test clips" if names == ALL_TEST_CLIPS else Path(names).stem
    return ListedRecord(name, n_listed, len(found), sha256_json(here))


class _Numbered:
    """A dataset whose frames are found by the numbers that are their names."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._tested = dataset, _tested(dataset)
        self._positions: dict[str, dict[int, int]] = {}

    def has(self, pair: NamedPair) -> bool:
        return pair.source_frame in self._numbers(
            pair.source
        ) and pair.driving_frame in self._numbers(pair.driving)

    def pair(self, number: int, pair: NamedPair) -> DrawnVideo:
        source, driving = self._tested[pair.source], self._tested[pair.driving]
        shot = self._numbers(pair.source)[pair.source_frame]
        held = self._numbers(pair.driving)[pair.driving_frame]
        return DrawnVideo(
            source.person,
            f"{source.video}@{number:04d}",
            [shot],
            [held],
            [],
            [self._dataset.frame_names(source)[shot]],
            [self._dataset.frame_names(driving)[held]],
            None,
            [driving.key],
            shown_in=source.key,
        )

    def _numbers(self, key: str) -> Mapping[int, int]:
        """The position of each frame of a clip by its number; empty where the clip is not here."""
        if key not in self._positions:
            names = self._dataset.frame_names(self._tested[key]) if key in self._tested else []
            stems = [name.rpartition("/")[2] for name in names]
            self._positions[key] = {
                int(stem): position for position, stem in enumerate(stems) if stem.isdecimal()
            }
        return self._positions[key]


def _next_person(key: str, ordered: Sequence[str]) -> str | None:
    """The first key after `key`, around the end, of another person; None where all are one's."""
    start = ordered.index(key)
    later = [*ordered[start + 1 :], *ordered[:start]]
    return next((each for each in later if _person(each) != _person(key)), None)


def _person(key: str) -> str:
    return key.partition("/")[0]


def _driven(dataset: Dataset, source: Video, driver: Video, holdout: int) -> DrawnVideo:
    held = np.rint(np.linspace(0, driver.n_frames - 1, holdout)).astype(int).tolist()
    names = dataset.frame_names(driver)
    return DrawnVideo(
        source.person,
        source.video,
        [0],
        held,
        [],
        [dataset.frame_names(source)[0]],
        [names[frame] for frame in held],
        None,
        [driver.key] * holdout,
    )


def _none_here(dataset: Dataset, names: str, wanted: Sequence[str], what: str) -> str:
    of = "of the test clips" if names == ALL_TEST_CLIPS else f"of the {len(wanted)} in {names}"
    return (
        f"none {of} is tested in {dataset.name} with {what}"
        + (f" (the list begins with {wanted[0]})" if wanted else "")
        + "; prepare the clips with their own layout, such as `thbench prepare vox-flat`"
    )
