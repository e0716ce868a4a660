"""Held-out persons: kept apart, scored the same way each time, and the best model kept."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from support.datasets import FakeDataset, few_heads
from support.tiny import TINY

from thbench.data.dataset import Video, videos_of
from thbench.images import to_signed
from thbench.method import Frames
from thbench.paper.meta import OursTrainer
from thbench.training.checkpoints import load_model
from thbench.training.loop import LoopConfig, train
from thbench.training.watch import TrainingPart, best_quality, held_out_persons, watch, watched


@pytest.fixture(scope="module")
def heads() -> FakeDataset:
    """Three synthetic persons under ten names, twenty frames each."""
    three = few_heads(n_frames=20)
    known = videos_of(three, "train")

    def draw(video: Video, frames: Sequence[int]) -> Frames:
        return three.read(known[int(video.person[1:]) % 3], frames)

    videos = [Video(f"q{number}", "v0", "train", 20) for number in range(10)]
    return replace(three, videos=videos, draw=draw)


def test_a_tenth_of_the_training_persons_is_held_out_at_most(heads):
    assert held_out_persons(heads, 8) == ("q0",)
    assert held_out_persons(heads, 0) == ()
    assert held_out_persons(few_heads(), 8) == ()


def test_held_out_persons_are_not_trained_on(heads):
    part = TrainingPart(heads, ("q0", "q4"))
    assert {video.person for video in videos_of(part, "train")} == {
        f"q{number}" for number in (1, 2, 3, 5, 6, 7, 8, 9)
    }


def test_targets_lie_behind_the_shots(heads):
    (person,) = watched(heads, ["q3"], shots=3)
    frames = heads.read(heads.videos[3], range(20)).images
    position = {frame.numpy().tobytes(): index for index, frame in enumerate(frames)}
    shots = [position[frame.numpy().tobytes()] for frame in person.episodes.shots[0]]
    targets = [position[frame.numpy().tobytes()] for frame in person.episodes.target]
    assert (len(shots), len(targets)) == (3, 4)
    assert max(shots) < 15 <= min(targets)


def test_true_frames_score_best_and_grey_ones_badly(heads):
    persons = watched(heads, ["q1", "q2"], shots=1)
    metrics = ["ssim", "csim-heads", "nme"]
    true = watch(persons, metrics, lambda episodes: to_signed(episodes.target))
    assert true["held-out/ssim"] == pytest.approx(1)
    assert true["held-out/csim-heads"] == pytest.approx(1)
    grey = watch(persons, metrics, lambda episodes: torch.zeros(episodes.target.shape))
    assert grey["held-out/ssim"] < 0.5
    assert grey["held-out/quality"] < true["held-out/quality"] - 1
    assert "held-out/nme" not in grey  # no face in a grey frame


def test_the_best_model_is_kept_and_found_again(heads, tmp_path):
    loop = LoopConfig(
        3, watch_every=1, checkpoint_every=3, sample_every=100, workers=0, accelerator="cpu"
    )
    train(OursTrainer, replace(TINY, warmup_steps=3), heads, loop, tmp_path, quiet=True)
    lines = [
        json.loads(line) for line in (tmp_path / "losses.rank0.jsonl").read_text().splitlines()
    ]
    best = max(lines, key=lambda line: line["held-out/quality"])
    description = load_model(tmp_path / "best.safetensors", "ours")[1]
    assert (description["step"], description["held_out"]) == (best["step"], ["q0"])
    assert best_quality(lines) == best["held-out/quality"]
    assert best_quality([{"cnt": 1.0}]) == -float("inf")
    assert all("time/waiting" not in line for line in lines)
