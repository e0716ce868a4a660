"""The plan of a run that scores videos: its split, and run.json, before any frame is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocols.kinds.base import Definition, MethodEntry
from protocols.kinds.self_reenactment import Identity, SelfReenactment
from protocols.score_videos.look import View
from protocols.score_videos.matching import Match, other_rate
from protocols.score_videos.pairs import Pair
from protocols.score_videos.shape import Shape
from protocols.session import this_session
from thbench.data.clip_files import ClipFile, Keep
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.records.run import (
    FORMAT,
    CheckpointRecord,
    DatasetRecord,
    MethodRecord,
    ProtocolRecord,
    RunRecord,
)
from thbench.records.split import DrawnVideo, FramePlace, Split

NAME = "score-videos"
SPEC = "video-files"
_SHOWN = 5


@dataclass(frozen=True)
class Plan:
    """All that decides a run's numbers, besides the files themselves.

    keeps: which part of its frames is meant, by method.
    """

    pairs: Sequence[Pair]
    views: Mapping[str, View]
    shape: Shape
    match: Match
    keeps: Mapping[str, Keep]

    def pair(self, key: str) -> Pair:
        return next(pair for pair in self.pairs if pair.key == key)


def plan_split(plan: Plan, dataset_sha256: str) -> Split:
    """The split: every scored frame is held out, the first frame stands for the shot.

    The real-vs-real floor and the triplets of the user study are frames of other clips of the same
    person, where there are any.
    """
    videos = [_test_video(plan, pair) for pair in plan.pairs]
    longest = max(len(video.holdout) for video in videos)
    return Split(0, dataset_sha256, 1, longest, videos)


def spread(view: View, count: int) -> list[int]:
    """`count` of a view's scored frames, evenly spread; some twice where it has fewer."""
    places = np.linspace(0, len(view.positions) - 1, count).round().astype(int)
    return [view.positions[place] for place in places]


def definition_of(
    split: Split, methods: Sequence[str], metrics: Sequence[str], identity: Identity
) -> Definition:
    """The protocol in whose name the videos are scored."""
    return SelfReenactment(
        name=NAME,
        version=1,
        source="videos that lie on disk, scored by `thbench score-videos`",
        methods=tuple(MethodEntry(label, f"{SPEC}:{label}") for label in methods),
        T=(1,),
        metrics=tuple(metrics),
        videos=len(split.videos),
        holdout=split.holdout,
        holdout_rule="clip",
        identity=identity,
    )


def dataset_sha256(pairs: Sequence[Pair], shape: Shape, frames: str, landmarks: str) -> str:
    """The identity of the true frames: the files, and all that is done to them."""
    return sha256_json(
        {
            "clips": {pair.key: ClipFile(pair.real).sha256() for pair in pairs},
            "crop": shape.crop,
            "size_px": shape.size_px,
            "frames": frames,
            "landmarks": landmarks,
        }
    )


def run_record(
    plan: Plan,
    definition: Definition,
    split: Split,
    real: Path,
    methods: Mapping[str, Path],
    device: str,
) -> RunRecord:
    """run.json of a new run."""
    session = this_session(device)
    return RunRecord(
        format=FORMAT,
        protocol=ProtocolRecord(
            definition.name, definition.kind, definition.sha256, definition.described()
        ),
        dataset=DatasetRecord(
            name=real.resolve().name,
            sha256=split.dataset_sha256,
            size_px=plan.shape.size_px,
            label=real.resolve().name,
            spec=f"{SPEC}:{real}",
            pictures="photographs",
        ),
        T=[1],
        methods={label: method_record(plan, label, methods[label]) for label in methods},
        metrics=list(definition.metrics),
        split=split,
        status="running",
        partial=False,
        versions=session.versions,
        hardware=session.hardware,
        device=session.device,
        git_commit=session.git_commit,
        created_utc=session.created_utc,
        sessions=[session],
    )


def method_record(plan: Plan, label: str, folder: Path) -> MethodRecord:
    """What run.json says of a method: where its files are, their sha256, what was done to them."""
    digests = {pair.key: _digest(pair.fakes[label]) for pair in plan.pairs if label in pair.fakes}
    return MethodRecord(
        spec=f"{SPEC}:{label}",
        drives_with="image",
        config={
            "keep": plan.keeps[label].name,
            "match": plan.match,
            "crop": plan.shape.crop,
        },
        settings={},
        checkpoint=CheckpointRecord(str(folder), sha256_json(digests)),
        notes=["videos made elsewhere", *_what_differs(plan, label)],
    )


def _test_video(plan: Plan, pair: Pair) -> DrawnVideo:
    view = plan.views[pair.key]
    own = [other for other in plan.pairs if other.person == pair.person]
    place = own.index(pair)
    others = [*own[place + 1 :], *own[:place]]

    floor_of = others[0].key if others else None
    count = len(view.positions)
    return DrawnVideo(
        pair.person,
        pair.video,
        [view.shot],
        view.positions,
        spread(plan.views[floor_of], count) if floor_of else [],
        [view.shot_name],
        view.names,
        _triplets(plan, others[:2], count) if len(others) > 1 else None,
        shot_times_s=None if view.shot_time_s is None else [view.shot_time_s],
        holdout_times_s=view.times_s,
        floor_of=floor_of,
    )


def _triplets(plan: Plan, others: Sequence[Pair], count: int) -> list[list[FramePlace]]:
    spreads = [[(other.key, at) for at in spread(plan.views[other.key], count)] for other in others]
    return [list(pair) for pair in zip(*spreads, strict=True)]


def _digest(path: Path) -> str:
    try:
        return ClipFile(path).sha256()
    except ThbenchError:
        return "unreadable"


def _what_differs(plan: Plan, label: str) -> list[str]:
    """What a reader should know of the results' lengths, rates and sizes."""
    keep = plan.keeps[label]
    rates, lengths, sizes = [], [], []
    for pair in plan.pairs:
        if label not in pair.fakes:
            continue
        try:
            real, fake = ClipFile(pair.real), ClipFile(pair.fakes[label])
            size = keep.cut(next(iter(fake.read([0])))).shape[:2]
        except ThbenchError:
            continue  # its unit fails and says why
        if other_rate(real, fake):
            rates.append(pair.key)
        if real.n_frames != fake.n_frames:
            lengths.append(pair.key)
        if size != plan.views[pair.key].shot_size:
            sizes.append(pair.key)

    matched = {
        "frame": "the k-th answers the k-th",
        "time": "matched by time",
        "common": "scored as far as all go",
    }[plan.match]
    return [
        f"{len(keys)} of {len(plan.pairs)} clips {what} ({', '.join(keys[:_SHOWN])}"
        f"{', ...' if len(keys) > _SHOWN else ''}): {rule}"
        for keys, what, rule in (
            (rates, "state another frame rate", matched),
            (lengths, "have another number of frames", matched),
            (sizes, "have another size", "resized to the true frames'"),
        )
        if keys
    ] + ([] if keep.name == "all" else [f"of each frame {keep.name} was kept"])
