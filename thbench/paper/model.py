"""A meta-learned model from its file: what both kinds of few-shot learning start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from thbench.device import laid_out, tensor_cores
from thbench.errors import ThbenchError
from thbench.paper.nets.config import NetConfig
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.paper.render import render_batch
from thbench.perceptual.content import Content
from thbench.records.decode import decode
from thbench.training import checkpoints

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class MetaLearned:
    """E, G and D of a model file, in evaluation mode and frozen.

    variant, content: how it was meta-learned, as in `OursConfig`. trained: the whole configuration
    of that, in the words of the version that did it.
    """

    net: NetConfig
    variant: Literal["ft", "ff"]
    content: Content
    embedder: Embedder
    generator: Generator
    discriminator: Discriminator
    trained: Mapping[str, Any]
    step: int
    trained_on: str
    file: Path
    sha256: str

    def embed(self, frames: Tensor, landmark_images: Tensor) -> Tensor:
        """e_NEW [N] (eq. 7): the mean embedding of the shots, [T, 3, S, S] each, in [-1, 1]."""
        batch = render_batch(frames.device)
        batches = zip(torch.split(frames, batch), torch.split(landmark_images, batch), strict=True)
        with torch.no_grad(), tensor_cores():
            return torch.cat([self.embedder(*pair) for pair in batches]).mean(dim=0)

    def provenance(self) -> dict[str, Any]:
        """What a run records of a method that uses this model."""
        notes = []
        if self.content == "random":
            notes.append("trained with random perceptual networks (content = random)")
        return {
            "config": {
                "trained": dict(self.trained),
                "step": self.step,
                "trained_on": self.trained_on,
            },
            "checkpoint": {"path": str(self.file), "sha256": self.sha256},
            "notes": notes,
        }


def load_meta_learned(file: Path, size_px: int, device: str) -> MetaLearned:
    """Reads a model file, or that of a training folder, for frames of `size_px`.

    Raises `ThbenchError` when it is missing, damaged, or of another kind or size.
    """
    tensors, description, sha256 = checkpoints.load_model(file, "ours")
    with checkpoints.telling_damage(file):
        trained: dict[str, Any] = dict(description["config"])
        net = decode(NetConfig, trained["net"], file, "train the model again")
        step, trained_on = description["step"], description["dataset"]["name"]
        variant, content = trained["variant"], trained["content"]

    if net.size_px != size_px:
        raise ThbenchError(
            f"{file} was trained at {net.size_px} pixels, these frames have {size_px}; use a "
            f"checkpoint of that size, or make them with --size {net.size_px}"
        )

    def loaded(name: str, network: Network) -> Network:
        checkpoints.load_module(network, checkpoints.unprefixed(name, tensors), str(file))
        return laid_out(network, torch.device(device)).eval().requires_grad_(False)

    with checkpoints.telling_damage(file):
        return MetaLearned(
            net,
            variant,
            content,
            loaded("embedder", Embedder(net)),
            loaded("generator", Generator(net)),
            loaded("discriminator", Discriminator(net)),
            trained,
            step,
            trained_on,
            file,
            sha256,
        )


def load_start(
    path: Path,
    net: NetConfig,
    embedder: Embedder,
    generator: Generator,
    discriminator: Discriminator,
) -> None:
    """Loads a model file into the networks of a training that goes on from it.

    Landmark images may show pupils from there on, or no longer: they have three channels anyway.
    Raises `ThbenchError` when the file is missing, or of other sizes.
    """
    tensors, description, _ = checkpoints.load_model(path, "ours")
    found = decode(NetConfig, description["config"]["net"], path, "start from another model")
    wanted = {**asdict(net), "pupils": found.pupils}
    if asdict(found) != wanted:
        changed = [name for name, value in asdict(found).items() if value != wanted[name]]
        raise ThbenchError(
            f"start = {path} has another {', '.join(changed)}; start from a model of this preset"
        )

    modules = {"embedder": embedder, "generator": generator, "discriminator": discriminator}
    for name, module in modules.items():
        checkpoints.load_module(module, checkpoints.unprefixed(name, tensors), str(path))
