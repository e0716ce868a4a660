"""Splits by name: the clips of a list that are still here, and what share of it that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.records.decode import read_record
from thbench.records.name_list import NamedPair, NameList
from thbench.records.split import DrawnVideo, ListedRecord, Split

_REMEDY = "it is not a list of clips: make one with `thbench protocols import`"


def draw_first_frames(dataset: Dataset, names: str, videos: int, holdout: int, seed: int) -> Split:
    """The first frame of each clip is the shot, and `holdout` of the others, evenly, are held out.

    names: a list of clips (`thbench protocols import`), or "" for all test clips in the order of
    their names. At most `videos` clips are taken. Raises `ThbenchError` where none is here.
    """
    tested = {video.key: video for video in videos_of(dataset, "test")}
    wanted = _read(names).clips if names else sorted(tested)
    found = [tested[key] for key in wanted if key in tested and tested[key].n_frames > holdout]
    if not found:
        raise ThbenchError(_none_here(dataset, names, wanted, f"{holdout} + 1 frames"))

    listed = _listed(names, len(wanted) if names else max(videos, len(wanted)), found)
    drawn = [_first_frame(dataset, video, holdout, seed) for video in found[:videos]]
    return Split(seed, dataset.sha256, 1, holdout, drawn, listed=listed)


def draw_pairs(dataset: Dataset, names: str, videos: int, seed: int) -> Split:
    """The first pair of each source clip of a list of pairs: its two frames, as they are listed.

    At most `videos` of them. Raises `ThbenchError` where no pair is here.
    """
    tested = {video.key: video for video in videos_of(dataset, "test")}
    first: dict[str, NamedPair] = {}
    for pair in _read(names).pairs:
        first.setdefault(pair.source, pair)
    found = [pair for pair in first.values() if _is_here(pair, tested)]
    if not found:
        raise ThbenchError(_none_here(dataset, names, list(first), "the frames of a pair"))

    drawn = [_pair(dataset, tested[pair.source], tested[pair.driving], pair) for pair in found]
    listed = _listed(names, len(first), [tested[pair.source] for pair in found])
    return Split(seed, dataset.sha256, 1, 1, drawn[:videos], listed=listed)


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
    name = Path(names).stem if names else "all test clips"
    return ListedRecord(name, n_listed, len(found), sha256_json(here))


def _first_frame(dataset: Dataset, video: Video, holdout: int, seed: int) -> DrawnVideo:
    held = np.rint(np.linspace(1, video.n_frames - 1, holdout)).astype(int)
    random = np.random.default_rng([seed, 5, *video.key.encode()])
    rest = np.setdiff1d(np.arange(video.n_frames), held)
    floor = np.sort(random.choice(rest, holdout, replace=len(rest) < holdout))

    names, times_s = dataset.frame_names(video), dataset.frame_times_s(video)
    return DrawnVideo(
        video.person,
        video.video,
        [0],
        held.tolist(),
        floor.tolist(),
        [names[0]],
        [names[frame] for frame in held],
        None,
        shot_times_s=None if times_s is None else [times_s[0]],
        holdout_times_s=None if times_s is None else [times_s[frame] for frame in held],
    )


def _is_here(pair: NamedPair, tested: dict[str, Video]) -> bool:
    source, driving = tested.get(pair.source), tested.get(pair.driving)
    return (
        source is not None
        and driving is not None
        and pair.source_frame < source.n_frames
        and pair.driving_frame < driving.n_frames
    )


def _pair(dataset: Dataset, source: Video, driving: Video, pair: NamedPair) -> DrawnVideo:
    return DrawnVideo(
        source.person,
        source.video,
        [pair.source_frame],
        [pair.driving_frame],
        [],
        [dataset.frame_names(source)[pair.source_frame]],
        [dataset.frame_names(driving)[pair.driving_frame]],
        None,
        [driving.key],
    )


def _none_here(dataset: Dataset, names: str, wanted: Sequence[str], what: str) -> str:
    of = f"of the {len(wanted)} clips of {names}" if names else "of the test clips"
    return (
        f"none {of} is tested in {dataset.name} with {what}"
        + (f" (the list begins with {wanted[0]})" if wanted else "")
        + "; prepare the clips with their own layout, such as `thbench prepare vox-flat`"
    )
