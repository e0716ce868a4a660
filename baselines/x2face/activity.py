"""What the driving network does in training: without offsets, a head ignores its driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from baselines.x2face.network import X2FaceNet
from thbench.training.alarms import Alarm, Values, logged

# A sound training has 0.2 to 0.9 zeros and offsets above 0.005; a ReLU with few open channels does
# no harm, so both signs are needed.
_DEAD_ZEROS = 0.95
_DEAD_OFFSET = 0.004


class DriverActivity:
    """Measures the driving network in every forward of training mode, until `take` is called.

    Its last block is batch norm, ReLU and a convolution without bias. Once no value passes that
    ReLU, offsets and gradients are exactly zero and stay so, while the loss still falls: the
    embedding network goes on learning.
    """

    def __init__(self, net: X2FaceNet) -> None:
        self._zeros: list[Tensor] = []
        self._offsets: list[Tensor] = []

        net.driver.last_rectifier.register_forward_hook(self._note_zeros)
        net.driver.register_forward_hook(self._note_offsets)

    def take(self) -> dict[str, float]:
        """Means over the forwards since the last call.

        "driver/offset": mean |offset|, where the image is 2 wide; "driver/zeros": share of zeros,
        0 to 1, after the last ReLU.
        """
        taken = {
            "driver/offset": torch.stack(self._offsets).mean().item(),
            "driver/zeros": torch.stack(self._zeros).mean().item(),
        }

        self._zeros, self._offsets = [], []
        return taken

    def _note_zeros(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if module.training:
            self._zeros.append((output.detach() == 0).float().mean())

    def _note_offsets(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if module.training:
            self._offsets.append(torch.tanh(output.detach()).abs().mean())


def _dead(recent: Sequence[Values]) -> str | None:
    zeros, offsets = logged(recent, "driver/zeros"), logged(recent, "driver/offset")
    if zeros is None or offsets is None:
        return None
    if min(zeros) < _DEAD_ZEROS or max(offsets) > _DEAD_OFFSET:
        return None

    return (
        f"for {len(recent)} steps at least {min(zeros):.0%} of what the last convolution of "
        "the driving network reads is zero, and no mean |offset| exceeds "
        f"{max(offsets):.4f}, so the output hardly depends on the driver"
    )


DEAD_DRIVER = Alarm(
    "dead driver",
    steps=50,
    seen=_dead,
    help=(
        "it does not recover: start another --out with --set start=identity --set optimiser=adam, "
        "or with a lower --set learning_rate"
    ),
)
