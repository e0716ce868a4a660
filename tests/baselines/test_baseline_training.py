"""X2Face and Pix2pixHD in the shared training loop: recipe, resume, model files that the methods
load.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.datasets import random_pictures
from support.random_frames import random_frames

from baselines.pix2pixhd.method import Pix2pixHD
from baselines.pix2pixhd.network import Pix2pixHDConfig
from baselines.pix2pixhd.training import (
    Pix2pixHDTrainer,
    Pix2pixHDTraining,
    decayed,
    pix2pixhd_training,
)
from baselines.x2face.method import X2Face
from baselines.x2face.network import X2FaceConfig
from baselines.x2face.training import X2FaceTrainer, X2FaceTraining, x2face_training
from thbench.errors import ThbenchError
from thbench.method import MethodOptions
from thbench.training.loop import LoopConfig, train

X2FACE = X2FaceTraining(X2FaceConfig(size_px=32, ngf=4, depth=5, bottleneck=8), batch=4)
PIX2PIXHD = Pix2pixHDTraining(
    Pix2pixHDConfig(size_px=32, ngf=4, n_down=2, n_blocks=1, ndf=4),
    batch=2,
    content="none",
    fine_tuning_epochs=1,
)
# One source, then three; the full rate, then the tenth: both change after the second step.
SCHEDULED = replace(
    X2FACE, start="identity", optimiser="adam", shots=3, single_source_steps=3, lower_rate_from=3
)
ALL = pytest.mark.parametrize(
    ("trainer", "config"),
    [(X2FaceTrainer, X2FACE), (X2FaceTrainer, SCHEDULED), (Pix2pixHDTrainer, PIX2PIXHD)],
)


def trained(
    trainer: Any, config: Any, out: Path, steps: int, resume: bool = False, **options: Any
) -> list[dict[str, float]]:
    """Trains in `out` and returns the losses of every step."""
    loop = LoopConfig(
        steps, checkpoint_every=2, sample_every=2, workers=0, accelerator="cpu", **options
    )
    train(trainer, config, random_pictures(), loop, out, resume=resume, quiet=True)
    return [json.loads(line) for line in (out / "losses.rank0.jsonl").read_text().splitlines()]


@ALL
def test_a_resumed_training_ends_in_the_same_bytes(
    trainer: Any, config: Any, tmp_path: Path
) -> None:
    losses = trained(trainer, config, tmp_path / "whole", 4)
    trained(trainer, config, tmp_path / "halves", 2)
    assert trained(trainer, config, tmp_path / "halves", 4, resume=True) == losses
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (
        tmp_path / "halves/model.safetensors"
    ).read_bytes()
    assert (tmp_path / "whole/samples/step-00000004.png").exists()


def test_accumulation_changes_pix2pixhd_by_rounding_only(tmp_path: Path) -> None:
    """Instance norm has no batch statistics: micro-batches give the gradient of the whole batch."""
    config = replace(PIX2PIXHD, flip=False, batch=4)
    whole = trained(Pix2pixHDTrainer, config, tmp_path / "whole", 1)[0]
    parts = trained(Pix2pixHDTrainer, config, tmp_path / "parts", 1, accumulate=2)[0]
    assert parts == pytest.approx(whole, rel=1e-4)


def test_methods_load_what_training_leaves(tmp_path: Path) -> None:
    trained(X2FaceTrainer, X2FACE, tmp_path / "x2face", 2)
    trained(Pix2pixHDTrainer, PIX2PIXHD, tmp_path / "pix2pixhd", 2)
    for factory, folder in ((X2Face, "x2face"), (Pix2pixHD, "pix2pixhd")):
        found = factory(MethodOptions(checkpoint=tmp_path / folder, size_px=32))
        assert found.adapt(random_frames(2, 32)).render(random_frames(3, 32)).shape == (
            3,
            3,
            32,
            32,
        )
        assert found.provenance["config"]["trained_on"] == "random"
        assert found.provenance["config"]["step"] == 2


def test_the_learning_rate_falls_as_the_authors_lower_it() -> None:
    config = pix2pixhd_training("paper")
    rates = [
        config.learning_rate * decayed(epoch, config)
        for epoch in (0, 99, 100, 101, 102, 103, 199, 200, 250)
    ]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4, 1.98e-4, 1.96e-4, 1.94e-4, 2e-6, 0, 0])


def test_the_learning_rate_reaches_the_optimisers(tmp_path: Path) -> None:
    """Three videos in batches of two are one step an epoch; the second epoch has half the rate, the
    third none.
    """
    config = replace(PIX2PIXHD, constant_epochs=0, decay_epochs=2, flip=False)
    trained(Pix2pixHDTrainer, config, tmp_path / "out", 2)
    before = (tmp_path / "out/model.safetensors").read_bytes()
    trained(Pix2pixHDTrainer, config, tmp_path / "out", 4, resume=True)
    after = (tmp_path / "out/model.safetensors").read_bytes()
    assert before[-1000:] == after[-1000:]


def test_paper_presets_are_the_authors_recipes() -> None:
    assert x2face_training("paper") == X2FaceTraining(
        X2FaceConfig(256, 64, 8, 128), shots=1, batch=16, learning_rate=1e-3, momentum=0.9
    )
    paper = pix2pixhd_training("paper")
    assert (paper.batch, paper.learning_rate, paper.content, paper.flip) == (1, 2e-4, "vgg19", True)
    for configure in (x2face_training, pix2pixhd_training):
        assert configure("small").size_px == 64
        with pytest.raises(ThbenchError, match="known are paper, "):
            configure("papers")


@pytest.mark.parametrize("config", [X2FaceConfig, Pix2pixHDConfig])
def test_sizes_that_do_not_divide_are_refused(config: Any) -> None:
    with pytest.raises(ThbenchError, match="not a multiple"):
        config(size_px=200)


TWO_PROCESSES = """
import torch
from lightning.fabric import Fabric
from support.datasets import random_pictures
from test_baseline_training import PIX2PIXHD, X2FACE
from baselines.pix2pixhd.training import Pix2pixHDTrainer
from baselines.x2face.training import X2FaceTrainer
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.training.trainer import VideoShare

def weights(trainer):
    tensors = trainer.model().items()
    return torch.cat([t.detach().flatten() for name, t in tensors if "running" not in name])

fabric = Fabric(accelerator="cpu", devices=2)
fabric.launch()
for trainer_class, config in ((Pix2pixHDTrainer, PIX2PIXHD), (X2FaceTrainer, X2FACE)):
    sampler = EpisodeSampler(random_pictures(), config.shots, 0, fabric.global_rank, 2)
    batches = EpisodeBatches(random_pictures(), sampler, 2)
    fabric.seed_everything(fabric.global_rank, verbose=False)
    trainer = trainer_class(config, VideoShare.whole(3), fabric)
    first = weights(trainer)
    for step in range(2):
        trainer.step([batches[step]])
    last = weights(trainer)
    both = fabric.all_gather(last)
    if fabric.global_rank == 0:
        print(trainer.kind, bool((first != last).any()), bool((both[0] == both[1]).all()))
"""


@pytest.mark.slow
def test_two_processes_keep_the_same_networks(tmp_path: Path) -> None:
    """They start from other random weights and see other frames; the weights must agree from the
    first step on.
    """
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    paths = [str(folder) for folder in Path(__file__).parents[:3]]
    ran = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )
    assert ran.stdout.splitlines()[-2:] == ["pix2pixhd True True", "x2face True True"], ran.stderr[
        -2000:
    ]
