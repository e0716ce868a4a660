"""Averages of parameters over the steps of a training: of E and G in meta-learning, where the model
file holds it, and of psi and psi' in fine-tuning.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

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


class PowerAverage:
    """Average of parameters over the steps, in which a step's weight grows as step ** power.

    It has forgotten the start after any number of steps, so it suits short trainings. It is the
    power-function average of Karras et al. 2024, "Analyzing and Improving the Training Dynamics of
    Diffusion Models", section 3.1.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], power: float) -> None:
        self.power, self.steps = power, 0
        self.parameters = parameters
        self.values = [parameter.detach().clone() for parameter in parameters]

    def update(self) -> None:
        """Takes in the parameters as one more step has left them."""
        self.steps += 1
        kept = (1 - 1 / self.steps) ** (self.power + 1)
        with torch.no_grad():
            torch._foreach_lerp_(self.values, list(self.parameters), 1 - kept)

    def assign(self) -> None:
        """Gives the parameters their averages; without a step, what they started from."""
        with torch.no_grad():
            torch._foreach_copy_(list(self.parameters), self.values)
