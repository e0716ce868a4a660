"""Which videos are tested and which of their frames are shots or hold-out: drawn once, stored with the run."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json

FramePlace = tuple[str, int]   # ("person/video", position)


@dataclass(frozen=True)
class TestVideo:
    """One test video: T_max shots (the first T are the T shots), the hold-out frames in time order, all disjoint.

    floor: as many other frames of the same video, for the real-vs-real row. others: per hold-out frame two frames of
    two other videos of the person (the user study's triplets), or None where the person has fewer than three videos.
    """

    __test__ = False  # not a pytest class

    person: str
    video: str
    shots: list[int]
    holdout: list[int]
    floor: list[int]
    shot_names: list[str]
    holdout_names: list[str]
    others: list[list[FramePlace]] | None

    @property
    def key(self) -> str:
        return f"{self.person}/{self.video}"


@dataclass(frozen=True)
class Split:
    """The test videos of a run; the same seed and dataset give the same split."""

    seed: int
    dataset_sha256: str
    shots: int
    holdout: int
    videos: list[TestVideo]

    def described(self) -> dict[str, Any]:
        return asdict(self)


def draw_split(dataset: Dataset, videos: int, shots: int, holdout: int, seed: int) -> Split:
    """Draws `videos` test videos uniformly (section 4) and their frames.

    Raises `ThbenchError` when fewer test videos have `shots` + `holdout` frames, saying how many there are.
    """
    tested = videos_of(dataset, "test")
    eligible = [video for video in tested if video.n_frames >= shots + holdout]
    if len(eligible) < videos:
        raise ThbenchError(
            f"{videos} test videos with {shots} + {holdout} frames asked for; {dataset.name} has {len(eligible)} such "
            f"among {len(tested)} test videos (longest: {max((v.n_frames for v in tested), default=0)} frames); "
            "lower --videos, --holdout or the largest T")
    random = np.random.default_rng([seed, 0])
    chosen = sorted(random.choice(len(eligible), videos, replace=False))
    return Split(seed, dataset.sha256, shots, holdout,
                 [_draw_video(dataset, eligible[index], tested, shots, holdout, seed) for index in chosen])


def read_split(path: Path, dataset: Dataset) -> Split:
    """Reads a split that `thbench split export` wrote and checks it against the dataset.

    Raises `ThbenchError` when it was made for another dataset, names unknown videos or frames, or its shots and
    hold-out overlap.
    """
    raw = read_json(path)
    try:
        split = Split(raw["seed"], raw["dataset_sha256"], raw["shots"], raw["holdout"],
                      [TestVideo(**video) for video in raw["videos"]])
    except (KeyError, TypeError) as error:
        raise ThbenchError(f"{path} is not a split file ({error}); export one with `thbench split export`") from None
    check_split(split, dataset, str(path))
    return split


def write_split(split: Split, path: Path) -> None:
    write_json(path, split.described())


def check_split(split: Split, dataset: Dataset, where: str) -> None:
    """Raises `ThbenchError` unless the split fits the dataset frame by frame."""
    if split.dataset_sha256 != dataset.sha256:
        raise ThbenchError(f"{where} was drawn from another dataset (sha256 {split.dataset_sha256[:12]}..., "
                           f"{dataset.name} has {dataset.sha256[:12]}...)")
    known = {video.key: video for video in videos_of(dataset, "test")}
    for video in split.videos:
        if video.key not in known:
            near = difflib.get_close_matches(video.key, known, n=1)
            raise ThbenchError(f"{where} names {video.key}, which is no test video of {dataset.name}"
                               + (f"; did you mean {near[0]}?" if near else ""))
        frames = [*video.shots, *video.holdout]
        if len(set(frames)) < len(frames) or min(frames) < 0 or max(frames) >= known[video.key].n_frames:
            raise ThbenchError(f"{where}: shots and hold-out of {video.key} overlap or leave its "
                               f"{known[video.key].n_frames} frames")
        if set(video.floor) & set(video.holdout) or not set(video.floor) <= set(range(known[video.key].n_frames)):
            raise ThbenchError(f"{where}: the real-vs-real frames of {video.key} are hold-out frames or outside it")
        if any(key not in known for pair in video.others or [] for key, _ in pair):
            raise ThbenchError(f"{where}: a triplet of {video.key} names a video that {dataset.name} does not test")
        if len(video.shots) != split.shots or len(video.holdout) != split.holdout:
            raise ThbenchError(f"{where}: {video.key} has {len(video.shots)} shots and {len(video.holdout)} hold-out "
                               f"frames, {split.shots} and {split.holdout} expected")


def _draw_video(dataset: Dataset, video: Video, tested: Sequence[Video], shots: int, holdout: int,
                seed: int) -> TestVideo:
    # Each video has a stream of its own, so a frame's fate does not depend on which other videos were drawn.
    random = np.random.default_rng([seed, 1, *video.key.encode()])
    strata = np.array_split(np.arange(video.n_frames), shots + holdout)
    frames = random.permutation([int(random.choice(stratum)) for stratum in strata])
    held = sorted(int(frame) for frame in frames[shots:])
    rest = np.setdiff1d(np.arange(video.n_frames), held)
    floor = sorted(int(frame) for frame in random.choice(rest, holdout, replace=len(rest) < holdout))
    names = dataset.frame_names(video)
    drawn = [int(frame) for frame in frames[:shots]]
    return TestVideo(video.person, video.video, drawn, held, floor, [names[frame] for frame in drawn],
                     [names[frame] for frame in held], _draw_others(video, tested, holdout, random))


def _draw_others(video: Video, tested: Sequence[Video], holdout: int,
                 random: np.random.Generator) -> list[list[FramePlace]] | None:
    """Two frames of two different other recordings of the person, for each hold-out frame."""
    siblings = [other for other in tested if other.person == video.person and other.key != video.key]
    if len(siblings) < 2:
        return None
    pairs = [random.choice(len(siblings), 2, replace=False) for _ in range(holdout)]
    return [[(siblings[index].key, int(random.integers(siblings[index].n_frames))) for index in pair]
            for pair in pairs]
