"""The average of E and G over the steps of a training, which the model file holds."""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """Exponential moving average of modules' parameters; buffers are copied."""

    def __init__(self, modules: list[nn.Module], decay: float, device: torch.device) -> None:
        self.decay = decay
        self.modules = [
            copy.deepcopy(module).requires_grad_(False).to(device) for module in modules
        ]

    def update(self, modules: list[nn.Module]) -> None:
        with torch.no_grad():
            for average, module in zip(self.modules, modules, strict=True):
                torch._foreach_lerp_(
                    list(average.parameters()), list(module.parameters()), 1 - self.decay
                )
                for mine, theirs in zip(average.buffers(), module.buffers(), strict=True):
                    mine.copy_(theirs)
