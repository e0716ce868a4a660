"""Old-style spectral normalisation in state dicts: weight_orig, weight_u and weight_v."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_ORIGINAL = "weight_orig"


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights W / (u' W v) in the place of weight_orig, weight_u and weight_v."""
    plain = {}
    for name, tensor in state.items():
        stem, _, leaf = name.rpartition(".")
        if leaf in ("weight_u", "weight_v"):
            continue
        if leaf == _ORIGINAL:
            u, v = state[f"{stem}.weight_u"], state[f"{stem}.weight_v"]
            sigma = torch.dot(u, tensor.flatten(1) @ v)
            name, tensor = f"{stem}.weight", tensor / sigma
        plain[name] = tensor
    return plain


def is_normalised(state: Mapping[str, Tensor]) -> bool:
    """Whether the state still has what training with spectral normalisation goes on from."""
    return any(name.endswith(f".{_ORIGINAL}") for name in state)


def normalise(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Normalises those layers of `module` that are normalised in `state`, in place."""
    for name, layer in module.named_modules():
        if f"{name}.{_ORIGINAL}" in state:
            nn.utils.spectral_norm(layer)
