"""Splits handed on to others: the one of a run, or the one that a protocol draws; written, read and
checked.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from protocols.cross import open_data, split_of
from protocols.definition import Definition, load_definition
from protocols.split import Split, TestVideo, stored_split
from thbench.data.dataset import Dataset, Video, videos_of
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json
from thbench.runs import Run


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
        split = stored_split(Run.open(Path(source)).info()["split"])
        if any((dataset, videos, T, holdout, drivers, sources, seed is not None)):
            raise ThbenchError(
                f"{source} is a run, whose split is drawn already; leave the other options out"
            )
    else:
        definition = load_definition(source).with_values(
            holdout=holdout, drivers=drivers, seed=seed, T=(T,) if T else None
        )
        split = split_of(*open_data(definition, dataset, sources, videos, skip_unusable))
    write_json(out, split.described())
    return split


def read_split(path: Path, dataset: Dataset, sources: Dataset | None = None) -> Split:
    """Reads a split that `thbench split export` wrote and checks it against the dataset, frame by
    frame.

    sources: where a cross-reenactment's heads are learned from, when that is another dataset.
    Raises `ThbenchError` when the split was made for another dataset, names unknown videos or
    frames, or its shots and hold-out overlap.
    """
    split = stored_split(read_json(path), path)
    for found, expected in (
        ((split.dataset_sha256, dataset), (split.sources_sha256, sources))
        if sources
        else ((split.dataset_sha256, dataset),)
    ):
        if found != expected.sha256:
            theirs = f"sha256 {found[:12]}..." if found else "none"
            raise ThbenchError(
                f"{path} was drawn from another dataset ({theirs}, {expected.name} has "
                f"{expected.sha256[:12]}...)"
            )
    if split.sources_sha256 and sources is None:
        raise ThbenchError(f"{path} learns its heads from another dataset; name it with --sources")
    _check(split, dataset, sources or dataset, str(path))
    return split


def read_split_for(
    definition: Definition, path: Path, dataset: Dataset, sources: Dataset | None
) -> Split:
    """`read_split` for a protocol; raises `ThbenchError` also where the split is that of another
    measurement.
    """
    split = read_split(path, dataset, sources)
    shots, frames = max(definition.T), definition.holdout * definition.drivers
    if (split.shots, split.holdout) != (shots, frames):
        raise ThbenchError(
            f"{path} has {split.shots} shots and {split.holdout} hold-out frames, the protocol asks for "
            f"{shots} and {frames}"
        )
    if (len(split.videos), split.seed) != (definition.videos, definition.seed):
        raise ThbenchError(
            f"{path} has {len(split.videos)} videos drawn with seed {split.seed}, the protocol asks for "
            f"{definition.videos} with seed {definition.seed}; add --videos {len(split.videos)} --seed "
            f"{split.seed} to run it as it is"
        )
    for video in split.videos:
        if (problem := _unfit(definition, video)) is not None:
            raise ThbenchError(f"{path} is no split of {definition.name!r}: {video.key} {problem}")
    return split


def _unfit(definition: Definition, video: TestVideo) -> str | None:
    """Why the hold-out frames or drivers of a video are not those of a protocol, or None."""
    if definition.kind != "cross-reenactment" and video.driver_of is not None:
        return "is driven by other videos"
    if definition.kind == "self-reenactment" and definition.holdout_rule == "part":
        apart = max(video.shots) < min(video.holdout) or max(video.holdout) < min(video.shots)
        return (
            None
            if apart
            else ('has hold-out frames between its shots, the protocol has holdout_rule = "part"')
        )
    if definition.kind != "cross-reenactment":
        return None
    if video.driver_of is None:
        return "is driven by itself"
    counts = Counter(video.driver_of)
    if len(counts) != definition.drivers or set(counts.values()) != {definition.holdout}:
        return f"has not {definition.drivers} drivers with {definition.holdout} frames each"
    same = definition.driven_by == "same-person"
    if {driver.partition("/")[0] == video.person for driver in counts} != {
        same
    } or video.key in counts:
        return f"is not driven by {'another video of the person' if same else 'other persons'}"
    return None


def _check(split: Split, dataset: Dataset, sources: Dataset, where: str) -> None:
    tested = {video.key: video for video in videos_of(dataset, "test")}
    learned = (
        tested if sources is dataset else {video.key: video for video in videos_of(sources, "test")}
    )
    repeated = {
        video.key
        for video in split.videos
        if [other.key for other in split.videos].count(video.key) > 1
    }
    if repeated:
        raise ThbenchError(f"{where} names {sorted(repeated)[0]} twice")
    for video in split.videos:
        if video.key not in learned:
            near = difflib.get_close_matches(video.key, learned, n=1)
            raise ThbenchError(
                f"{where} names {video.key}, which is not tested in {sources.name}"
                + (f"; did you mean {near[0]}?" if near else "")
            )
        if len(video.shots) != split.shots or len(video.holdout) != split.holdout:
            raise ThbenchError(
                f"{where}: {video.key} has {len(video.shots)} shots and {len(video.holdout)} hold-out "
                f"frames, {split.shots} and {split.holdout} expected"
            )
        _check_frames(video, learned[video.key], tested, where)
        _check_names(
            video.shot_names,
            [(learned[video.key], frame) for frame in video.shots],
            sources,
            video,
            where,
        )
        _check_names(
            video.holdout_names,
            [(tested[key], frame) for key, frame in _driving(video)],
            dataset,
            video,
            where,
        )


def _check_frames(video: TestVideo, source: Video, tested: Mapping[str, Video], where: str) -> None:
    own = [*video.shots, *([] if video.driver_of else [*video.holdout, *video.floor])]
    if not set(own) <= set(range(source.n_frames)):
        raise ThbenchError(
            f"{where}: shots, hold-out or real-vs-real frames of {video.key} leave its "
            f"{source.n_frames} frames"
        )
    apart = video.shots if video.driver_of else [*video.shots, *video.holdout]
    if len(set(apart)) < len(apart) or set(video.floor) & set(video.holdout):
        raise ThbenchError(
            f"{where}: shots, hold-out and real-vs-real frames of {video.key} overlap"
        )
    if len(video.floor) != (0 if video.driver_of else len(video.holdout)):
        raise ThbenchError(f"{where}: {video.key} has {len(video.floor)} real-vs-real frames")
    for times_s, frames in (
        (video.shot_times_s, video.shots),
        (video.holdout_times_s, video.holdout),
    ):
        if times_s is not None and len(times_s) != len(frames):
            raise ThbenchError(
                f"{where}: {video.key} has {len(times_s)} times of {len(frames)} frames"
            )
    if video.driver_of is not None and len(video.driver_of) != len(video.holdout):
        raise ThbenchError(
            f"{where}: {video.key} has {len(video.driver_of)} drivers of {len(video.holdout)} frames"
        )
    triplets = [(key, frame) for pair in video.others or [] for key, frame in pair]
    for what, places in (("a driver", _driving(video)), ("a triplet", triplets)):
        for key, frame in places:
            if key not in tested or not 0 <= frame < tested[key].n_frames:
                raise ThbenchError(
                    f"{where}: {what} of {video.key} names frame {frame} of {key}, which the dataset "
                    "does not test"
                )


def _driving(video: TestVideo) -> list[tuple[str, int]]:
    """The video and position of every hold-out frame."""
    return list(
        zip(video.driver_of or [video.key] * len(video.holdout), video.holdout, strict=True)
    )


def _check_names(
    names: Sequence[str],
    places: Sequence[tuple[Video, int]],
    dataset: Dataset,
    video: TestVideo,
    where: str,
) -> None:
    known = {of.key: dataset.frame_names(of) for of, _ in places}
    if list(names) != [known[of.key][frame] for of, frame in places]:
        raise ThbenchError(
            f"{where}: the frame names of {video.key} are not those of its frames; export the split "
            "again"
        )
