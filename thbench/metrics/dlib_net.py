"""dlib's face recognition network, read from dlib's own model file and run by torch.

The numbers are those of dlib's `compute_face_descriptor` to float32's last digits, at a fifth of
its time: the dlib of the package index computes without a library for matrix products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from thbench.errors import ThbenchError

DESCRIPTOR = 128
_MEAN_RGB = (122.782, 117.001, 104.298)
_STEM = 32
# Output channels of the residual blocks, and whether a block halves the image.
_BLOCKS = (
    *[(32, False)] * 3,
    (64, True),
    *[(64, False)] * 3,
    (128, True),
    *[(128, False)] * 2,
    (256, True),
    *[(256, False)] * 2,
    (256, True),
)


@dataclass(frozen=True)
class Convolution:
    """A convolution with the per-channel affine map that follows it folded in."""

    weight: Tensor  # float32 [out, in, k, k]
    bias: Tensor  # float32 [out]

    def __call__(self, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, stride, padding)


@dataclass(frozen=True)
class Block:
    """A residual block. dlib adds maps of unequal sizes by padding with zeros, right and below."""

    first: Convolution
    second: Convolution
    halves: bool

    def __call__(self, x: Tensor) -> Tensor:
        stride, padding = (2, 0) if self.halves else (1, 1)
        y = self.second(F.relu(self.first(x, stride, padding)), padding=1)

        if self.halves:
            x = F.avg_pool2d(x, 2)
        shape = [max(ours, theirs) for ours, theirs in zip(x.shape, y.shape, strict=True)]
        return F.relu(_padded(x, shape) + _padded(y, shape))


@dataclass(frozen=True)
class DlibNet:
    """The 29 convolutions of dlib_face_recognition_resnet_model_v1 and its last linear map."""

    stem: Convolution
    blocks: tuple[Block, ...]
    last: Tensor  # float32 [256, 128]

    @torch.inference_mode()
    def __call__(self, chip: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Descriptor float64 [128] of an aligned face, uint8 RGB [150, 150, 3]."""
        pixels = torch.from_numpy(chip).permute(2, 0, 1)[None].float()
        x = (pixels - torch.tensor(_MEAN_RGB).view(1, 3, 1, 1)) / 256

        x = F.max_pool2d(F.relu(self.stem(x, stride=2)), 3, 2)
        for block in self.blocks:
            x = block(x)

        descriptor = x.mean((2, 3)) @ self.last
        return descriptor[0].double().numpy()


def load_dlib_net(path: Path) -> DlibNet:
    """Reads dlib's model file. Raises `ThbenchError` when it holds another network or is cut."""
    file = _ModelFile(path)
    stem = file.convolution(3, _STEM, 7)

    blocks, channels = [], _STEM
    for width, halves in _BLOCKS:
        first = file.convolution(channels, width, 3)
        blocks.append(Block(first, file.convolution(width, width, 3), halves))
        channels = width

    return DlibNet(stem, tuple(blocks), file.last(channels, DESCRIPTOR))


class _ModelFile:
    """Reads the tensors of a file of dlib's in the order in which they follow each other.

    A whole number is one byte with its length in bytes, then those bytes, the lowest first. A name
    is the length as such a number and its letters. A tensor is a version, four dimensions and
    float32 values.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = path.read_bytes()
        self._at = 0

    def convolution(self, channels: int, width: int, side: int) -> Convolution:
        """The next convolution of `side` x `side` with the affine map behind it."""
        self._go_behind("con_4")
        weights = self._tensor(width * channels * side * side + width)

        self._go_behind("affine_")
        scale, shift = self._tensor(2 * width).chunk(2)

        weight = weights[:-width].view(width, channels, side, side)
        bias = weights[-width:]
        return Convolution(weight * scale.view(-1, 1, 1, 1), bias * scale + shift)

    def last(self, channels: int, width: int) -> Tensor:
        """The next linear map without a bias, [channels, width]."""
        self._go_behind("fc_2")
        self._number()  # outputs and inputs, which the tensor's own size tells again
        self._number()
        return self._tensor(channels * width).view(channels, width)

    def _go_behind(self, name: str) -> None:
        mark = bytes([1, len(name)]) + name.encode()
        found = self._bytes.find(mark, self._at)
        if found < 0:
            raise self._error(f"has no layer {name} where one should follow")
        self._at = found + len(mark)

    def _tensor(self, values: int) -> Tensor:
        self._number()  # the version
        dimensions = [self._number() for _ in range(4)]
        if math.prod(dimensions) != values:
            raise self._error(f"holds {math.prod(dimensions)} numbers where {values} should be")

        end = self._at + 4 * values
        if end > len(self._bytes):
            raise self._error("ends too early")
        numbers = np.frombuffer(self._bytes[self._at : end], "<f4")
        self._at = end
        return torch.from_numpy(numbers.astype(np.float32))

    def _number(self) -> int:
        if self._at >= len(self._bytes):
            raise self._error("ends too early")
        length = self._bytes[self._at] & 15
        start = self._at + 1
        self._at = start + length
        return int.from_bytes(self._bytes[start : self._at], "little")

    def _error(self, what: str) -> ThbenchError:
        return ThbenchError(
            f"{self._path} {what}: it is not dlib's face recognition network; "
            "`pip install --force-reinstall face_recognition_models` brings it anew"
        )


def _padded(x: Tensor, shape: list[int]) -> Tensor:
    channels, height, width = (
        want - have for want, have in zip(shape[1:], x.shape[1:], strict=True)
    )
    return F.pad(x, (0, width, 0, height, 0, channels))
