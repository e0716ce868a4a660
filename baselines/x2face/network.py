"""X2Face (Wiles et al., ECCV 2018) with the layout of its authors' released weights.

The released weights were made with torch 0.2, where bilinear upsampling and grid sampling aligned
the corners; both ask for it here, because today's defaults change the output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thbench.errors import ThbenchError

_SOURCES_AT_ONCE = 8  # bounds the memory of `embed`; sources are independent of each other


@dataclass(frozen=True)
class X2FaceConfig:
    """Sizes of X2Face. A network of `depth` levels halves the image `depth` times, 256 pixels to
    one at depth 8.
    """

    size_px: int = 256
    ngf: int = 64
    depth: int = 8
    bottleneck: int = 128  # length of the driving vector

    def __post_init__(self) -> None:
        if self.size_px % 2**self.depth:
            raise ThbenchError(
                f"size_px = {self.size_px} is not a multiple of {2**self.depth}, which "
                f"{self.depth} levels need; choose a smaller depth"
            )


PRESETS = {
    "paper": X2FaceConfig(),
    "small": X2FaceConfig(size_px=64, ngf=16, depth=6, bottleneck=32),
}


class X2FaceNet(nn.Module):
    """The embedding network (U-Net with skips) and the driving network (encoder-decoder without).

    Images are float [B, 3, S, S] in [0, 1], S >= 2 ** depth. The names of the submodules are those
    of the authors' checkpoints: pix2pixUnwrapped embeds, pix2pixSampler drives.
    """

    def __init__(self, ngf: int = 64, depth: int = 8, bottleneck: int = 128) -> None:
        super().__init__()
        widths = [ngf * min(2**level, 8) for level in range(depth)]
        embedder = _levels(widths, out_channels=3, skips=True, last=None)
        driver = _levels([*widths[:-1], bottleneck], out_channels=2, skips=False, last=nn.Tanh())
        self.pix2pixUnwrapped = _as_in_checkpoint(embedder)
        self.pix2pixSampler = _as_in_checkpoint(driver)

    @property
    def embedder(self) -> _Level:
        return _network(self.pix2pixUnwrapped)

    @property
    def driver(self) -> _Level:
        return _network(self.pix2pixSampler)

    def forward(self, drive: Tensor, sources: Tensor) -> Tensor:
        """drive [B, 3, S, S], sources [B, T, 3, S, S] -> the driven head [B, 3, S, S], all in [0,
        1].
        """
        return self.drive(self.embed(sources), drive)

    def embed(self, sources: Tensor) -> Tensor:
        """sources [B, T, 3, S, S] -> the embedded face [B, 3, S, S]: a confidence-weighted mean of
        warped sources.
        """
        weighted_sum = torch.zeros_like(sources[:, 0])
        weight_sum = torch.zeros_like(sources[:, 0, :1])

        for some in torch.split(sources, _SOURCES_AT_ONCE, dim=1):
            flat = some.flatten(0, 1)
            field = self.embedder(flat)
            confidence = torch.exp(field[:, 2:]) + 0.1
            warped = _warp(flat, torch.tanh(field[:, :2]))
            weighted_sum = weighted_sum + (confidence * warped).view_as(some).sum(1)
            weight_sum = weight_sum + confidence.view_as(some[:, :, :1]).sum(1)
        return weighted_sum / weight_sum

    def drive(self, face: Tensor, drive: Tensor) -> Tensor:
        """Warps embedded faces [B, 3, S, S] by driving frames [B, 3, S, S]; pixels from outside the
        face are black.
        """
        # The driving network ends in a tanh of its own: offsets stay within tanh(1).
        return _warp(face, torch.tanh(self.driver(drive)))

    def initialise(self) -> None:
        """The authors' initialisation for training from scratch: Xavier-normal convolutions, BN
        scales U(0.02, 1).
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.02, 1.0)
                nn.init.zeros_(module.bias)

    def start_near_the_identity(self) -> None:
        """Makes both networks warp next to nothing: a factor of 0.05 on their last convolutions.

        Batch-norm scales become 1. The offsets of `initialise` tear the face apart, and the
        quickest way to a lower loss is then to silence the driving network instead of teaching it.
        """
        for network in (self.embedder, self.driver):
            with torch.no_grad():
                network.last_convolution.weight.mul_(0.05)

        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)


def build(config: X2FaceConfig) -> X2FaceNet:
    return X2FaceNet(config.ngf, config.depth, config.bottleneck)


def parameter_counts(config: X2FaceConfig) -> dict[str, int]:
    """Trainable parameters by network: {"embedding", "driving", "total"}; nothing is allocated."""
    with torch.device("meta"):
        net = build(config)
    counts = {"embedding": _count(net.pix2pixUnwrapped), "driving": _count(net.pix2pixSampler)}
    return {**counts, "total": sum(counts.values())}


class _Level(nn.Module):
    """One level of an encoder-decoder around the next deeper one: down, submodule, up."""

    def __init__(
        self, up: nn.Sequential, down: nn.Sequential, submodule: _Level | None, skip: bool
    ) -> None:
        super().__init__()
        self.up = up
        self.down = down
        if submodule is not None:
            self.submodule = submodule
        self.innermost = submodule is None
        self.skip = skip

    @property
    def last_rectifier(self) -> nn.Module:
        return self.up[0]

    @property
    def last_convolution(self) -> nn.Conv2d:
        convolution = self.up[2]
        assert isinstance(convolution, nn.Conv2d)
        return convolution

    def forward(self, x: Tensor) -> Tensor:
        deep = self.down(x)
        out: Tensor = self.up(deep if self.innermost else self.submodule(deep))
        return torch.cat([out, x], 1) if self.skip else out


def _levels(widths: list[int], out_channels: int, skips: bool, last: nn.Module | None) -> _Level:
    """Nested levels, innermost first; widths are the channels after each down convolution."""
    level: _Level | None = None
    for depth in reversed(range(len(widths))):
        outermost, innermost = depth == 0, depth == len(widths) - 1
        width = widths[depth]
        inputs = 3 if outermost else widths[depth - 1]
        outputs = out_channels if outermost else widths[depth - 1]

        down: list[nn.Module] = [] if outermost else [nn.LeakyReLU(0.2)]
        down += [nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=False)]
        down += [] if outermost or innermost else [nn.BatchNorm2d(width)]

        deep = width * (2 if skips and not innermost else 1)
        up: list[nn.Module] = [
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(deep, outputs, 3, padding=1, bias=False),
        ]
        up += ([] if last is None else [last]) if outermost else [nn.BatchNorm2d(outputs)]

        level = _Level(
            nn.Sequential(*up), nn.Sequential(*down), level, skip=skips and not outermost
        )
    assert level is not None
    return level


def _as_in_checkpoint(level: _Level) -> nn.ModuleDict:
    """The authors' nesting of names: `netG.model`."""
    return nn.ModuleDict({"netG": nn.ModuleDict({"model": level})})


def _network(nested: nn.ModuleDict) -> _Level:
    level = nested.get_submodule("netG.model")
    assert isinstance(level, _Level)
    return level


def _warp(images: Tensor, offsets: Tensor) -> Tensor:
    """Samples images [B, C, S, S] at the identity plus offsets [B, 2, S, S] (x, y; the image spans
    [-1, 1]).
    """
    line = torch.linspace(-1, 1, images.shape[-1], device=images.device, dtype=images.dtype)
    identity = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    grid = identity + offsets.permute(0, 2, 3, 1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
