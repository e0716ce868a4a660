"""shrubb's FSTH checkpoints into a model file of `ours-ff` and `ours-ft`.

His networks are ours without self-attention (gamma = 0), upsampling at the start of a block, and
with an in-place ReLU that reaches the skips of E and D (`relu_before_skip`).
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.paper.config import ours_config
from thbench.paper.nets.config import NetConfig
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.training import checkpoints
from thbench.weight_files import read_weights

# `args` is a Namespace that holds paths; nothing else of a file may be more than tensors.
_PLAIN_CLASSES: list[Any] = [argparse.Namespace, pathlib.PosixPath, pathlib.PurePosixPath]

# Of old spectral normalisation -> of the parametrisation that our layers have.
_SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}
Modules = Iterator[tuple[str, str]]  # (his, ours)


def import_shrubb(file: Path, out: Path) -> NetConfig:
    """Reads one of his files and writes the model `out`; returns the sizes of its networks.

    Running averages are taken where the file holds them, as his own code does when it draws. Raises
    `ThbenchError` where the file is damaged, hostile, or of networks that are not ours.
    """
    with torch.serialization.safe_globals(_PLAIN_CLASSES):
        states = read_weights(file)
    _refuse_other_nets(states.get("args"), file)
    averages = states.get("running_averages")
    averages = averages if isinstance(averages, Mapping) else {}

    with checkpoints.telling_damage(file):
        config = _config(_state(states, averages, "embedder", file))
        modules: tuple[tuple[str, nn.Module, Modules], ...] = (
            ("embedder", Embedder(config), _embedder(config)),
            ("generator", Generator(config), _generator(config)),
            ("discriminator", Discriminator(config), _discriminator(config)),
        )
        tensors: dict[str, Tensor] = {}
        for name, module, names in modules:
            theirs = _state(states, averages, name, file)
            state = _renamed(module, theirs, dict(names), file)
            checkpoints.load_module(module, state, str(file))
            tensors |= checkpoints.prefixed(name, module.state_dict())

    trained = replace(ours_config("paper"), net=config)
    checkpoints.save_model(
        out,
        tensors,
        {
            "kind": "ours",
            "config": asdict(trained),
            "step": 0,
            "dataset": {"name": "VoxCeleb2, imported"},
            "source": {"file": file.name, "sha256": sha256_file(file)},
        },
    )
    return config


def _config(embedder: Mapping[str, Tensor]) -> NetConfig:
    first = len(embedder["down_block.1.weight_orig"])
    deeper = {int(name.split(".")[1]) for name in embedder if name.startswith("down_blocks.")}
    embedding = len(embedder[f"down_blocks.{max(deeper)}.block.5.weight_orig"])
    size_px = 4 * 2 ** (1 + len(deeper))
    return NetConfig(
        size_px=size_px,
        channels=first,
        max_channels=embedding,
        embedding=embedding,
        bottleneck_px=size_px // 16,
        attention_down_px=size_px // 8,
        attention_up_px=size_px // 4,
        upsample="start",
        relu_before_skip=True,
    )


def _renamed(
    module: nn.Module, theirs: Mapping[str, Tensor], names: Mapping[str, str], file: Path
) -> dict[str, Tensor]:
    """His tensors under our names; self-attention, which he lacks, as it is, with gamma = 0."""
    state: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        stem, _, leaf = name.rpartition(".")
        if stem in names:
            state[f"{names[stem]}.{_SPECTRAL.get(leaf, leaf)}"] = tensor.float()
        elif stem != "embed":  # W, the training videos' own vectors
            raise ThbenchError(f"{file} holds {name}, which has no place in our networks")
    own = module.state_dict()
    attention = {
        prefix.removesuffix("gamma") for prefix in own if prefix.rpartition(".")[2] == "gamma"
    }
    for name, tensor in own.items():
        if any(name.startswith(prefix) for prefix in attention):
            state[name] = torch.zeros_like(tensor) if name.endswith("gamma") else tensor
    return state


def _embedder(config: NetConfig) -> Modules:
    yield from _downs("down_blocks", "blocks", config.down_blocks, config, normalised=False)


def _generator(config: NetConfig) -> Modules:
    yield from _downs("down_blocks", "encoder", config.generator_blocks, config, normalised=True)
    for index in range(config.bottleneck_blocks):
        yield f"decoder_blocks.{index}.block.3", f"bottleneck.{index}.conv1"
        yield f"decoder_blocks.{index}.block.7", f"bottleneck.{index}.conv2"
    for index in range(config.generator_blocks):
        ours = index + (index >= config.attention_after_up)
        theirs = f"decoder_blocks.{config.bottleneck_blocks + index}"
        yield f"{theirs}.block.4", f"decoder.{ours}.conv1"
        yield f"{theirs}.block.8", f"decoder.{ours}.conv2"
        yield f"{theirs}.skip.1", f"decoder.{ours}.skip"
    last = config.bottleneck_blocks + config.generator_blocks + 3
    yield f"decoder_blocks.{last}", "to_rgb"
    yield "project", "projection"


def _discriminator(config: NetConfig) -> Modules:
    yield from _downs("blocks", "blocks", config.down_blocks, config, normalised=False)
    for theirs, ours in ((2, "conv1"), (5, "conv2")):
        yield f"blocks.{config.down_blocks - 1}.block.{theirs}", f"blocks.{_last(config)}.{ours}"
    yield "linear", "general"


def _last(config: NetConfig) -> int:
    """The place of D's last block: after the down blocks and self-attention."""
    return config.down_blocks + 1


def _downs(theirs: str, ours: str, blocks: int, config: NetConfig, normalised: bool) -> Modules:
    yield "down_block.1", f"{ours}.0.conv1"
    yield "down_block.4", f"{ours}.0.conv2"
    yield "skip.0", f"{ours}.0.skip"
    places = (
        {"norm1": 0, "conv1": 3, "norm2": 4, "conv2": 7} if normalised else {"conv1": 2, "conv2": 5}
    )
    for index in range(1, blocks):
        place = index + (index >= config.attention_after_down)
        for name, at in places.items():
            yield f"{theirs}.{index - 1}.block.{at}", f"{ours}.{place}.{name}"
        yield f"{theirs}.{index - 1}.skip.0", f"{ours}.{place}.skip"


def _state(
    states: Mapping[str, Any], averages: Mapping[str, Any], name: str, file: Path
) -> Mapping[str, Tensor]:
    state = averages.get(name, states.get(name))
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ThbenchError(f"{file} holds no {name}: it is not an FSTH model of that code")
    return state


def _refuse_other_nets(args: Any, file: Path) -> None:
    """Raises `ThbenchError` for a file that says it was trained with other networks."""
    told = vars(args) if isinstance(args, argparse.Namespace) else {}
    for key, expected in (
        ("embedder", "FSTH"),
        ("generator", "FSTH"),
        ("embed_padding", "zero"),
        ("gen_padding", "zero"),
        ("average_function", "sum"),
        ("norm_layer", "in"),
    ):
        if told.get(key, expected) != expected:
            raise ThbenchError(
                f"{file} was trained with {key} = {told[key]!r}; only {expected!r} is our network"
            )
