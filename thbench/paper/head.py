"""Heads that the paper's method makes: a generator of one person, rendered, kept and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from thbench.data.landmarks.image import drawn
from thbench.device import Precision
from thbench.errors import ThbenchError
from thbench.files import atomic_path
from thbench.method import Frames
from thbench.paper.nets.config import NetConfig
from thbench.paper.nets.generator import Generator
from thbench.paper.render import Render, Renderer, fastest_renderer, make_render, render_batch
from thbench.records.decode import decode
from thbench.training import checkpoints

HEAD_KIND = "ours-head"


class OursHead:
    """One person's head: generator G', without spectral normalisation, and adaptive parameters."""

    def __init__(
        self,
        config: NetConfig,
        generator: Generator,
        adaptive: Tensor,
        parts_s: Mapping[str, float] | None = None,
        renderer: Renderer | None = None,
        shots: Tensor | None = None,
        precision: Precision = "float32",
    ) -> None:
        """adaptive: psi' [1, A].

        parts_s: the seconds of each part of few-shot learning.
        renderer: by default the device's fastest.
        shots: the landmarks [T, 68, 2] of the frames that the head was learned from.
        precision: of rendering.
        """
        self.config = config
        self.generator = generator.eval().requires_grad_(False)
        self.adaptive = adaptive
        self.parts_s: Mapping[str, float] = dict(parts_s or {})
        self.shots = shots
        self.precision: Precision = precision
        self.renderer: Renderer = renderer or fastest_renderer(adaptive.device, precision)

    @property
    def size_px(self) -> int:
        return self.config.size_px

    def render(self, drive: Frames) -> Tensor:
        """Frames uint8 [N, 3, S, S] from the landmarks of `drive`; its images are not looked at.

        Raises `ThbenchError` for frames of another size than the head's, and for frames without
        pupils where the head was made with them.
        """
        if drive.size_px != self.size_px:
            raise ThbenchError(
                f"the driving frames have {drive.size_px} pixels, this head was made at "
                f"{self.size_px}; prepare the frames with --size {self.size_px}"
            )

        y = drawn(drive, self.config.pupils)
        batches = torch.split(y, render_batch(self.adaptive.device))
        return torch.cat([self._render(batch) for batch in batches]).cpu()

    @cached_property
    def _render(self) -> Render:
        """Made for the first frame only: a head that is saved and never rendered needs none."""
        return make_render(
            self.renderer, self.generator, self.adaptive, self.size_px, self.precision
        )

    def save(self, path: Path) -> None:
        """Writes the head as one safetensors file that `load_head` reads without any checkpoint."""
        tensors = checkpoints.prefixed("generator", self.generator.state_dict())
        tensors["adaptive"] = self.adaptive
        if self.shots is not None:
            tensors["shots"] = self.shots

        description = {"kind": HEAD_KIND, "config": {"net": asdict(self.config)}}
        checkpoints.save_model(path, tensors, description)

    def export(self, path: Path) -> None:
        """Writes the head as an ONNX file; the file's doc string describes its input and output.

        Input `landmark_images` and output `frames` are float32 [N, 3, S, S] in [-1, 1].
        """
        from thbench.paper.render_graph import head_graph

        graph = head_graph(self.generator, self.adaptive, self.size_px)
        with atomic_path(path) as temporary:
            temporary.write_bytes(graph.SerializeToString())


def load_head(path: Path, device: str = "cpu") -> OursHead:
    """Reads what `OursHead.save` wrote.

    Raises `ThbenchError` when the file is missing, damaged or something else than a head.
    """
    tensors, description, _ = checkpoints.load_model(path, HEAD_KIND)
    remedy = "make the head again with `thbench adapt`"
    with checkpoints.telling_damage(path):
        config = decode(NetConfig, description["config"]["net"], path, remedy)
        generator = _without_spectral_norm(Generator(config))

        adaptive = tensors["adaptive"]
        if list(adaptive.shape) != [1, sum(generator.slices)]:
            raise ValueError(f"{list(adaptive.shape)} adaptive parameters")

        shots = tensors.get("shots")
        if shots is not None and (shots.ndim != 3 or shots.shape[1:] != (68, 2)):
            raise ValueError(f"landmarks {list(shots.shape)} of its shots")

    checkpoints.load_module(generator, checkpoints.unprefixed("generator", tensors), str(path))
    checkpoints.check_finite({"adaptive": adaptive}, str(path))
    return OursHead(config, generator.to(device), adaptive.to(device), shots=shots)


def folded(generator: Generator, config: NetConfig) -> Generator:
    """A copy for inference whose plain weights are the normalised ones: the same output, faster."""
    # Not a deep copy: it would share the original's parametrised classes, and folding breaks them.
    copy = Generator(config).to(next(generator.parameters()).device)
    copy.load_state_dict(generator.state_dict())

    return _without_spectral_norm(copy.eval())


def _without_spectral_norm(generator: Generator) -> Generator:
    for module in generator.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")

    return generator
