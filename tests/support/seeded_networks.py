"""Networks of the right layout with seeded weights, the same for us and for other libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from thbench.metrics.attention import Measures

SMALL = Measures(width=32, depth=2, heads=2, patch_px=14, image_px=70)
EMBEDDING = 24


def seeded_weights(shapes: Mapping[str, Iterable[int]], seed: int) -> dict[str, Tensor]:
    """Weights for names and shapes, drawn in the order of the names, that keep signals' scale."""
    rng = np.random.default_rng(seed)
    return {name: _drawn(rng, name, tuple(shapes[name])) for name in sorted(shapes)}


def seeded_input(*shape: int, seed: int = 0) -> Tensor:
    """Noise that is smooth over a few pixels, float32."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=shape)).float()


def layout(state: Mapping[str, Tensor]) -> str:
    """The sha256 of all names and shapes."""
    lines = sorted(f"{name} {list(value.shape)}" for name, value in state.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    noise = rng.normal(size=shape)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    if name.endswith("running_var"):
        return torch.from_numpy(np.exp(0.2 * noise)).float()
    if len(shape) == 1:
        around = 0.0 if name.endswith(("bias", "running_mean", "class_embedding")) else 1.0
        return torch.from_numpy(around + 0.2 * noise).float()
    fan_in = int(np.prod(shape[1:]))
    return torch.from_numpy(noise * np.sqrt(2 / fan_in)).float()
