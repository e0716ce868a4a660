"""The losses and the simultaneous update of Pix2pixHD's authors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAMBDA = 10.0                                    # weight of feature matching and of the VGG term
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)  # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1


@dataclass(frozen=True)
class Losses:
    """The scalar losses of one step; vgg is 0 where no perceptual network is used."""

    gan: Tensor
    feature_matching: Tensor
    vgg: Tensor
    real: Tensor
    fake: Tensor

    @property
    def generator(self) -> Tensor:
        return self.gan + self.feature_matching + self.vgg

    @property
    def discriminator(self) -> Tensor:
        return (self.real + self.fake) / 2


def compute_losses(generator: nn.Module, discriminator: nn.Module, features: nn.Module | None, landmark_images: Tensor,
                   frames: Tensor) -> Losses:
    """All losses of a step, for landmark images and true frames [B, 3, S, S] in [-1, 1].

    features maps frames to the five VGG-19 maps of `VGG_WEIGHTS` (no ImageNet normalisation, as the authors do), or is
    None. The discriminator judges the fake frames once: instance norm has no state, so both losses can share it.
    """
    fake = generator(landmark_images)
    on_fake = discriminator(torch.cat([landmark_images, fake], 1))
    on_real = discriminator(torch.cat([landmark_images, frames], 1))
    return Losses(
        gan=least_squares(on_fake, 1.0),
        feature_matching=LAMBDA * feature_matching(on_fake, on_real),
        vgg=frames.new_zeros(()) if features is None else LAMBDA * vgg_distance(features, fake, frames),
        real=least_squares(on_real, 1.0),
        fake=least_squares(on_fake, 0.0))


def least_squares(scales: Sequence[Sequence[Tensor]], target: float) -> Tensor:
    """LSGAN: mean squared distance of each scale's scores (its last map) to the target, summed over scales."""
    return torch.stack([((maps[-1] - target) ** 2).mean() for maps in scales]).sum()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 between the feature maps (all but the scores), summed over layers, averaged over scales; real is detached.

    The authors also multiply by 4 / (n_layers + 1), which is 1 for the three layers of every configuration here.
    """
    distances = [F.l1_loss(a, b.detach()) for maps_a, maps_b in zip(fake, real, strict=True)
                 for a, b in zip(maps_a[:-1], maps_b[:-1], strict=True)]
    return torch.stack(distances).sum() / len(fake)


def vgg_distance(features: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    """Weighted L1 between the five perceptual maps; the gradient reaches the fake frames only."""
    with torch.no_grad():
        targets = features(real)
    distances = [weight * F.l1_loss(a, b) for weight, a, b in zip(VGG_WEIGHTS, features(fake), targets, strict=True)]
    return torch.stack(distances).sum()


def update(losses: Losses, generator: torch.optim.Optimizer, discriminator: torch.optim.Optimizer) -> None:
    """One simultaneous step of both networks: all gradients are taken before either network changes."""
    parameters_g, parameters_d = _parameters(generator), _parameters(discriminator)
    gradients_g = torch.autograd.grad(losses.generator, parameters_g, retain_graph=True)
    gradients_d = torch.autograd.grad(losses.discriminator, parameters_d)
    for optimiser, parameters, gradients in ((generator, parameters_g, gradients_g),
                                             (discriminator, parameters_d, gradients_d)):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
        optimiser.zero_grad()


def adam(net: nn.Module) -> torch.optim.Adam:
    """The authors' optimiser, for either network."""
    return torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999))


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
