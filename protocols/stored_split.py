"""Splits handed on to others: the one of a run, or the one that a protocol draws; written, read and
checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from protocols.data import open_data
from protocols.definition import load_definition
from protocols.kinds.base import Definition
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.nearest import did_you_mean
from thbench.records.decode import read_record
from thbench.records.encode import write_record
from thbench.records.split import DrawnVideo, FramePlace, Split
from thbench.runs import Run

_REMEDY = "it is not a split file: export one with `thbench split export`"


def export_split(
    source: str,
    out: Path,
    dataset: str | None,
    videos: int | None,
    T: int | None,
    holdout: int | None,
    drivers: int | None,
    sources: str | None,
    seed: int | None,
    skip_unusable: bool = False,
) -> Split:
    """Writes the split of a run folder, or the one that a protocol draws, for others to use with
    `--split`.

    Raises `ThbenchError` when options for drawing are given beside a run.
    """
    if Run(Path(source)).run_json.exists():
        split = Run.open(Path(source)).record().split
        if any((dataset, videos, T, holdout, drivers, sources, seed is not None)):
            raise ThbenchError(
                f"{source} is a run, whose split is drawn already; leave the other options out"
            )
    else:
        definition = load_definition(source).with_values(
            holdout=holdout, drivers=drivers, seed=seed, T=(T,) if T else None
        )
        definition, opened, learned = open_data(definition, dataset, sources, videos, skip_unusable)
        split = definition.draw(opened, learned)
    write_record(out, split)
    return split


def read_split(path: Path, dataset: Dataset, sources: Dataset | None = None) -> Split:
    """Reads a split that `thbench split export` wrote and checks it against the dataset, frame by
    frame.

    sources: where a cross-reenactment's heads are learned from, when that is another dataset.
    Raises `ThbenchError` when the split was made for another dataset, names unknown videos or
    frames, or its shots and hold-out overlap.
    """
    split = read_record(path, Split, _REMEDY)
    if split.sources_sha256 and sources is None:
        raise ThbenchError(f"{path} learns its heads from another dataset; name it with --sources")

    _check_drawn_from(dataset, split.dataset_sha256, path)
    if sources is not None:
        _check_drawn_from(sources, split.sources_sha256, path)
    _check(split, dataset, sources or dataset, str(path))
    return split


def read_split_for(
    definition: Definition, path: Path, dataset: Dataset, sources: Dataset | None
) -> Split:
    """`read_split` for a protocol; raises `ThbenchError` also where the split is that of another
    measurement.
    """
    split = read_split(path, dataset, sources)
    shots, frames = max(definition.T), definition.holdout_frames
    if (split.shots, split.holdout) != (shots, frames):
        raise ThbenchError(
            f"{path} has {split.shots} shots and {split.holdout} hold-out frames, the protocol "
            f"asks for {shots} and {frames}"
        )
    if (len(split.videos), split.seed) != (definition.videos, definition.seed):
        raise ThbenchError(
            f"{path} has {len(split.videos)} videos drawn with seed {split.seed}, the protocol "
            f"asks for {definition.videos} with seed {definition.seed}; add --videos "
            f"{len(split.videos)} --seed {split.seed} to run it as it is"
        )
    for video in split.videos:
        if problem := definition.check(video):
            raise ThbenchError(
                f"{path} is not a split of {definition.name!r}: {video.key} {problem}"
            )
    return split


def _check_drawn_from(dataset: Dataset, sha256: str | None, path: Path) -> None:
    if sha256 != dataset.sha256:
        theirs = f"sha256 {sha256[:12]}..." if sha256 else "none"
        raise ThbenchError(
            f"{path} was drawn from another dataset ({theirs}, {dataset.name} has "
            f"{dataset.sha256[:12]}...)"
        )


def _check(split: Split, dataset: Dataset, sources: Dataset, where: str) -> None:
    """Raises `ThbenchError` for videos or frames that the datasets do not test."""
    tested = {video.key: video for video in videos_of(dataset, "test")}
    learned = {video.key: video for video in videos_of(sources, "test")}

    (key, times), *_ = Counter(video.key for video in split.videos).most_common(1)
    if times > 1:
        raise ThbenchError(f"{where} names {key} twice")

    for video in split.videos:
        if video.key not in learned:
            near = did_you_mean(video.key, learned)
            raise ThbenchError(
                f"{where} names {video.key}, which is not tested in {sources.name}"
                + (f"; {near}" if near else "")
            )
        if len(video.holdout) != split.holdout:
            raise ThbenchError(
                f"{where}: {video.key} has {len(video.holdout)} hold-out frames, "
                f"{split.holdout} expected"
            )

        source, driving = learned[video.key], _driving(video)
        _check_frames(video, source, where)
        _check_places(video, tested, where)

        shots = [(source, frame) for frame in video.shots]
        held = [(tested[key], frame) for key, frame in driving]
        _check_names(video.shot_names, shots, sources, video, where)
        _check_names(video.holdout_names, held, dataset, video, where)


def _check_frames(video: DrawnVideo, source: Video, where: str) -> None:
    """The frames of the video itself: all there, and apart from each other."""
    drives_itself = video.driver_of is None
    held = video.holdout if drives_itself else []

    if not {*video.shots, *held, *video.floor} <= set(range(source.n_frames)):
        raise ThbenchError(
            f"{where}: shots, hold-out or real-vs-real frames of {video.key} leave its "
            f"{source.n_frames} frames"
        )

    apart = [*video.shots, *held]
    if len(set(apart)) < len(apart) or set(video.floor) & set(video.holdout):
        raise ThbenchError(
            f"{where}: shots, hold-out and real-vs-real frames of {video.key} overlap"
        )
    if len(video.floor) != len(held):
        raise ThbenchError(f"{where}: {video.key} has {len(video.floor)} real-vs-real frames")


def _check_places(video: DrawnVideo, tested: Mapping[str, Video], where: str) -> None:
    """The frames of other videos: those of drivers and triplets."""
    triplets = [(key, frame) for pair in video.others or [] for key, frame in pair]
    for what, places in (("a driver", _driving(video)), ("a triplet", triplets)):
        for key, frame in places:
            if key not in tested or not 0 <= frame < tested[key].n_frames:
                raise ThbenchError(
                    f"{where}: {what} of {video.key} names frame {frame} of {key}, which the "
                    "dataset does not test"
                )


def _driving(video: DrawnVideo) -> list[FramePlace]:
    """The video and position of every hold-out frame."""
    drivers = video.driver_of or [video.key] * len(video.holdout)
    return list(zip(drivers, video.holdout, strict=True))


def _check_names(
    names: Sequence[str],
    places: Sequence[tuple[Video, int]],
    dataset: Dataset,
    video: DrawnVideo,
    where: str,
) -> None:
    known = {of.key: dataset.frame_names(of) for of, _ in places}
    if list(names) != [known[of.key][frame] for of, frame in places]:
        raise ThbenchError(
            f"{where}: the frame names of {video.key} are not those of its frames; export the "
            "split again"
        )
