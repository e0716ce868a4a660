"""The sizes of the paper's three networks: one dataclass, three presets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from thbench.errors import ThbenchError
from thbench.nearest import hint
from thbench.paper.nets.blocks import Upsample


@dataclass(frozen=True)
class NetConfig:
    """Sizes of embedder E, generator G and discriminator D (section 3.4 and appendix A.4 of the
    paper).

    Block counts follow the image size: E and D halve it until it is nearest to 4 pixels (256 -> 6
    blocks), the generator until `bottleneck_px`. Self-attention sits where the resolution is
    nearest to the two `attention_*_px`.
    """

    size_px: int = 256
    channels: int = 64  # of the first block; doubled by each block ...
    max_channels: int = 512  # ... up to this
    embedding: int = 512  # N, the length of an embedding vector
    bottleneck_px: int = 16
    bottleneck_blocks: int = 4
    attention_down_px: int = 32
    attention_up_px: int = 64
    upsample: Upsample = "start"  # where up blocks double the resolution
    relu_before_skip: bool = False  # in E and D: an in-place ReLU of another code reached the skip
    pupils: bool = False  # drawn into the landmark images; frames without are refused then

    def __post_init__(self) -> None:
        if self.size_px % 2**self.generator_blocks:
            raise ThbenchError(
                f"size_px = {self.size_px} is not divisible by {2**self.generator_blocks}, which "
                f"the generator's {self.generator_blocks} down blocks need"
            )
        if self.embedding != min(self.channels * 2 ** (self.down_blocks - 1), self.max_channels):
            raise ThbenchError(
                f"embedding = {self.embedding} must equal the channels of the last down block, "
                f"{min(self.channels * 2 ** (self.down_blocks - 1), self.max_channels)}"
            )

    @property
    def down_blocks(self) -> int:
        """Down blocks of E and of D's conv part."""
        return round(math.log2(self.size_px / 4))

    @property
    def generator_blocks(self) -> int:
        """Down blocks, and up blocks, of the generator."""
        return round(math.log2(self.size_px / self.bottleneck_px))

    @property
    def attention_after_down(self) -> int:
        """Self-attention follows this many down blocks."""
        return max(1, round(math.log2(self.size_px / self.attention_down_px)))

    @property
    def attention_after_up(self) -> int:
        """Self-attention follows this many up blocks of the generator."""
        return max(1, self.generator_blocks - round(math.log2(self.size_px / self.attention_up_px)))

    def widths(self, blocks: int) -> list[int]:
        """Output channels of the first `blocks` down blocks."""
        return [min(self.channels * 2**block, self.max_channels) for block in range(blocks)]


PRESETS = {
    "paper": NetConfig(),
    "paper-224": NetConfig(size_px=224),
    "small": NetConfig(
        size_px=64,
        channels=16,
        max_channels=128,
        embedding=128,
        bottleneck_px=8,
        attention_down_px=16,
        attention_up_px=16,
    ),
}


def preset(name: str) -> NetConfig:
    """The preset of that name; raises `ThbenchError` with the nearest known name."""
    if name not in PRESETS:
        raise ThbenchError(f"no preset {name!r}: {hint(name, PRESETS)}")
    return PRESETS[name]
