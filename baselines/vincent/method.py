"""vincent-thevenin's models behind the contract, with his preprocessing: vincent-ff, vincent-ft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.vincent.discriminator import VincentDiscriminator
from baselines.vincent.finetune import FineTuneConfig, content_loss, fine_tune
from baselines.vincent.importer import KIND
from baselines.vincent.landmarks import white_landmark_images
from baselines.vincent.network import LAYOUTS, Layout, VincentEmbedder, VincentGenerator
from baselines.vincent.spectral import folded, is_normalised, normalise
from thbench.config import with_values
from thbench.errors import ThbenchError
from thbench.method import DrivesWith, Frames, MethodOptions, seed_for
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


class VincentFF:
    """His model without fine-tuning: the mean of the shots' embeddings moves the generator."""

    name = "vincent-ff"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """Raises `ThbenchError` without a model of `thbench import vincent`, and for settings."""
        if options.settings:
            raise ThbenchError(
                f"{self.name} learns nothing from shots, so it has no setting "
                f"{', '.join(options.settings)}; set it for vincent-ft"
            )

        self.model = _load(self.name, options)
        self.generator = self.model.plain_generator(self.model.generator)
        self.provenance = self.model.provenance

    def adapt(self, shots: Frames) -> VincentHead:
        """Embeds each shot; nothing is trained."""
        embedding = self.model.embed(*self.model.inputs(shots))
        with torch.no_grad():
            return VincentHead(self.generator, self.generator.project(embedding[None]))


class VincentFT:
    """His model fine-tuned on the shots as his code does it (`baselines.vincent.finetune`)."""

    name = "vincent-ft"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """`options.settings` may hold the fields of `FineTuneConfig`.

        Raises `ThbenchError` without a model of `thbench import vincent` that holds what training
        goes on from, and when the perceptual networks' weights are missing.
        """
        self.fine_tuning = with_values(
            FineTuneConfig(), options.settings, "fine-tuning of vincent-ft"
        )
        self.content = content_loss(self.fine_tuning.content, torch.device(options.device))
        self.model, self.seed = _load(self.name, options), options.seed
        if not self.model.discriminator or not is_normalised(self.model.generator):
            raise ThbenchError(
                f"{options.checkpoint} holds no discriminator to fine-tune with: import a file of "
                "his training again with `thbench import vincent FILE`, or use vincent-ff"
            )

        self.provenance = {
            **self.model.provenance,
            "config": {**self.model.provenance["config"], "fine_tuning": asdict(self.fine_tuning)},
            "notes": [
                *self.model.provenance["notes"],
                "fine-tuned as his code does: psi' and w' stay as predicted, shots are drawn "
                "with replacement",
            ],
        }

    def adapt(self, shots: Frames) -> VincentHead:
        """Fine-tunes networks of this head's own, seeded by run and shots."""
        x, y = self.model.inputs(shots)
        embedding = self.model.embed(x, y)
        generator = VincentGenerator(self.model.layout)
        discriminator = VincentDiscriminator(self.model.layout)
        for module, state in (
            (generator, self.model.generator),
            (discriminator, self.model.discriminator),
        ):
            normalise(module, state)
            checkpoints.load_module(module, state, str(self.model.file))
            module.to(self.model.device)

        seed = seed_for(self.seed, shots)
        fine_tune(generator, discriminator, embedding, x, y, self.content, self.fine_tuning, seed)

        plain = self.model.plain_generator(generator.state_dict())
        with torch.no_grad():
            return VincentHead(plain, plain.project(embedding[None]))


@dataclass(frozen=True)
class _Model:
    """A model of `thbench import vincent`; a discriminator is not in every file."""

    file: Path
    layout: Layout
    embedder: VincentEmbedder
    generator: Mapping[str, Tensor]
    discriminator: Mapping[str, Tensor]
    device: torch.device
    provenance: dict[str, Any]

    def inputs(self, shots: Frames) -> tuple[Tensor, Tensor]:
        """The shots and their landmark images as his networks take them, on the device."""
        frames = _as_input(_resized(shots.images, FRAME_PX)).to(self.device)
        return frames, _landmark_input(shots.landmarks, shots.size_px).to(self.device)

    def embed(self, frames: Tensor, landmark_images: Tensor) -> Tensor:
        """e_NEW [512]: the mean over the shots."""
        batches = zip(
            torch.split(frames, RENDER_BATCH),
            torch.split(landmark_images, RENDER_BATCH),
            strict=True,
        )
        with torch.no_grad():
            return torch.cat([self.embedder(*batch) for batch in batches]).mean(dim=0)

    def plain_generator(self, state: Mapping[str, Tensor]) -> VincentGenerator:
        """A frozen generator with these weights, spectral normalisation folded in."""
        generator = VincentGenerator(self.layout)
        checkpoints.load_module(generator, folded(state), str(self.file))
        return generator.to(self.device).eval().requires_grad_(False)


def _load(method: str, options: MethodOptions) -> _Model:
    file = options.checkpoint
    if file is None:
        raise ThbenchError(
            f"{method} needs a model: `thbench import vincent FILE -o vincent.safetensors`, then "
            f"--checkpoint {method}=vincent.safetensors"
        )

    tensors, description, sha256 = checkpoints.load_model(file, KIND)
    with checkpoints.telling_damage(file):
        name = description["config"]["layout"]
        layout = next(layout for layout in LAYOUTS if layout.name == name)
        source = description["source"]

    embedder, device = VincentEmbedder(layout), torch.device(options.device)
    with checkpoints.telling_damage(file):
        state = folded(checkpoints.unprefixed("embedder", tensors))
    checkpoints.load_module(embedder, state, str(file))
    return _Model(
        file,
        layout,
        embedder.to(device).eval().requires_grad_(False),
        checkpoints.unprefixed("generator", tensors),
        checkpoints.unprefixed("discriminator", tensors),
        device,
        {
            "config": {"layout": name, "frame_px": FRAME_PX, "source": source},
            "checkpoint": {"path": str(file), "sha256": sha256},
            "notes": [
                "a public model of another implementation, with its preprocessing: white landmark "
                "images, axes swapped, 224 pixels"
            ],
        },
    )


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
