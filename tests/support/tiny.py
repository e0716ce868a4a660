"""A tiny configuration of the paper's method, with all that a test of its training needs."""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning.fabric import Fabric

from support.datasets import few_heads
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.paper.config import OursConfig, ours_config
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.config import NetConfig
from thbench.training.trainer import VideoShare

TINY = replace(
    ours_config("small"),
    batch=2,
    shots=2,
    shots_min=None,
    ema=0.9,
    discriminator_steps=1,
    lr_discriminator=1e-4,
    fine_tuning_epochs=3,
    warmup_steps=0,
    lr_generator=1e-3,
    net=NetConfig(
        size_px=64,
        channels=8,
        max_channels=16,
        embedding=16,
        bottleneck_px=16,
        attention_down_px=16,
        attention_up_px=16,
        upsample="start",
    ),
)


def trainer(config: OursConfig = TINY, seed: int = 0) -> tuple[OursTrainer, EpisodeBatches]:
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(seed)
    dataset = few_heads()
    sampler = EpisodeSampler(dataset, config.shots, seed)
    return OursTrainer(config, VideoShare.whole(3), fabric), EpisodeBatches(
        dataset, sampler, config.batch
    )


def snapshot(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def moved(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name
        for name, parameter in module.named_parameters()
        if not torch.equal(parameter, before[name])
    }
