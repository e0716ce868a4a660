"""One sound specimen of every kind of file that the program reads, made by the program itself."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from support.rater import DEVICE
from support.study_run import write_run
from support.tiny import TINY

from cli import thbench
from protocols.definition import definition_text
from reports.study.build import build_study
from thbench.data.store.prepared import PreparedStore
from thbench.data.video import write_video
from thbench.files import read_json, write_json
from thbench.paper.meta import OursTrainer
from thbench.records.unit import UserColumn, UserRow
from thbench.runs import Run
from thbench.training.loop import LoopConfig, train

PERSONS, VIDEOS, FRAMES, SIZE_PX = 3, 3, 8, 64
TINIEST = replace(TINY, batch=1, shots=1)
FACES = Path(__file__).parents[3] / "shared/data/vox1-sample"


def make_material() -> None:
    """Fills the working folder with specimens, which name each other by relative paths."""
    root = Path()
    _sources(root)
    _store()
    _runs()
    (root / "run/.lock").touch()  # as a killed process leaves it

    (root / "given").mkdir()
    _thbench("split export run -o given/split.json")
    (root / "given/protocol.toml").write_text(definition_text("self-reenactment"), encoding="utf-8")
    _elsewhere(root)

    train_tiny(root / "training", root / "store", steps=1)
    torch.save({"state_dict": {"a": torch.zeros(2)}}, root / "given/x2face_model_forpython3.pth")
    _study(root)
    _faces(root)
    _doors(root)


def train_tiny(out: Path, store: Path, steps: int, resume: bool = False) -> None:
    """A training of the paper's method at a size that takes a moment."""
    loop = LoopConfig(steps=steps, workers=0, accelerator="cpu")
    train(OursTrainer, TINIEST, PreparedStore(store), loop, out, resume, quiet=True)


def run_command(*arguments: object) -> None:
    """The command line without its last resort: whatever the program did not foresee is raised."""
    thbench.main([str(argument) for argument in arguments], standalone_mode=False)


def _thbench(command: str) -> None:
    """A command, as it is typed after `thbench`; it must succeed."""
    try:
        run_command(*command.split())
    except SystemExit as stop:
        if stop.code:
            raise AssertionError(command) from stop


def _store() -> None:
    """`store`, and `begun`: the first of two parts of it."""
    prepared = (
        f"--size {SIZE_PX} --crop as-is --landmarks import:sources/landmarks --lossless "
        "--test-persons p2 --workers 1"
    )
    _thbench(f"prepare frames sources/frames store {prepared}")
    _thbench(f"prepare frames sources/frames begun {prepared} --num-shards 2 --shard-index 0")


def _runs() -> None:
    """`exported` with answers, `run` with people's success rates, and `timed`."""
    small = "--dataset store --videos 1 --holdout 2"
    _thbench(f"export-protocol --out exported --T 1 {small}")
    _answer(Path("exported"))

    _thbench(
        f"run-protocol --out run --T 1 2 {small} --methods copy-nearest --metrics l1 ssim "
        "--device cpu --workers 1"
    )
    _thbench(
        "run-protocol table2-timing --out timed --T 1 --dataset store --methods copy-nearest "
        "--iterations 1 --device cpu"
    )

    rows = [UserRow("copy-nearest", T, 0.5, 0.1, (0.3, 0.7), 20) for T in (1, 2)]
    write_json(Path("run/study.json"), asdict(UserColumn(rows=rows)))


def _elsewhere(root: Path) -> None:
    """Result files of two other programs, of which one is read into `run`."""
    (video,) = Run(root / "run").record().split.videos
    path = f"results/{video.key}.mp4"
    entry = {"video_path": path, "video_results": 0.9}
    write_json(root / "given/vbench.json", {"subject_consistency": [0.9, [entry]]})
    (root / "given/theval.txt").write_text(f"Video Path,Silent MAD\n{path},0.02\n", "utf-8")
    _thbench("runs import-scores vbench given/vbench.json run --T 1")


def _sources(root: Path) -> None:
    """`frames` as PNG and `landmarks` as .npy, .pts and .csv, by person."""
    dice = np.random.default_rng(0)
    for person in range(PERSONS):
        for video in range(VIDEOS):
            for frame in range(FRAMES):
                name = f"p{person}/v{video}/{frame}"
                image = dice.integers(0, 256, (SIZE_PX // 8, SIZE_PX // 8, 3), np.uint8)
                large = cv2.resize(image, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
                _made(root / f"sources/frames/{name}.png").write_bytes(
                    cv2.imencode(".png", large)[1].tobytes()
                )
                _write_landmarks(
                    root / "sources/landmarks" / name,
                    dice.uniform(4, SIZE_PX - 5, (68, 2)),
                    (".npy", ".pts", ".csv")[video],
                )


def _write_landmarks(stem: Path, points: np.ndarray, suffix: str) -> None:
    file = _made(stem.with_name(stem.name + suffix))
    if suffix == ".npy":
        np.save(file, points)
    elif suffix == ".pts":
        lines = "\n".join(f"{x} {y}" for x, y in points)
        file.write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n", encoding="utf-8")
    else:
        names = [f"{axis}_{point}" for axis in "xy" for point in range(68)]
        values = [str(value) for value in points.T.ravel()]
        file.write_text(f"success, {', '.join(names)}\n1, {', '.join(values)}\n", encoding="utf-8")


def _answer(exported: Path) -> None:
    """Answers to an export: the driving frames themselves."""
    for drive in sorted(exported.glob("*/*/drive")):
        answer = exported / "answers" / drive.parent.relative_to(exported)
        shutil.copytree(drive, answer)


def _study(root: Path) -> None:
    """A study of a run with drawn heads, an export of it that works from disk, and one rater's
    answers.
    """
    run = write_run(root / "studied", videos=4, holdout=2, methods=("x2face",), T=(1,))
    build_study(run, root / "study", triplets_per_row=4, ratings=1)
    settings = root / "study/settings.json"
    told = {
        "controller": "A laboratory",
        "contact": "study@example.org",
        "retention_date": "2027-12-31",
    }
    write_json(settings, read_json(settings) | told)
    _thbench("study export-static study -o handout --key given/key.json")

    key = read_json(root / "given/key.json")
    result = {
        "export": key["export"],
        "form": 1,
        "participant": "a" * 22,
        "consent": "1",
        "consented_at": 1.0,
        "answers": [
            {
                "trial": trial["token"],
                "choice": 1 + trial["arrangement"].index("0"),
                "response_ms": 900.0,
                "input": "key",
                "blurs": 0,
            }
            for trial in key["forms"]["1"]
        ],
        "device": DEVICE,
    }
    write_json(root / "given/answers.json", result)
    _thbench("study import study given/answers.json --key given/key.json")


def _faces(root: Path) -> None:
    """Photos of faces, a video of them, and a head learned from them."""
    found = sorted(FACES.rglob("*.jpg"))[:2]
    images = [cv2.resize(cv2.imread(str(photo)), (224, 224)) for photo in found]
    for number, photo in enumerate(found):
        shutil.copyfile(photo, _made(root / f"faces/photos/{number}.jpg"))
    video = torch.from_numpy(np.stack(images)[..., ::-1].copy()).permute(0, 3, 1, 2)
    write_video(_made(root / "faces/videos/p0/v0.mp4"), video, 25.0)
    _thbench(
        "adapt ours-ff --images faces/photos --checkpoint training/model.safetensors "
        f"--size {SIZE_PX} --device cpu -o faces/head.safetensors"
    )


def _doors(root: Path) -> None:
    """A packed run, a run of videos that lay on disk, and a list of pairs of them."""
    _thbench("runs pack run -o given/run.zip")
    _thbench(
        "score-videos faces/videos copy=faces/videos --out scored --metrics l1 ssim "
        "--landmarks dlib --device cpu --workers 1 --quiet"
    )
    (root / "given/pairs.csv").write_text("real,fake,person\np0/v0.mp4,p0/v0.mp4,Ann\n")


def _made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
