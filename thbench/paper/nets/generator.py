"""The generator G(y, e): a landmark image and an embedding to a frame, and the projection P that
makes psi-hat.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thbench.paper.nets.blocks import AdaIN, AdaptiveBlock, SelfAttention, conv, down_blocks, linear
from thbench.paper.nets.config import NetConfig


class Generator(nn.Module):
    """G of section 3.1 and A.4 with its projection P; 38,073,925 parameters at 256.

    The person-generic weights psi are this module's convolutions; the person-specific parameters
    psi-hat (affine coefficients of every AdaIN, [B, 13056] at 256) come from `project`, or are
    trained directly in fine-tuning.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        widths = config.widths(config.generator_blocks)
        self.encoder = down_blocks(3, widths, config.attention_after_down, normalised=True)
        self.bottleneck = nn.ModuleList(
            AdaptiveBlock(widths[-1], widths[-1], None) for _ in range(config.bottleneck_blocks)
        )
        self.decoder = nn.ModuleList()
        for index, (before, after) in enumerate(
            zip([widths[-1], *reversed(widths)], reversed(widths), strict=False)
        ):
            self.decoder.append(AdaptiveBlock(before, after, config.upsample))
            if index + 1 == config.attention_after_up:
                self.decoder.append(SelfAttention(after))
        self.norm = AdaIN(widths[0])
        self.to_rgb = conv(widths[0], 3, 3)
        self.adaptive = [
            module
            for module in [*self.bottleneck, *self.decoder, self.norm]
            if isinstance(module, AdaptiveBlock | AdaIN)
        ]
        self.slices = [module.adaptive_parameters for module in self.adaptive]
        self.projection = linear(config.embedding, sum(self.slices))
        self._start_at_plain_normalisation()

    def project(self, embedding: Tensor) -> Tensor:
        """psi-hat = P e: [B, N] -> [B, adaptive parameters]."""
        adaptive: Tensor = self.projection(embedding)
        return adaptive

    def forward(self, landmark_images: Tensor, embedding: Tensor) -> Tensor:
        """Eq. 2: landmark_images [B, 3, S, S] in [-1, 1], embedding [B, N] -> frames [B, 3, S, S]
        in [-1, 1].
        """
        return self.synthesise(landmark_images, self.project(embedding))

    def synthesise(self, landmark_images: Tensor, adaptive: Tensor) -> Tensor:
        """G'(y; psi, psi') of section 3.3: the same with the adaptive parameters [B, A] given."""
        x = landmark_images
        for block in self.encoder:
            x = block(x)
        slices = iter(torch.split(adaptive, self.slices, dim=1))
        for block in [*self.bottleneck, *self.decoder]:
            x = block(x, next(slices)) if isinstance(block, AdaptiveBlock) else block(x)
        x = F.relu(self.norm(x, next(slices)))
        return torch.tanh(self.to_rgb(x))

    def _start_at_plain_normalisation(self) -> None:
        """Sets P's bias so that a zero embedding gives AdaIN weight 1 and bias 0 (default bias
        gives weight ~0).
        """
        bias = self.projection.bias
        with torch.no_grad():
            for module, part in zip(self.adaptive, torch.split(bias, self.slices), strict=True):
                norms = (
                    [module.norm1, module.norm2] if isinstance(module, AdaptiveBlock) else [module]
                )
                for own, norm in zip(
                    torch.split(part, [norm.adaptive_parameters for norm in norms]),
                    norms,
                    strict=True,
                ):
                    own[: norm.channels] = 0
                    own[norm.channels :] = 1
