"""Finished run folders with real-looking pictures, written by the run format, for the tests of the
study.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from support.run_record import drawn_video, method_record, protocol_record, run_record
from thbench.files import sha256_file
from thbench.records.run import DatasetRecord
from thbench.records.split import DrawnVideo
from thbench.runs import Run, Unit, UnitResult


def write_run(
    path: Path,
    *,
    videos: int = 6,
    videos_per_person: int = 2,
    holdout: int = 4,
    size_px: int = 64,
    methods: Sequence[str] = ("x2face", "ours-ff"),
    T: Sequence[int] = (1, 8),
    seed: int = 0,
) -> Run:
    """A run in which every person has five recordings; its fakes are blurred real frames."""
    rng = np.random.default_rng(seed)
    drawn = [_video(index, videos_per_person, holdout, max(T), rng) for index in range(videos)]
    path.mkdir(parents=True)
    run = Run(path)
    run.write(
        run_record(
            {method: method_record(method) for method in methods},
            drawn,
            T=T,
            dataset=DatasetRecord("drawn", "1" * 64, size_px, "drawn", ""),
            protocol=protocol_record("table1"),
            seed=seed,
        )
    )
    for video in drawn:
        real, triplets = run.real_folder(video.key), run.triplets_folder(video.key)
        real.mkdir(parents=True)
        triplets.mkdir(parents=True)
        for frame, others in enumerate(video.others or []):
            cv2.imwrite(str(real / f"{frame:02d}.png"), face(video.key, frame, size_px))
            for number, (other, position) in enumerate(others, 1):
                file = triplets / f"{frame:02d}-{number}.png"
                cv2.imwrite(str(file), face(other, position, size_px))

    for unit in run.planned():
        _write_unit(run, unit, holdout, size_px)
    return run


def face(video: str, frame: int, size_px: int) -> NDArray[np.uint8]:
    """A drawn head: the person gives its features, the recording its background and clothes, the
    frame its pose.
    """
    person = np.random.default_rng(list(video.split("/")[0].encode()))
    scene = np.random.default_rng(list(video.encode()))
    pose = np.random.default_rng([*video.encode(), frame])
    ramp = np.linspace(0, 1, size_px)[:, None, None]
    above, below = scene.integers(30, 220, 3), scene.integers(30, 220, 3)
    backdrop = (above * ramp + below * (1 - ramp)).repeat(size_px, 1)
    canvas = np.ascontiguousarray(backdrop.astype(np.uint8))

    skin = tuple(int(c) for c in person.integers(120, 230, 3))
    shift = pose.integers(-size_px // 12, size_px // 12 + 1, 2)
    centre = (size_px // 2 + int(shift[0]), size_px // 2 + int(shift[1]))
    clothes = tuple(int(c) for c in scene.integers(0, 255, 3))
    shoulders = (size_px // 5, size_px * 4 // 5), (size_px * 4 // 5, size_px)
    cv2.rectangle(canvas, *shoulders, clothes, -1)
    cv2.ellipse(canvas, centre, (size_px // 4, size_px // 3), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = (centre[0] + side * size_px // 10, centre[1] - size_px // 12)
        cv2.circle(canvas, eye, max(size_px // 24, 1), (40, 30, 20), -1, cv2.LINE_AA)

    mouth = (centre[0], centre[1] + size_px // 7)
    opening = (size_px // 10, max(int(pose.integers(size_px)) // 20, 1))
    cv2.ellipse(canvas, mouth, opening, 0, 0, 360, (60, 40, 160), -1, cv2.LINE_AA)

    noise = pose.normal(0, 4, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _video(
    index: int, videos_per_person: int, holdout: int, shots: int, rng: np.random.Generator
) -> DrawnVideo:
    person, video = f"id{10270 + index // videos_per_person}", f"vid{index % videos_per_person}"
    rest = [f"{person}/vid{number}" for number in range(5) if f"vid{number}" != video]
    others = [
        [(str(name), int(rng.integers(50))) for name in rng.choice(rest, 2, replace=False)]
        for _ in range(holdout)
    ]
    return drawn_video(person, video, range(shots), range(1, holdout + 1), others)


def _write_unit(run: Run, unit: Unit, holdout: int, size_px: int) -> None:
    folder = run.unit_folder(unit)
    folder.mkdir(parents=True)
    for frame in range(holdout):
        fake = cv2.GaussianBlur(face(unit.video, frame, size_px), (0, 0), 0.7 + 1 / unit.T)
        cv2.imwrite(str(folder / f"{frame:02d}.png"), fake)
    frames = {file.name: sha256_file(file) for file in folder.iterdir()}
    run.commit_unit(unit, UnitResult("done", frames=frames))
