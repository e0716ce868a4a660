"""The record of a run, for the tests of what reads runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thbench.records.run import (
    FORMAT,
    CheckpointRecord,
    DatasetRecord,
    Kind,
    MethodRecord,
    ProtocolRecord,
    RunRecord,
)
from thbench.records.split import DrawnVideo, FramePlace, Split


def run_record(
    methods: Mapping[str, MethodRecord],
    videos: list[DrawnVideo],
    *,
    T: Sequence[int] = (1,),
    dataset: DatasetRecord | None = None,
    protocol: ProtocolRecord | None = None,
    metrics: Sequence[str] = (),
    seed: int = 0,
) -> RunRecord:
    """A finished run on 64 pixels, unless a dataset is given; its split is that of `videos`."""
    dataset = dataset or DatasetRecord("mine", "1" * 64, 64, "mine", "")
    return RunRecord(
        format=FORMAT,
        protocol=protocol or protocol_record("mine"),
        dataset=dataset,
        T=list(T),
        methods=methods,
        metrics=list(metrics),
        split=Split(seed, dataset.sha256, len(videos[0].shots), len(videos[0].holdout), videos),
        status="complete",
        partial=False,
        seeds={"run": seed},
        versions={"thbench": "0.1.0", "torch": "2.15.0"},
        hardware={"processor": "AMD EPYC", "cores": 2, "gpus": []},
        device="cpu",
        git_commit="0" * 40,
        created_utc="2026-11-23T20:00:00Z",
    )


def protocol_record(
    name: str,
    kind: Kind = "self-reenactment",
    sha256: str = "0" * 64,
    definition: Mapping[str, Any] | None = None,
) -> ProtocolRecord:
    return ProtocolRecord(name, kind, sha256, definition or {})


def method_record(spec: str, checkpoint: str = "", notes: Sequence[str] = ()) -> MethodRecord:
    """checkpoint: the path of its model; "" for none."""
    return MethodRecord(
        spec=spec,
        drives_with="image" if spec == "x2face" else "landmarks",
        config={"preset": "small"},
        settings={},
        checkpoint=CheckpointRecord(checkpoint, "ab" * 32) if checkpoint else None,
        notes=list(notes),
    )


def drawn_video(
    person: str,
    video: str,
    shots: Sequence[int],
    holdout: Sequence[int],
    others: list[list[FramePlace]] | None = None,
) -> DrawnVideo:
    """Frames are named by their positions, as VoxCeleb1 names them; the floor is the hold-out."""
    return DrawnVideo(
        person,
        video,
        shots=list(shots),
        holdout=list(holdout),
        floor=list(holdout),
        shot_names=[f"{frame:07d}.jpg" for frame in shots],
        holdout_names=[f"{frame:07d}.jpg" for frame in holdout],
        others=others,
    )
