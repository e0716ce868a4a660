"""vincent-thevenin's checkpoints into a model file of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from baselines.vincent.discriminator import VincentDiscriminator
from baselines.vincent.network import LAYOUTS, Layout, VincentEmbedder, VincentGenerator
from baselines.vincent.spectral import folded
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.training import checkpoints
from thbench.weight_files import read_weights

KIND = "vincent"

# What is of one fine-tuned person, or of the training videos.
_OF_TRAINING = {"E": (), "G": ("psi",), "D": ("W_i", "w_prime")}


@dataclass(frozen=True)
class Imported:
    """layout: the name of its layout. fine_tunable: whether its discriminator came along."""

    layout: str
    fine_tunable: bool


def import_vincent(file: Path, out: Path) -> Imported:
    """Reads one of his files and writes the model `out`, spectral normalisation as it is in them.

    The discriminator is left out where the file has none, or one of his first versions.

    Raises `ThbenchError` where the file is damaged, hostile, or of no known layout.
    """
    states = read_weights(file)
    embedder, generator = (_state(states, name, file) for name in ("E", "G"))
    layout = layout_of(generator, file)
    parts = {"embedder": embedder, "generator": generator}
    modules: dict[str, nn.Module] = {
        "embedder": VincentEmbedder(layout),
        "generator": VincentGenerator(layout),
    }

    judge = VincentDiscriminator(layout)
    if states.get("D_state_dict"):
        discriminator = _state(states, "D", file)
        if set(folded(discriminator)) == set(judge.state_dict()):
            parts["discriminator"], modules["discriminator"] = discriminator, judge

    tensors: dict[str, Tensor] = {}
    for part, state in parts.items():
        checkpoints.load_module(modules[part], folded(state), str(file))
        tensors |= checkpoints.prefixed(part, state)

    checkpoints.save_model(
        out,
        tensors,
        {
            "kind": KIND,
            "config": {"layout": layout.name},
            "step": _count(states.get("epoch")),
            "dataset": {"name": "VoxCeleb2, says its author"},
            "source": {"file": file.name, "sha256": sha256_file(file)},
        },
    )
    return Imported(layout.name, "discriminator" in parts)


def layout_of(generator: Mapping[str, Tensor], file: Path) -> Layout:
    """The layout of a generator's folded weights; raises `ThbenchError` for an unknown one."""
    projection = generator.get("p")
    rows = projection.shape[0] if projection is not None and projection.ndim else 0
    for layout in LAYOUTS:
        ends_in_norm = (layout.head == "instance-norm") == ("in5.weight" in generator)
        if rows == sum(layout.slices) and (ends_in_norm or len(layout.downs) > 4):
            return layout
    known = ", ".join(f"{sum(layout.slices)} ({layout.name})" for layout in LAYOUTS)
    raise ThbenchError(
        f"{file} has {rows} rows in the projection p, and known are {known}; it is of another "
        "version of that code"
    )


def _state(states: Mapping[str, Any], name: str, file: Path) -> dict[str, Tensor]:
    state = states.get(f"{name}_state_dict")
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ThbenchError(f"{file} holds no {name}_state_dict: it is not a model of that code")
    kept = {key: tensor for key, tensor in state.items() if key not in _OF_TRAINING[name]}
    with checkpoints.telling_damage(file):
        floats = {key: tensor.float() for key, tensor in kept.items()}
        folded(floats)
    return floats


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
