"""Triplets of a run: one generated frame and two real frames of the same person, from three
different recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thbench.errors import ThbenchError
from thbench.records.split import DrawnVideo
from thbench.runs import Run, Unit


@dataclass(frozen=True)
class Triplet:
    """The fake is hold-out frame `frame` of `video` (its key) by `method` from T shots; files:
    fake, real, real.

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
    record = run.record()
    videos = _shown_videos(run, leave_out)
    if not videos:
        raise ThbenchError(f"{run.path} has no test video left to make triplets from")
    _refuse_persons_with_few_recordings(run, videos)

    frame_order = {video.key: rng.permutation(len(video.holdout)) for video in videos}
    shuffled = [videos[index] for index in rng.permutation(len(videos))]

    triplets: list[Triplet] = []
    failed: list[Unit] = []
    rows = [(method, T) for method in record.methods for T in record.T]
    for number, (method, T) in enumerate(rows):
        done = []
        for video in shuffled:
            unit = Unit(method, T, video.key)
            if _is_done(run, unit):
                done.append(video)
            else:
                failed.append(unit)

        available = [len(video.holdout) for video in done]
        counts = _shares(per_row, available, number * per_row, f"{method}, T = {T}")
        for video, count in zip(done, counts, strict=True):
            frames = frame_order[video.key][:count]
            triplets += [_triplet(run, method, T, video, int(frame)) for frame in frames]

    return triplets, failed


def recording(video: str) -> str:
    """The recording of "person/video" or "person/video/clip": clips of one recording share their
    background.
    """
    return "/".join(video.split("/")[:2])


def real_frames(run: Run, leave_out: Sequence[str] = ()) -> list[RealFrame]:
    """Every real frame that triplets of the run may show, and the hold-out frames themselves."""
    frames: list[RealFrame] = []

    for video in _shown_videos(run, leave_out):
        held_out, triplets = run.real_folder(video.key), run.triplets_folder(video.key)
        own = recording(video.key)
        for frame, others in enumerate(video.others or []):
            frames.append(RealFrame(video.person, own, held_out / f"{frame:02d}.png"))
            for number, (other, _) in enumerate(others, 1):
                file = triplets / f"{frame:02d}-{number}.png"
                frames.append(RealFrame(video.person, recording(other), file))

    return frames


def _shown_videos(run: Run, leave_out: Sequence[str]) -> list[DrawnVideo]:
    return [video for video in run.record().split.videos if video.person not in leave_out]


def _is_done(run: Run, unit: Unit) -> bool:
    """Whether the unit succeeded; raises `ThbenchError` for one that is still to do."""
    result = run.read_unit(unit)
    if result is None:
        raise ThbenchError(
            f"{run.path} is not finished ({unit.method}, T = {unit.T}, {unit.video} is missing); "
            f"continue it with `thbench run-protocol --resume {run.path}`"
        )
    return result.status == "done"


def _refuse_persons_with_few_recordings(run: Run, videos: Sequence[DrawnVideo]) -> None:
    """Two panels of one recording share clothes and background, so that alone would give the third
    one away.
    """
    few = sorted({video.person for video in videos if not _has_three_recordings(video)})
    if few:
        raise ThbenchError(
            f"{run.path}: a triplet needs three different recordings of one person, and there are "
            f"too few of {', '.join(few)}; add recordings or pass `--leave-out {' '.join(few)}`"
        )


def _has_three_recordings(video: DrawnVideo) -> bool:
    """Whether every triplet shows three different recordings of this person."""
    if not video.others:
        return False

    own = recording(video.key)
    for others in video.others:
        names = [name for name, _ in others]
        if len({own, *map(recording, names)}) < 3:
            return False
        if any(name.split("/")[0] != video.person for name in names):
            return False
    return True


def _shares(per_row: int, available: Sequence[int], start: int, row: str) -> list[int]:
    """How many triplets each video gives: equal shares, what is left over going round from row to
    row.
    """
    if per_row > sum(available):
        raise ThbenchError(
            f"{row} holds {sum(available)} generated frames, {per_row} triplets are asked for; "
            "lower --triplets-per-row"
        )

    counts, turn = [0] * len(available), start
    while sum(counts) < per_row:
        video = turn % len(available)
        counts[video] += counts[video] < available[video]
        turn += 1
    return counts


def _triplet(run: Run, method: str, T: int, video: DrawnVideo, frame: int) -> Triplet:
    key = video.key
    made, others = run.unit_folder(Unit(method, T, key)), run.triplets_folder(key)
    files = (
        made / f"{frame:02d}.png",
        others / f"{frame:02d}-1.png",
        others / f"{frame:02d}-2.png",
    )
    for file in files:
        if not file.is_file():
            raise ThbenchError(
                f"{file} is missing; repair the run with `thbench run-protocol --resume {run.path}`"
            )

    assert video.others is not None  # persons without three recordings were refused
    (first, _), (second, _) = video.others[frame]
    recordings = (recording(key), recording(first), recording(second))
    return Triplet(method, T, video.person, key, frame, recordings, files)
