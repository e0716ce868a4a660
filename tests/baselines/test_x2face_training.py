"""X2Face learns to follow its driver, and a training whose driver is dead says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from support.datasets import four_heads
from torch import Tensor

from baselines.x2face.activity import DEAD_DRIVER
from baselines.x2face.method import X2Face
from baselines.x2face.network import X2FaceConfig
from baselines.x2face.training import X2FaceTrainer, X2FaceTraining, learning_rate, x2face_training
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.method import MethodOptions
from thbench.training.alarms import Watchman
from thbench.training.loop import LoopConfig, train
from thbench.training.trainer import VideoShare

TINY = X2FaceConfig(size_px=32, ngf=4, depth=5, bottleneck=8)
SMALL = replace(x2face_training("small"), net=TINY, single_source_steps=200, learning_rate=2e-3)
FAULTY = X2FaceTraining(TINY, shots=3, batch=8, learning_rate=0.3)  # the authors' is 0.001


@dataclass
class Training:
    out: Path
    said: str
    values: list[dict[str, float]]


def trained(
    config: X2FaceTraining, out: Path, capture: pytest.CaptureFixture[str], steps: int
) -> Training:
    train(
        X2FaceTrainer,
        config,
        four_heads(),
        LoopConfig(steps, checkpoint_every=steps, sample_every=steps, workers=0, accelerator="cpu"),
        out,
        quiet=True,
    )
    lines = (out / "losses.rank0.jsonl").read_text().splitlines()
    return Training(out, capture.readouterr().err, [json.loads(line) for line in lines])


def driven(folder: Path) -> tuple[Tensor, Tensor]:
    """Frames 1 to 15 of a head embedded from frame 0, and the true ones, both float [15, ...]."""
    heads = four_heads()
    frames = heads.read(heads.videos[0], range(16))
    method = X2Face(MethodOptions(checkpoint=folder, size_px=32))
    rendered = method.adapt(frames[[0]]).render(frames[list(range(1, 16))])
    return rendered.float(), frames.images[1:].float()


def test_the_small_recipe_learns_to_follow_the_driver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another driver gives another frame, the own one the better; nothing sets an alarm off."""
    training = trained(SMALL, tmp_path / "out", capsys, steps=250)
    frames, true = driven(training.out)

    assert (frames - frames.roll(5, 0)).abs().mean() > 1
    assert (frames - true).abs().mean() < 0.95 * (frames.roll(5, 0) - true).abs().mean()
    assert training.said == ""


def test_a_dead_driver_raises_its_alarm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its loss falls all the same, which is why the loss cannot tell."""
    training = trained(FAULTY, tmp_path / "out", capsys, steps=150)
    frames, _ = driven(training.out)
    losses = [values["l1"] for values in training.values]

    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])
    assert training.values[-1]["driver/zeros"] == 1
    assert (frames == frames[:1]).all()
    assert training.said.count("dead driver") == 1
    assert "--set optimiser=adam" in training.said


def test_the_alarm_needs_fifty_dead_steps() -> None:
    watchman = Watchman([DEAD_DRIVER])
    dead = {"driver/zeros": 1.0, "driver/offset": 0.0}
    alive = {"driver/zeros": 0.97, "driver/offset": 0.02}  # few values pass, but the head moves

    assert not any(watchman.after(values) for values in [*[dead] * 49, alive, *[dead] * 49])
    assert len(watchman.after(dead)) == 1
    assert not any(watchman.after(alive) for _ in range(100))


def test_what_is_logged_of_the_driver_is_what_its_last_block_does() -> None:
    """The zeros are what the last convolution reads, the offsets what the warp adds."""
    torch.manual_seed(0)
    trainer = X2FaceTrainer(SMALL, VideoShare.whole(4), Fabric(accelerator="cpu"))
    heads = four_heads()
    episodes = EpisodeBatches(heads, EpisodeSampler(heads, 3, 0), 4)[0]
    driver = trainer.net.module.driver
    before = {name: tensor.clone() for name, tensor in driver.state_dict().items()}
    logged = trainer.step([episodes])

    driver.load_state_dict(before)
    inner = driver.submodule(driver.down(episodes.target / 255))
    assert logged["driver/zeros"] == pytest.approx((inner <= 0).float().mean().item())
    offsets = torch.tanh(driver(episodes.target / 255))
    assert logged["driver/offset"] == pytest.approx(offsets.abs().mean().item(), rel=1e-4)


def test_the_rate_falls_to_a_tenth_once() -> None:
    config = replace(SMALL, learning_rate=1e-3, lower_rate_from=10)
    assert [learning_rate(step, config) for step in (0, 9, 10, 1000)] == [1e-3, 1e-3, 1e-4, 1e-4]
    assert learning_rate(10**6, x2face_training("paper")) == 1e-3


def test_the_first_steps_read_one_source_only() -> None:
    """The other shots change nothing before `single_source_steps`, and something after them."""
    heads = four_heads()
    episodes = EpisodeBatches(heads, EpisodeSampler(heads, 3, 0), 4)[0]
    first, rest = episodes.shots[:, :1], episodes.shots[:, 1:]
    others = replace(episodes, shots=torch.cat([first, 255 - rest], 1))

    for single_source_steps, alike in ((1, True), (0, False)):
        losses = []
        for batch in (episodes, others):
            torch.manual_seed(0)
            config = replace(SMALL, single_source_steps=single_source_steps)
            losses.append(
                X2FaceTrainer(config, VideoShare.whole(4), Fabric(accelerator="cpu")).step([batch])[
                    "l1"
                ]
            )
        assert (losses[0] == losses[1]) is alike
