"""vincent-thevenin's checkpoints into a model file of ours: layout told, normalisation folded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.vincent.network import LAYOUTS, Layout, VincentEmbedder, VincentGenerator
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.training import checkpoints
from thbench.weight_files import read_weights

KIND = "vincent"
_ORIGINAL = "weight_orig"


def import_vincent(file: Path, out: Path) -> str:
    """Reads one of his files and writes the model `out`; returns the name of its layout.

    Raises `ThbenchError` where it is damaged, hostile, or of no known layout.
    """
    states = read_weights(file)
    embedder, generator = (_state(states, name, file) for name in ("E", "G"))
    layout = layout_of(generator, file)
    for module, state in (
        (VincentEmbedder(layout), embedder),
        (VincentGenerator(layout), generator),
    ):
        checkpoints.load_module(module, state, str(file))
    checkpoints.save_model(
        out,
        {
            **checkpoints.prefixed("embedder", embedder),
            **checkpoints.prefixed("generator", generator),
        },
        {
            "kind": KIND,
            "config": {"layout": layout.name},
            "step": _count(states.get("epoch")),
            "dataset": {"name": "VoxCeleb2, says its author"},
            "source": {"file": file.name, "sha256": sha256_file(file)},
        },
    )
    return layout.name


def layout_of(generator: Mapping[str, Tensor], file: Path) -> Layout:
    """The layout of a generator's folded weights; raises `ThbenchError` for an unknown one."""
    rows = len(generator.get("p", ()))
    for layout in LAYOUTS:
        ends_in_norm = (layout.head == "instance-norm") == ("in5.weight" in generator)
        if rows == sum(layout.slices) and (ends_in_norm or len(layout.downs) > 4):
            return layout
    known = ", ".join(f"{sum(layout.slices)} ({layout.name})" for layout in LAYOUTS)
    raise ThbenchError(
        f"{file} has {rows} rows in the projection p, and known are {known}; it is of another "
        "version of that code"
    )


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights W / (u' W v) in place of weight_orig, weight_u and weight_v: old spectral norm."""
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


def _state(states: Mapping[str, Any], name: str, file: Path) -> dict[str, Tensor]:
    state = states.get(f"{name}_state_dict")
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ThbenchError(f"{file} holds no {name}_state_dict: it is not a model of that code")
    with checkpoints.telling_damage(file):
        plain = folded({key: tensor.float() for key, tensor in state.items()})
    plain.pop("psi", None)  # of one fine-tuned person
    return plain


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
