"""Training with pupils: what the model file remembers, and what it refuses afterwards."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from support.datasets import few_heads
from support.tiny import TINY, trainer

from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.errors import ThbenchError
from thbench.method import KeepableHead, MethodOptions, load_method
from thbench.paper.head import load_head
from thbench.training.checkpoints import save_model

WITH_PUPILS = replace(TINY, net=replace(TINY.net, pupils=True))


def saved(config, folder):
    training, _ = trainer(config)
    file = folder / "model.safetensors"
    described = {"kind": "ours", "config": asdict(config), "step": 1, "dataset": {"name": "few"}}
    save_model(file, training.model(), described)
    return file


def test_episodes_show_pupils_where_they_are_asked_for():
    dataset = few_heads()
    sampler = EpisodeSampler(dataset, 2, 0)
    plain, eyes = (EpisodeBatches(dataset, sampler, 2, pupils)[0] for pupils in (False, True))
    assert torch.equal(plain.target, eyes.target)
    differs = (plain.target_landmarks != eyes.target_landmarks).any(1).sum((1, 2))
    assert ((differs > 0) & (differs < 60)).all()  # pixels


def test_training_on_frames_without_pupils_ends_before_it_begins():
    heads = few_heads()
    blind = replace(
        heads, draw=lambda video, frames: replace(heads.read(video, frames), pupils=None)
    )
    with pytest.raises(ThbenchError, match="these frames have none"):
        EpisodeBatches(blind, EpisodeSampler(blind, 2, 0), 2, pupils=True)


@pytest.mark.parametrize("method", ["ours-ff", "ours-ft"])
def test_a_model_trained_with_pupils_refuses_frames_without(method, tmp_path):
    options = MethodOptions(checkpoint=saved(WITH_PUPILS, tmp_path), size_px=64)
    made = load_method(method, options)
    heads = few_heads()
    frames = heads.read(heads.videos[0], [0, 3, 6])

    head = made.adapt(frames)
    rendered = head.render(frames)
    with pytest.raises(ThbenchError, match="these frames have none"):
        head.render(replace(frames, pupils=None))
    with pytest.raises(ThbenchError, match="these frames have none"):
        made.adapt(replace(frames, pupils=None))

    elsewhere = frames.pupils.flip(0) + 3
    assert not torch.equal(head.render(replace(frames, pupils=elsewhere)), rendered)


def test_a_kept_head_remembers_that_it_sees_pupils(tmp_path):
    options = MethodOptions(checkpoint=saved(WITH_PUPILS, tmp_path), size_px=64)
    heads = few_heads()
    frames = heads.read(heads.videos[0], [0, 3])
    head = load_method("ours-ff", options).adapt(frames)
    assert isinstance(head, KeepableHead)
    head.save(tmp_path / "head.safetensors")

    kept = load_head(tmp_path / "head.safetensors")
    assert torch.equal(kept.render(frames), head.render(frames))
    with pytest.raises(ThbenchError, match="these frames have none"):
        kept.render(replace(frames, pupils=None))


def test_a_training_with_pupils_starts_from_a_model_without(tmp_path):
    file = saved(TINY, tmp_path)
    training, _ = trainer(replace(WITH_PUPILS, start=str(file)), seed=3)
    start = trainer(TINY)[0].average.modules[1].state_dict()
    own = training.generator.module.state_dict()
    assert all(torch.equal(value, start[name]) for name, value in own.items())
