"""vincent-thevenin's models behind the contract, with his preprocessing: `vincent-ff`."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.vincent.importer import KIND
from baselines.vincent.landmarks import white_landmark_images
from baselines.vincent.network import LAYOUTS, VincentEmbedder, VincentGenerator
from thbench.errors import ThbenchError
from thbench.method import Frames, MethodOptions
from thbench.training import checkpoints

FRAME_PX = 224  # VoxCeleb2's, which he trained with
RENDER_BATCH = 8


class VincentHead:
    """A generator with the adaptive parameters of one person."""

    def __init__(self, generator: VincentGenerator, adaptive: Tensor) -> None:
        """adaptive: [1, P]."""
        self.generator, self.adaptive = generator, adaptive

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S], from the landmarks of `drive` alone."""
        rendered = []
        for landmarks in torch.split(drive.landmarks, RENDER_BATCH):
            images = _landmark_input(landmarks, drive.size_px).to(self.adaptive.device)
            with torch.no_grad():
                made = self.generator(images, self.adaptive.expand(len(images), -1))
            rendered.append(_frames_of(made.cpu(), drive.size_px))
        return torch.cat(rendered)


class Vincent:
    """His model without fine-tuning: the mean of the shots' embeddings moves the generator."""

    name = "vincent-ff"
    drives_with: Literal["landmarks", "image"] = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """Raises `ThbenchError` without a model of `thbench import vincent`."""
        if options.checkpoint is None:
            raise ThbenchError(
                "vincent-ff needs a model: `thbench import vincent FILE -o vincent.safetensors`, "
                "then --checkpoint vincent-ff=vincent.safetensors"
            )
        tensors, description, sha256 = checkpoints.load_model(options.checkpoint, KIND)
        with checkpoints.telling_damage(options.checkpoint):
            name = description["config"]["layout"]
            layout = next(layout for layout in LAYOUTS if layout.name == name)
            source = description["source"]
        self.embedder, self.generator = VincentEmbedder(layout), VincentGenerator(layout)
        for module, prefix in ((self.embedder, "embedder"), (self.generator, "generator")):
            state = checkpoints.unprefixed(prefix, tensors)
            checkpoints.load_module(module, state, str(options.checkpoint))
            module.to(options.device).eval().requires_grad_(False)
        self.device = torch.device(options.device)
        self.provenance: dict[str, Any] = {
            "config": {"layout": name, "frame_px": FRAME_PX, "source": source},
            "checkpoint": {"path": str(options.checkpoint), "sha256": sha256},
            "notes": [
                "a public model of another implementation, with its preprocessing: white landmark "
                "images, axes swapped, 224 pixels"
            ],
        }

    def adapt(self, shots: Frames) -> VincentHead:
        """Embeds each shot; nothing is trained."""
        frames = _as_input(_resized(shots.images, FRAME_PX)).to(self.device)
        landmarks = _landmark_input(shots.landmarks, shots.size_px).to(self.device)
        with torch.no_grad():
            embeddings = [
                self.embedder(*part)
                for part in zip(
                    torch.split(frames, RENDER_BATCH),
                    torch.split(landmarks, RENDER_BATCH),
                    strict=True,
                )
            ]
            adaptive = self.generator.project(torch.cat(embeddings).mean(dim=0, keepdim=True))
        return VincentHead(self.generator, adaptive)


def vincent_ff(options: MethodOptions) -> Vincent:
    """Entry point."""
    return Vincent(options)


def _landmark_input(landmarks: Tensor, size_px: int) -> Tensor:
    scaled = (landmarks + 0.5) * (FRAME_PX / size_px) - 0.5
    return _as_input(white_landmark_images(scaled, FRAME_PX))


def _as_input(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] -> [N, 3, W, H] in [0, 1]: he never put rows before columns."""
    return images.transpose(2, 3).float() / 255


def _frames_of(made: Tensor, size_px: int) -> Tensor:
    images = (made.transpose(2, 3) * 255).round().clamp(0, 255).to(torch.uint8)
    return _resized(images, size_px)


def _resized(images: Tensor, size_px: int) -> Tensor:
    if images.shape[-1] == size_px:
        return images
    method = cv2.INTER_AREA if images.shape[-1] > size_px else cv2.INTER_CUBIC
    resized: list[NDArray[np.uint8]] = [
        np.asarray(cv2.resize(image, (size_px, size_px), interpolation=method), np.uint8)
        for image in images.permute(0, 2, 3, 1).numpy()
    ]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous()
