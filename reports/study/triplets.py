"""Triplets of a run: one generated frame and two real frames of the same person, from three
different recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thbench.errors import ThbenchError
from thbench.runs import Run, Unit


@dataclass(frozen=True)
class Triplet:
    """The fake is hold-out frame `frame` of `video` ("person/video") by `method` from T shots;
    files: fake, real, real.

    recordings: of the fake and of the two reals, all different.
    """

    method: str
    T: int
    person: str
    video: str
    frame: int
    recordings: tuple[str, str, str]
    files: tuple[Path, Path, Path]

    @property
    def row(self) -> tuple[str, int]:
        """The table row that a rating of this triplet counts for."""
        return self.method, self.T


@dataclass(frozen=True)
class RealFrame:
    """A real frame that a triplet may show, for practice and checks."""

    person: str
    recording: str
    file: Path


def triplets_of_run(
    run: Run, per_row: int, rng: np.random.Generator, leave_out: Sequence[str] = ()
) -> tuple[list[Triplet], list[Unit]]:
    """`per_row` triplets of every (method, T) of the run, spread evenly over the test videos, and
    the failed units.

    Rows share their hold-out frames as far as they can, so methods are compared on the same scenes.
    Persons in `leave_out` are not used. Raises `ThbenchError` naming the persons that have fewer
    than three recordings, and when a row holds fewer than `per_row` frames or images are missing.
    """
    info = run.info()
    videos = [video for video in info["split"]["videos"] if video["person"] not in leave_out]
    if not videos:
        raise ThbenchError(f"{run.path} has no test video left to make triplets from")
    _refuse_persons_with_few_recordings(run, videos)
    order = {_key(video): rng.permutation(len(video["holdout"])) for video in videos}
    turn = rng.permutation(len(videos))
    triplets: list[Triplet] = []
    failed: list[Unit] = []
    start = 0
    for method in info["methods"]:
        for T in info["T"]:
            done = [
                videos[i] for i in turn if _is_done(run, Unit(method, T, _key(videos[i])), failed)
            ]
            counts = _shares(
                per_row, [len(video["holdout"]) for video in done], start, f"{method}, T = {T}"
            )
            start += per_row
            for video, count in zip(done, counts, strict=True):
                triplets += [
                    _triplet(run, method, T, video, int(frame))
                    for frame in order[_key(video)][:count]
                ]
    return triplets, failed


def recording(video: str) -> str:
    """The recording of "person/video" or "person/video/clip": clips of one recording share their
    background.
    """
    return "/".join(video.split("/")[:2])


def real_frames(run: Run, leave_out: Sequence[str] = ()) -> list[RealFrame]:
    """Every real frame that triplets of the run may show, and the hold-out frames themselves."""
    frames: list[RealFrame] = []
    for video in run.info()["split"]["videos"]:
        if video["person"] in leave_out:
            continue
        for frame, others in enumerate(video["others"]):
            files = [
                (_key(video), run.real_folder(_key(video)) / f"{frame:02d}.png"),
                *(
                    (other, run.triplets_folder(_key(video)) / f"{frame:02d}-{k}.png")
                    for k, (other, _) in enumerate(others, 1)
                ),
            ]
            frames += [RealFrame(video["person"], recording(name), file) for name, file in files]
    return frames


def _key(video: Mapping[str, Any]) -> str:
    return f"{video['person']}/{video['video']}"


def _is_done(run: Run, unit: Unit, failed: list[Unit]) -> bool:
    result = run.read_unit(unit)
    if result is None:
        raise ThbenchError(
            f"{run.path} is not finished ({unit.method}, T = {unit.T}, {unit.video} is missing); "
            f"continue it with `thbench run-protocol --resume {run.path}`"
        )
    if result.status == "failed":
        failed.append(unit)
    return result.status == "done"


def _refuse_persons_with_few_recordings(run: Run, videos: Sequence[Mapping[str, Any]]) -> None:
    """Two panels of one recording share clothes and background, so the third is the odd one out by
    those alone.
    """
    few = sorted({video["person"] for video in videos if not _has_three_recordings(video)})
    if few:
        raise ThbenchError(
            f"{run.path}: a triplet needs three different recordings of one person, too few are there "
            f"for {', '.join(few)}; add recordings or pass `--leave-out {' '.join(few)}`"
        )


def _has_three_recordings(video: Mapping[str, Any]) -> bool:
    own = recording(_key(video))
    return bool(video["others"]) and all(
        len({own, *(recording(other) for other, _ in others)}) == 3
        and all(other.split("/")[0] == video["person"] for other, _ in others)
        for others in video["others"]
    )


def _shares(per_row: int, available: Sequence[int], start: int, row: str) -> list[int]:
    """How many triplets each video gives: equal shares, what is left over going round from row to
    row.
    """
    if per_row > sum(available):
        raise ThbenchError(
            f"{row} holds {sum(available)} generated frames, {per_row} triplets are asked for; "
            f"lower --triplets-per-row"
        )
    counts, number, turn = [0] * len(available), len(available), start
    while sum(counts) < per_row:
        video = turn % number
        counts[video] += counts[video] < available[video]
        turn += 1
    return counts


def _triplet(run: Run, method: str, T: int, video: Mapping[str, Any], frame: int) -> Triplet:
    key = _key(video)
    reals = run.triplets_folder(key)
    files = (
        run.unit_folder(Unit(method, T, key)) / f"{frame:02d}.png",
        reals / f"{frame:02d}-1.png",
        reals / f"{frame:02d}-2.png",
    )
    for file in files:
        if not file.is_file():
            raise ThbenchError(
                f"{file} is missing; repair the run with `thbench run-protocol --resume {run.path}`"
            )
    (first, _), (second, _) = video["others"][frame]
    return Triplet(
        method,
        T,
        video["person"],
        key,
        frame,
        (recording(key), recording(first), recording(second)),
        files,
    )
