"""The losses and the simultaneous update of Pix2pixHD's authors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAMBDA = 10.0  # weight of feature matching and of the VGG term
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1


@dataclass(frozen=True)
class Losses:
    """The scalar losses of one step, weighted; content is 0 where no perceptual network is used."""

    gan: Tensor
    feature_matching: Tensor
    content: Tensor
    real: Tensor
    fake: Tensor

    @property
    def generator(self) -> Tensor:
        return self.gan + self.feature_matching + self.content

    def values(self) -> dict[str, float]:
        """The losses by name."""
        return {
            "gan": self.gan.item(),
            "feature_matching": self.feature_matching.item(),
            "content": self.content.item(),
            "real": self.real.item(),
            "fake": self.fake.item(),
        }

    @property
    def discriminator(self) -> Tensor:
        return (self.real + self.fake) / 2


class VGGLoss(nn.Module):
    """The authors' VGG term: weighted L1 between five maps of VGG-19; the gradient reaches the fake
    frames only.

    features maps frames [B, 3, S, S] in [-1, 1] to those maps. The authors feed [-1, 1] to a
    network that was trained on ImageNet's normalisation, and so does this.
    """

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.features(real)
        pairs = zip(VGG_WEIGHTS, self.features(fake), targets, strict=True)
        return LAMBDA * torch.stack([weight * F.l1_loss(a, b) for weight, a, b in pairs]).sum()


def compute_losses(
    generator: nn.Module,
    discriminator: nn.Module,
    content: nn.Module | None,
    landmark_images: Tensor,
    frames: Tensor,
) -> Losses:
    """All losses of a step, for landmark images and true frames [B, 3, S, S] in [-1, 1].

    content is a perceptual loss of (fake, real), or None. The discriminator judges the fake frames
    once: instance norm has no state, so both networks' losses can share it.
    """
    fake = generator(landmark_images)
    on_fake = discriminator(torch.cat([landmark_images, fake], 1))
    on_real = discriminator(torch.cat([landmark_images, frames], 1))
    return Losses(
        gan=least_squares(on_fake, 1.0),
        feature_matching=LAMBDA * feature_matching(on_fake, on_real),
        content=frames.new_zeros(()) if content is None else content(fake, frames),
        real=least_squares(on_real, 1.0),
        fake=least_squares(on_fake, 0.0),
    )


def least_squares(scales: Sequence[Sequence[Tensor]], target: float) -> Tensor:
    """LSGAN: mean squared distance of each scale's scores (its last map) to the target, summed over
    scales.
    """
    return torch.stack([((maps[-1] - target) ** 2).mean() for maps in scales]).sum()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 between the feature maps (all but the scores), summed over layers, averaged over scales;
    real is detached.

    The authors also multiply by 4 / (n_layers + 1), which is 1 for the three layers of every
    configuration here.
    """
    distances = [
        F.l1_loss(a, b.detach())
        for maps_a, maps_b in zip(fake, real, strict=True)
        for a, b in zip(maps_a[:-1], maps_b[:-1], strict=True)
    ]
    return torch.stack(distances).sum() / len(fake)


def take_gradients(
    losses: Losses, generator: nn.Module, discriminator: nn.Module
) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of both networks' own losses, before either network changes (the authors'
    simultaneous update).
    """
    of_generator = torch.autograd.grad(
        losses.generator, list(generator.parameters()), retain_graph=True
    )
    of_discriminator = torch.autograd.grad(losses.discriminator, list(discriminator.parameters()))
    return list(of_generator), list(of_discriminator)


def apply_gradients(
    optimiser: torch.optim.Optimizer, network: nn.Module, gradients: Iterable[Tensor]
) -> None:
    """One optimiser step of a network with gradients from `take_gradients`."""
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    optimiser.zero_grad()


def adam(network: nn.Module, learning_rate: float = 2e-4) -> torch.optim.Adam:
    """The authors' optimiser, for either network."""
    return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.999))
