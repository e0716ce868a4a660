"""Pix2pixHD (Wang et al., CVPR 2018) with the layout of its authors' checkpoints: global generator,
discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thbench.errors import ThbenchError

_MAX_CHANNELS = 512  # of the discriminator


@dataclass(frozen=True)
class Pix2pixHDConfig:
    """Sizes of Pix2pixHD; size_px must be a multiple of 2 ** n_down, all of it is the authors'
    default.
    """

    size_px: int = 256
    ngf: int = 64
    n_down: int = 4
    n_blocks: int = 9
    ndf: int = 64
    n_layers: int = 3
    n_scales: int = 2

    def __post_init__(self) -> None:
        if self.size_px % 2**self.n_down:
            raise ThbenchError(
                f"size_px = {self.size_px} is not a multiple of {2**self.n_down}, which "
                f"{self.n_down} down-samplings need; choose a smaller n_down"
            )


PRESETS = {
    "paper": Pix2pixHDConfig(),
    "paper-224": Pix2pixHDConfig(size_px=224),
    "small": Pix2pixHDConfig(size_px=64, ngf=16, n_down=3, n_blocks=3, ndf=16),
}


class GlobalGenerator(nn.Module):
    """Landmark images [B, 3, S, S] in [-1, 1] -> frames [B, 3, S, S] in [-1, 1]; S a multiple of 2
    ** n_down.
    """

    def __init__(
        self, ngf: int = 64, n_down: int = 4, n_blocks: int = 9, in_channels: int = 3
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(in_channels, ngf, 7),
            *_normed(ngf),
        ]
        for level in range(n_down):
            width = ngf * 2**level
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), *_normed(2 * width)]
        layers += [_ResidualBlock(ngf * 2**n_down) for _ in range(n_blocks)]
        for level in reversed(range(n_down)):
            width = ngf * 2**level
            layers += [
                nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1),
                *_normed(width),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, landmark_images: Tensor) -> Tensor:
        out: Tensor = self.model(landmark_images)
        return out


class MultiscaleDiscriminator(nn.Module):
    """The same patch discriminator at several resolutions.

    The last scale of the checkpoint (`scale1` of two) sees the full resolution, `scale0` the
    lowest.
    """

    def __init__(
        self, ndf: int = 64, n_layers: int = 3, n_scales: int = 2, in_channels: int = 6
    ) -> None:
        super().__init__()
        self.n_scales = n_scales
        self.n_maps = n_layers + 2
        for scale in range(n_scales):
            for layer, module in enumerate(_patch_layers(ndf, n_layers, in_channels)):
                self.add_module(f"scale{scale}_layer{layer}", module)
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, pairs: Tensor) -> list[list[Tensor]]:
        """cat([landmark image, frame], 1) [B, 6, S, S] in [-1, 1] -> per scale, full resolution
        first, n_layers + 2 maps: the features of each layer and, last, the patch scores [B, 1, h,
        w] (no sigmoid).
        """
        results = []
        for scale in reversed(range(self.n_scales)):
            maps, x = [], pairs
            for layer in range(self.n_maps):
                x = self.get_submodule(f"scale{scale}_layer{layer}")(x)
                maps.append(x)
            results.append(maps)
            pairs = self.halve(pairs) if scale else pairs
        return results


def initialise(net: nn.Module) -> None:
    """The authors' initialisation: convolution weights N(0, 0.02); biases keep torch's default."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)


def build(config: Pix2pixHDConfig) -> tuple[GlobalGenerator, MultiscaleDiscriminator]:
    return (
        GlobalGenerator(config.ngf, config.n_down, config.n_blocks),
        MultiscaleDiscriminator(config.ndf, config.n_layers, config.n_scales),
    )


def parameter_counts(config: Pix2pixHDConfig) -> dict[str, int]:
    """Trainable parameters by network: {"generator", "discriminator"}; nothing is allocated."""
    with torch.device("meta"):
        generator, discriminator = build(config)
    return {
        "generator": sum(p.numel() for p in generator.parameters()),
        "discriminator": sum(p.numel() for p in discriminator.parameters()),
    }


def without_running_statistics(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drops the instance-norm statistics that checkpoints of torch < 0.4 carry and no code uses."""
    unused = ("running_mean", "running_var", "num_batches_tracked")
    return {name: tensor for name, tensor in state.items() if not name.endswith(unused)}


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            *_normed(width),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv_block(x)
        return out


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(width), nn.ReLU()


def _patch_layers(ndf: int, n_layers: int, in_channels: int) -> list[nn.Sequential]:
    """n_layers + 2 layers: the first n_layers halve the resolution, the last maps to one score per
    patch.
    """
    widths = [min(ndf * 2**layer, _MAX_CHANNELS) for layer in range(n_layers + 1)]
    layers = [nn.Sequential(nn.Conv2d(in_channels, ndf, 4, stride=2, padding=2), nn.LeakyReLU(0.2))]
    for layer in range(1, n_layers + 1):
        stride = 2 if layer < n_layers else 1
        layers.append(
            nn.Sequential(
                nn.Conv2d(widths[layer - 1], widths[layer], 4, stride=stride, padding=2),
                nn.InstanceNorm2d(widths[layer]),
                nn.LeakyReLU(0.2),
            )
        )
    return [*layers, nn.Sequential(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=2))]
