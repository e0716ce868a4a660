"""Splits handed on to others: the one of a run, or the one that a protocol draws; written, read and
checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from protocols.data import open_data
from protocols.definition import load_definition
from protocols.kinds.base import Definition
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.nearest import did_you_mean
from thbench.records.decode import read_record
from thbench.records.encode import write_record
from thbench.records.split import DrawnVideo, FramePlace, ListedRecord, Split
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

    On another copy of the dataset, with other bytes or fewer clips, videos are matched by their
    names: what is left of them is the split, and its `listed` says how much that is. Raises
    `ThbenchError` where no video is left, where a frame has another name than the split says, so
    that the copy's clip was cut otherwise, and where shots and hold-out overlap.
    """
    split = read_record(path, Split, _REMEDY)
    if split.sources_sha256 and sources is None:
        raise ThbenchError(f"{path} learns its heads from another dataset; name it with --sources")
    if sources is not None and split.sources_sha256 is None:
        raise ThbenchError(f"{path} learns its heads from its own dataset; leave --sources out")

    drawn_from = (split.dataset_sha256, split.sources_sha256)
    if drawn_from != (dataset.sha256, sources.sha256 if sources else None):
        split = _left_of(split, dataset, sources, path)
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
    planned = split.listed.n_listed if split.listed else len(split.videos)
    # By names a protocol takes what is there of a list; else it draws as many as it says.
    fits = planned == definition.videos
    if definition.names:
        fits = len(split.videos) <= definition.videos
    if not fits or split.seed != definition.seed:
        raise ThbenchError(
            f"{path} has {planned} videos drawn with seed {split.seed}, the protocol asks for "
            f"{definition.videos} with seed {definition.seed}; add --videos {planned} --seed "
            f"{split.seed} to run it as it is"
        )
    for video in split.videos:
        if problem := definition.check(video):
            raise ThbenchError(
                f"{path} is not a split of {definition.name!r}: {video.key} {problem}"
            )
    return split


def _left_of(split: Split, dataset: Dataset, sources: Dataset | None, path: Path) -> Split:
    """The split on another copy of its dataset: the videos whose source and drivers are there, by
    their names; without triplets where one of their frames is not.
    """
    tested = {video.key: video for video in videos_of(dataset, "test")}
    learned = {video.key for video in videos_of(sources, "test")} if sources else set(tested)
    found = [
        replace(video, others=video.others if _has_triplets(video, tested) else None)
        for video in split.videos
        if video.source in learned and {key for key, _ in _driving(video)} <= set(tested)
    ]
    if not found:
        first = split.videos[0].source
        near = did_you_mean(first, sorted(learned))
        raise ThbenchError(
            f"{path} was drawn from another dataset: none of its {len(split.videos)} videos is "
            f"tested in {dataset.name} (the first is {first}" + (f"; {near})" if near else ")")
        )

    planned = split.listed or ListedRecord(path.stem, len(split.videos), 0, "", "videos")
    here = sha256_json([[video.key, video.shot_names, video.holdout_names] for video in found])
    return replace(
        split,
        dataset_sha256=dataset.sha256,
        sources_sha256=sources.sha256 if sources else None,
        videos=found,
        listed=replace(planned, n_found=len(found), found_sha256=here),
    )


def _has_triplets(video: DrawnVideo, tested: Mapping[str, Video]) -> bool:
    places = [place for pair in video.others or [] for place in pair]
    return all(key in tested and frame < tested[key].n_frames for key, frame in places)


def _check(split: Split, dataset: Dataset, sources: Dataset, where: str) -> None:
    """Raises `ThbenchError` for videos or frames that the datasets do not test."""
    tested = {video.key: video for video in videos_of(dataset, "test")}
    learned = {video.key: video for video in videos_of(sources, "test")}

    (key, times), *_ = Counter(video.key for video in split.videos).most_common(1)
    if times > 1:
        raise ThbenchError(f"{where} names {key} twice")

    for video in split.videos:
        if video.source not in learned:
            near = did_you_mean(video.source, learned)
            raise ThbenchError(
                f"{where} names {video.source}, which is not tested in {sources.name}"
                + (f"; {near}" if near else "")
            )
        if len(video.holdout) != split.holdout:
            raise ThbenchError(
                f"{where}: {video.key} has {len(video.holdout)} hold-out frames, "
                f"{split.holdout} expected"
            )

        source, driving = learned[video.source], _driving(video)
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
    for name, (of, frame) in zip(names, places, strict=True):
        if known[of.key][frame] != name:
            raise ThbenchError(
                f"{where}: frame {frame} of {of.key} is {known[of.key][frame]} in {dataset.name}, "
                f"and {name} in the split of {video.key}: prepare that clip as the split's was, or "
                "export the split again"
            )
