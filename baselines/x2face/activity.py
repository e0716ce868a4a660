"""What the driving network does in training: offsets that stay zero mean a head that ignores its driver."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.x2face.network import X2FaceNet


class DriverActivity:
    """Measures the driving network in every forward of training mode, until `take` is called.

    Its last block is batch norm, ReLU and a convolution without bias. Once no value passes that ReLU, offsets and
    gradients are exactly zero and stay so, while the loss still falls: the embedding network goes on learning.
    """

    def __init__(self, net: X2FaceNet) -> None:
        self._zeros: list[Tensor] = []
        self._offsets: list[Tensor] = []

        net.driver.last_rectifier.register_forward_hook(self._note_zeros)
        net.driver.register_forward_hook(self._note_offsets)

    def take(self) -> dict[str, float]:
        """Means over the forwards since the last call.

        "driver/offset": mean |offset|, where the image is 2 wide; "driver/zeros": share of zeros, 0 to 1, after
        the last ReLU.
        """
        taken = {"driver/offset": torch.stack(self._offsets).mean().item(),
                 "driver/zeros": torch.stack(self._zeros).mean().item()}

        self._zeros, self._offsets = [], []
        return taken

    def _note_zeros(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if module.training:
            self._zeros.append((output.detach() == 0).float().mean())

    def _note_offsets(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if module.training:
            self._offsets.append(torch.tanh(output.detach()).abs().mean())
