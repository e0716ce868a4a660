"""I3D (Carreira and Zisserman 2017), in the layout of the port to PyTorch that FVD uses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 400  # of Kinetics
SIZE_PX = 224

# Output channels of the branches of each Inception module: 1x1; 1x1 and 3x3; 1x1 and 3x3; pooled.
_MODULES = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Kernel and stride of the pooling before a module, in time, height and width.
_POOLS = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
_Triple = tuple[int, int, int]


class I3D(nn.Module):
    """Clips [B, 3, T, 224, 224] in [-1, 1], T at least 9 -> logits [B, 400], averaged over time.

    Weights: `i3d_pretrained_400.pt`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = _Unit(3, 64, (7, 7, 7), (2, 2, 2))
        self.Conv3d_2b_1x1 = _Unit(64, 64, (1, 1, 1))
        self.Conv3d_2c_3x3 = _Unit(64, 192, (3, 3, 3))

        channels = 192
        for name, widths in _MODULES.items():
            self.add_module(name, _Inception(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(channels, CLASSES, 1)})

    def forward(self, x: Tensor) -> Tensor:
        x = _pooled(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in _MODULES:
            if name in _POOLS:
                x = _pooled(x, *_POOLS[name])
            x = self.get_submodule(name)(x)

        x = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return torch.as_tensor(self.logits["conv3d"](x).flatten(3).squeeze(3).mean(2))


class _Unit(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: _Triple, stride: _Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(_padded(x, self.kernel, self.stride))))


class _Inception(nn.Module):
    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, three = (1, 1, 1), (3, 3, 3)
        self.b0 = _Unit(inputs, widths[0], one)
        self.b1a = _Unit(inputs, widths[1], one)
        self.b1b = _Unit(widths[1], widths[2], three)
        self.b2a = _Unit(inputs, widths[3], one)
        self.b2b = _Unit(widths[3], widths[4], three)
        self.b3b = _Unit(inputs, widths[5], one)

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.b0(x),
            self.b1b(self.b1a(x)),
            self.b2b(self.b2a(x)),
            self.b3b(_pooled(x, (3, 3, 3), (1, 1, 1))),
        ]
        return torch.cat(branches, 1)


def _pooled(x: Tensor, kernel: _Triple, stride: _Triple) -> Tensor:
    return F.max_pool3d(_padded(x, kernel, stride), kernel, stride)


def _padded(x: Tensor, kernel: _Triple, stride: _Triple) -> Tensor:
    """Zeros around [B, C, T, H, W] as TensorFlow's "same" puts them: the odd one behind.

    Before a pooling too, whose input is never negative.
    """
    sides: list[int] = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        missing = max(k - (size % s or s), 0)
        sides += [missing // 2, missing - missing // 2]
    return F.pad(x, sides)
