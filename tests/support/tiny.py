"""A tiny configuration of the paper's method and a tiny dataset of synthetic heads, for tests of
training.
"""

from dataclasses import dataclass, replace

import torch
from lightning.fabric import Fabric

from thbench.data.dataset import Video
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.data.synthetic import synth
from thbench.paper.config import OursConfig, ours_config
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.config import NetConfig

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


@dataclass
class FewHeads:
    """The first videos of four synthetic persons, three for training, twelve frames each; read
    once, then kept.
    """

    frames: int = 12

    def __post_init__(self):
        heads = synth(64)
        self.name, self.size_px, self.sha256 = "few-heads", 64, f"{heads.sha256}-{self.frames}"
        train = [video for video in heads.videos if video.split == "train"][::5][:3]
        test = [video for video in heads.videos if video.split == "test"][:1]
        self.videos = [Video(v.person, v.video, v.split, self.frames) for v in train + test]
        self.kept = {v.key: heads.read(v, range(self.frames)) for v in train + test}

    def read(self, video, frames):
        return self.kept[video.key][list(frames)]

    def frame_names(self, video):
        return [f"0/{index:04d}" for index in range(video.n_frames)]

    def frame_times_s(self, video):
        return None


def trainer(config: OursConfig = TINY, seed: int = 0) -> tuple[OursTrainer, EpisodeBatches]:
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(seed)
    dataset = FewHeads()
    return OursTrainer(config, 3, fabric), EpisodeBatches(
        dataset, EpisodeSampler(dataset, config.shots, seed), config.batch
    )


def snapshot(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def moved(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name
        for name, parameter in module.named_parameters()
        if not torch.equal(parameter, before[name])
    }
