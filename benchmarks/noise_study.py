"""A study of any size over a run of noise: what `study_load.py` serves."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from reports.study.build import build_study
from reports.study.folder import Study
from thbench.files import read_json, write_json
from thbench.records.run import DatasetRecord, MethodRecord, ProtocolRecord, RunRecord
from thbench.records.split import DrawnVideo, Split
from thbench.runs import FORMAT, Run, Unit, UnitResult

HOLDOUT = 32
_NO_LIMIT = 10**6


def make_study(
    scratch: Path,
    *,
    videos: int,
    methods: int,
    size_px: int,
    triplets_per_row: int,
    trials_per_form: int,
    lease_s: float,
) -> Study:
    """A study in `scratch` whose server slows nobody down."""
    build_study(
        write_run(scratch / "run", videos, methods, size_px),
        scratch / "study",
        triplets_per_row=triplets_per_row,
        trials_per_form=trials_per_form,
    )
    study = Study.open(scratch / "study")

    limits = ("session_per_s", "address_per_s", "entries_per_s")
    bursts = ("session_burst", "address_burst", "entries_burst")
    rates = {**dict.fromkeys(limits, float(_NO_LIMIT)), **dict.fromkeys(bursts, _NO_LIMIT)}
    settings = {**read_json(study.settings_json), "lease_minutes": lease_s / 60, "rates": rates}
    write_json(study.settings_json, settings)
    return Study.open(scratch / "study")


def write_run(path: Path, videos: int, methods: int, size_px: int) -> Run:
    """Noisy gradients for pictures; all methods share the files, so writing them is quick."""
    path.mkdir(parents=True)
    run = Run(path)
    run.write(_record(videos, methods, size_px))

    pictures = _pictures(size_px)
    for video in run.record().split.videos:
        real, triplets = run.real_folder(video.key), run.triplets_folder(video.key)
        real.mkdir(parents=True)
        triplets.mkdir(parents=True)
        for frame in range(HOLDOUT):
            others = [triplets / f"{frame:02d}-{number}.png" for number in (1, 2)]
            for number, file in enumerate([real / f"{frame:02d}.png", *others]):
                file.write_bytes(pictures[(frame + number) % len(pictures)])

    for unit in run.planned():
        _link_unit(run, unit)
    return run


def _record(videos: int, methods: int, size_px: int) -> RunRecord:
    drawn = [_video(f"id{10270 + index}") for index in range(videos)]
    noise = MethodRecord(
        spec="noise", drives_with="landmarks", config={}, settings={}, checkpoint=None, notes=[]
    )
    return RunRecord(
        format=FORMAT,
        protocol=ProtocolRecord("noise", "self-reenactment", "0" * 64, {}),
        dataset=DatasetRecord("noise", "0" * 64, size_px, "noise", ""),
        T=[1],
        methods={f"method{number}": noise for number in range(methods)},
        metrics=[],
        split=Split(0, "0" * 64, 1, HOLDOUT, drawn),
        status="complete",
        partial=False,
        versions={},
        hardware={},
        device="cpu",
        git_commit=None,
        created_utc="2026-11-24T20:00:00Z",
    )


def _video(person: str) -> DrawnVideo:
    """A test video of a person with two other recordings."""
    frames = list(range(HOLDOUT))
    return DrawnVideo(
        person,
        "test",
        shots=[HOLDOUT],
        holdout=frames,
        floor=frames,
        shot_names=["shot"],
        holdout_names=[str(frame) for frame in frames],
        others=[[(f"{person}/a", frame), (f"{person}/b", frame)] for frame in frames],
    )


def _pictures(size_px: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, size_px)[:, None, None] * np.ones((1, size_px, 3))
    noisy = [(ramp + rng.integers(0, 40, ramp.shape)).astype(np.uint8) for _ in range(8)]
    return [cv2.imencode(".png", picture)[1].tobytes() for picture in noisy]


def _link_unit(run: Run, unit: Unit) -> None:
    folder = run.unit_folder(unit)
    folder.mkdir(parents=True)
    for frame in range(HOLDOUT):
        os.link(run.real_folder(unit.video) / f"{frame:02d}.png", folder / f"{frame:02d}.png")
    run.commit_unit(unit, UnitResult("done"))
