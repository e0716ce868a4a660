"""Recipes of public systems, each with a stand-in that has the real program's command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from support.fomm_family import DEMOS
from support.random_frames import random_frames
from support.stand_ins import _SCRIPTS, stand_in

from baselines.external.systems import missing, opened, recipe, recipe_names, system
from cli import thbench
from thbench.errors import ThbenchError
from thbench.method import Frames, MethodOptions
from thbench.metrics.ssim import SSIM

WORKERS = ("bilayer", "latent-pose", *DEMOS)


def frames(n: int, size_px: int, seed: int = 0) -> Frames:
    """Blurred noise, which a codec keeps well."""
    small = random_frames(n, seed=seed)
    images = torch.nn.functional.interpolate(
        small.images.float()[:, :, ::16, ::16], size=(size_px, size_px), mode="bicubic"
    )
    return Frames(images.clamp(0, 255).to(torch.uint8).contiguous(), small.landmarks)


def test_every_system_has_a_stand_in_or_is_a_worker() -> None:
    assert sorted([*_SCRIPTS, *WORKERS]) == recipe_names()
    assert len(recipe_names()) >= 12


@pytest.mark.parametrize("name", sorted(_SCRIPTS))
@pytest.mark.parametrize("lossless", [True, False])
def test_an_identity_stand_in_has_no_error_but_the_codecs(
    name: str, lossless: bool, tmp_path: Path
) -> None:
    known = recipe(name)
    clone = stand_in(tmp_path / "a clone", name, known)
    settings: dict[str, Any] = {"timeout_s": 100, **({"lossless": True} if lossless else {})}
    method = system(MethodOptions(f"{name}={clone}", settings=settings))
    drive = frames(3, known.size_px, seed=1)
    made = method.adapt(frames(2, known.size_px)).render(drive)

    loss = float((made.float() - drive.images.float()).abs().mean() / 255)
    similarity = SSIM.score(made, drive).min()
    if lossless or known.door.settings.get("strip") or name == "hyperreenact":
        assert (loss, similarity) == (0.0, 1.0)
    else:
        assert 0 < loss < 0.02
        assert similarity > 0.95


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_says_what_one_must_know(name: str) -> None:
    known = recipe(name)
    assert known.repository.startswith("https://github.com/")
    assert known.traps
    assert known.files
    assert known.weight_files
    shown = CliRunner().invoke(thbench, ["systems", "show", name])
    assert shown.exit_code == 0
    assert known.licence in shown.output


def test_what_a_clone_lacks_is_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(thbench, ["systems", "check", "lia", "--repo", str(tmp_path)])
    assert told.exit_code == 1
    assert "run_demo.py is missing; is it a clone of https://github.com/wyhsirius/LIA?" in (
        told.output
    )
    with pytest.raises(ThbenchError, match="systems check lia"):
        system(MethodOptions(f"lia={tmp_path}"))
    with pytest.raises(ThbenchError, match="did you mean 'lia'"):
        recipe("liaa")
    with pytest.raises(ThbenchError, match="names no clone"):
        system(MethodOptions("lia"))
    assert "is not a folder" in missing(recipe("lia"), tmp_path / "none")[0]


def test_a_whole_clone_passes_its_trial(tmp_path: Path) -> None:
    clone = stand_in(tmp_path / "clone", "liveportrait", recipe("liveportrait"))
    told = CliRunner().invoke(thbench, ["systems", "check", "liveportrait", "--repo", str(clone)])
    assert told.exit_code == 0, told.output
    assert "ok      a trial: one head, two frames of 256 pixels" in told.output


BILAYER = """
import torch
class InferenceWrapper:
    def __init__(self, arguments): assert arguments["num_gpus"] == 0
    def __call__(self, images, crop_data):
        x = torch.from_numpy(images["target_imgs"]).permute(2, 0, 1) / 127.5 - 1
        return {"pred_target_imgs": x[None, None]}
"""
TRAIN = """
import argparse, pathlib
p = argparse.ArgumentParser()
for o in ("config checkpoint_path data_root train_split_path batch_size num_epochs "
          "experiments_dir experiment_name").split():
    p.add_argument("--" + o, required=True)
a = p.parse_args()
assert (pathlib.Path(a.data_root) / "images-cropped" / a.train_split_path / "00001.jpg").exists()
assert a.batch_size == "2" and a.num_epochs == "230", a
made = pathlib.Path(a.experiments_dir, a.experiment_name, "checkpoints"); made.mkdir(parents=True)
(made / "model.pth").touch()
"""
DRIVE = """
import argparse, pathlib, cv2, numpy as np
p = argparse.ArgumentParser()
p.add_argument("checkpoint"); p.add_argument("root", type=pathlib.Path)
p.add_argument("--images_paths", nargs="+"); p.add_argument("--destination", type=pathlib.Path)
a = p.parse_args()
assert pathlib.Path(a.checkpoint).exists()
files = sorted((a.root / "images-cropped" / a.images_paths[0]).iterdir())
codec = cv2.VideoWriter_fourcc(*"mp4v")
out = cv2.VideoWriter(str(a.destination / "drive_frames.mp4"), codec, 25, (512, 256))
for f in files:
    image = cv2.imread(str(f)); out.write(np.concatenate([image * 0, image], axis=1))
out.release()
"""


def test_the_worker_of_bilayer_serves_its_repository(tmp_path: Path) -> None:
    (tmp_path / "infer.py").write_text(BILAYER)
    python_here(tmp_path)
    method = opened(recipe("bilayer"), "bilayer", tmp_path, MethodOptions())
    drive = frames(2, 256, seed=1)
    assert torch.equal(method.adapt(frames(1, 256)).render(drive), drive.images)


def test_the_worker_of_latent_pose_fine_tunes_and_takes_the_right_half(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "drive.py").write_text(DRIVE)
    python_here(tmp_path)
    method = opened(recipe("latent-pose"), "latent-pose", tmp_path, MethodOptions())
    drive = frames(3, 256, seed=1)
    made = method.adapt(frames(2, 256)).render(drive)
    assert float((made.float() - drive.images.float()).abs().mean() / 255) < 0.03


def python_here(folder: Path) -> None:
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
