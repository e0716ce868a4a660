"""Training Pix2pixHD from scratch, with its authors' losses and schedule, on landmark images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from baselines.pix2pixhd.content import Content, content_loss
from baselines.pix2pixhd.losses import Losses, adam, apply_gradients, compute_losses, take_gradients
from baselines.pix2pixhd.network import (
    PRESETS,
    Pix2pixHDConfig,
    build,
    initialise,
    parameter_counts,
)
from thbench.data.episodes import Episodes
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.training.alarms import Alarm
from thbench.training.checkpoints import prefixed
from thbench.training.plan import Phase
from thbench.training.trainer import VideoShare


@dataclass(frozen=True)
class Pix2pixHDTraining:
    """Everything that decides what a step computes; defaults are the authors'."""

    net: Pix2pixHDConfig = field(default_factory=Pix2pixHDConfig)
    shots: int = 0  # Pix2pixHD has no embedder: it learns from single frames
    batch: int = 1
    learning_rate: float = 2e-4
    content: Content = "vgg19"
    # Mirrors half of the pairs, which also swaps the landmark colours of left and right.
    flip: bool = True

    # The full learning rate for constant_epochs, then linearly down to zero in decay_epochs.
    constant_epochs: int = 100
    decay_epochs: int = 100

    # The length of a training that is given no number of steps; None: as many steps as ours takes.
    epochs: int | None = None

    # Few-shot learning that starts from this model; lr of G and D, None: learning_rate.
    fine_tuning_epochs: int = 40
    fine_tuning_lr: float | None = None

    @property
    def size_px(self) -> int:
        return self.net.size_px

    def without_fetched_weights(self) -> Pix2pixHDTraining:
        return replace(self, content="random") if self.content == "vgg19" else self


def pix2pixhd_training(preset_name: str) -> Pix2pixHDTraining:
    """The configuration of a preset; raises `ThbenchError` for an unknown name.

    `paper` and `paper-224` train as the authors did; `small` is for 64 pixels on a CPU.
    """
    if preset_name not in PRESETS:
        raise ThbenchError(
            f"pix2pixhd has no preset {preset_name!r}; known are {', '.join(PRESETS)}"
        )

    if preset_name == "small":
        return Pix2pixHDTraining(
            PRESETS["small"],
            batch=8,
            content="heads",
            flip=False,
            constant_epochs=25,
            decay_epochs=25,
            epochs=50,
            fine_tuning_epochs=10,
            fine_tuning_lr=5e-4,
        )
    return Pix2pixHDTraining(PRESETS[preset_name])


class Pix2pixHDTrainer:
    """G and D with their optimisers; one `step` updates both at once (see training.loop)."""

    kind: ClassVar[str] = "pix2pixhd"
    alarms: ClassVar[Sequence[Alarm]] = ()
    presets: ClassVar[Sequence[str]] = tuple(PRESETS)
    variants: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    configure = staticmethod(pix2pixhd_training)

    @staticmethod
    def parameter_counts(preset: str) -> dict[str, int]:
        return parameter_counts(pix2pixhd_training(preset).net)

    def __init__(self, config: Pix2pixHDTraining, videos: VideoShare, fabric: Fabric) -> None:
        self.config, self.fabric = config, fabric
        self.steps_per_epoch = max(1, videos.total // config.batch)
        self.steps = 0
        self.content = content_loss(config.content, fabric.device)

        self.networks: tuple[nn.Module, nn.Module] = build(config.net)
        for network in self.networks:
            initialise(network.to(fabric.device))
            # Each process draws weights of its own; all start from those of the first.
            for tensor in network.state_dict().values():
                tensor.copy_(fabric.broadcast(tensor))
        self.optimisers = [adam(network, config.learning_rate) for network in self.networks]

        # Which pairs are mirrored: other ones in each process.
        self.random = torch.Generator().manual_seed(torch.initial_seed())

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One simultaneous update of G and D from gradients averaged over parts and processes."""
        epoch = self.steps // self.steps_per_epoch
        rate = self.config.learning_rate * decayed(epoch, self.config)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate

        means = [
            [torch.zeros_like(parameter) for parameter in network.parameters()]
            for network in self.networks
        ]
        logged: dict[str, float] = {}
        for part in episodes:
            losses = self._losses(part)
            taken = take_gradients(losses, *self.networks)
            for mean, gradients in zip(means, taken, strict=True):
                torch._foreach_add_(mean, gradients, alpha=1 / len(episodes))
            for name, value in losses.values().items():
                logged[name] = logged.get(name, 0.0) + value / len(episodes)

        for optimiser, network, mean in zip(self.optimisers, self.networks, means, strict=True):
            apply_gradients(optimiser, network, self._averaged(mean))

        self.steps += 1
        return logged

    def phases(self) -> list[Phase]:
        """The authors' schedule of the learning rate; see `decayed`."""
        constant, decay = self.config.constant_epochs, self.config.decay_epochs
        last_full = (constant + 1) * self.steps_per_epoch
        last_above_zero = (constant + decay) * self.steps_per_epoch
        return [
            Phase(1, f"learning rate {self.config.learning_rate:g}"),
            Phase(last_full + 1, f"it falls, to zero after step {last_above_zero}"),
            Phase(max(last_full, last_above_zero) + 1, "it is zero, nothing more is learned"),
        ]

    def preview(self, episodes: Episodes) -> Tensor:
        with torch.no_grad():
            fake: Tensor = self.networks[0](to_signed(episodes.target_landmarks))
        return fake

    def model(self) -> dict[str, Tensor]:
        """The weights of G and D: few-shot learning starts from both."""
        generator, discriminator = self.networks
        return {
            **prefixed("generator", generator.state_dict()),
            **prefixed("discriminator", discriminator.state_dict()),
        }

    def shared_state(self) -> dict[str, Any]:
        return {
            "networks": [network.state_dict() for network in self.networks],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "steps": self.steps,
        }

    def rank_state(self) -> dict[str, Any]:
        """All that differs between processes: which pairs each of them mirrors."""
        return {"random": self.random.get_state()}

    def row_state(self) -> dict[str, Tensor]:
        """Nothing: no weight belongs to a training video."""
        return {}

    def load_states(
        self, shared: Mapping[str, Any], rank: Mapping[str, Any], rows: Mapping[str, Tensor]
    ) -> None:
        for network, state in zip(self.networks, shared["networks"], strict=True):
            network.load_state_dict(state)
        for optimiser, state in zip(self.optimisers, shared["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        self.steps = shared["steps"]
        self.random.set_state(rank["random"])

    def _losses(self, part: Episodes) -> Losses:
        landmark_images, frames = to_signed(part.target_landmarks), to_signed(part.target)
        if self.config.flip:
            landmark_images, frames = mirrored(landmark_images, frames, self.random)

        with self.fabric.autocast():
            return compute_losses(*self.networks, self.content, landmark_images, frames)

    def _averaged(self, gradients: list[Tensor]) -> list[Tensor]:
        """A network's gradients averaged over all processes, sent as a single tensor."""
        if self.fabric.world_size == 1:
            return gradients

        flat: Any = self.fabric.all_reduce(
            torch.cat([gradient.flatten() for gradient in gradients]), reduce_op="mean"
        )
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        return [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)]


def decayed(epoch: int, config: Pix2pixHDTraining) -> float:
    """The factor of the learning rate in an epoch, counted from 0: at first 1, at last 0.

    The authors lower the rate by 1 / decay_epochs at the end of each epoch after the constant ones,
    so the first epoch after them still has the full rate.
    """
    lowered = max(0, epoch - config.constant_epochs)
    return max(0.0, 1 - lowered / max(1, config.decay_epochs))


def mirrored(
    landmark_images: Tensor, frames: Tensor, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirrors each pair [B, 3, S, S] left to right with probability one half."""
    chosen = torch.rand(len(frames), generator=random) < 0.5
    chosen = chosen.to(frames.device).view(-1, 1, 1, 1)
    return (
        torch.where(chosen, landmark_images.flip(-1), landmark_images),
        torch.where(chosen, frames.flip(-1), frames),
    )
