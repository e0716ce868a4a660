"""Pix2pixHD behind the contract: few-shot learning is fine-tuning G and D on the shots' landmark
images.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.pix2pixhd.content import Content, content_loss
from baselines.pix2pixhd.losses import adam, apply_gradients, compute_losses, take_gradients
from baselines.pix2pixhd.network import PRESETS, Pix2pixHDConfig, build, without_running_statistics
from baselines.pix2pixhd.training import mirrored
from thbench.config import with_values
from thbench.data.landmarks.image import landmark_images
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.images import to_signed, to_uint8
from thbench.method import DrivesWith, Frames, MethodOptions, seed_for
from thbench.records.decode import decode
from thbench.training import checkpoints
from thbench.weight_files import read_weights

RENDER_BATCH = 8


@dataclass(frozen=True)
class FineTuning:
    """Few-shot learning as the paper describes it: constant learning rate, batches of min(T, 8)."""

    epochs: int = 40
    batch: int = 8
    learning_rate: float = 2e-4
    content: Content = "vgg19"
    flip: bool = True


class Pix2pixHDHead:
    """A generator fine-tuned to one person."""

    def __init__(self, generator: nn.Module, size_px: int, device: torch.device) -> None:
        self.generator = generator.eval().requires_grad_(False)
        self.size_px, self.device = size_px, device

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S], from the landmarks of `drive` alone."""
        _check_size(drive, self.size_px)
        y = to_signed(landmark_images(drive.landmarks, self.size_px)).to(self.device)
        batches = torch.split(y, RENDER_BATCH)
        with torch.no_grad():
            return torch.cat([to_uint8(self.generator(batch)).cpu() for batch in batches])


class Pix2pixHD:
    """Pix2pixHD with a model of `thbench train pix2pixhd`, or G and D in its authors' files."""

    name = "pix2pixhd"
    trainer: ClassVar[str] = "pix2pixhd"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """settings may hold the fields of `FineTuning`.

        Raises `ThbenchError` when the checkpoint is missing, damaged or of another kind or size, or
        when the perceptual network's weights are missing.
        """
        if options.checkpoint is None:
            raise ThbenchError(
                "pix2pixhd needs a trained model, and nobody has published one for faces: train "
                "one with `thbench train pix2pixhd`, then add --checkpoint pix2pixhd=FOLDER"
            )

        self.device, self.seed = torch.device(options.device), options.seed
        model = _load(options.checkpoint, options.size_px)
        if model.net.size_px != options.size_px:
            raise ThbenchError(
                f"{options.checkpoint} was trained at {model.net.size_px} pixels, "
                f"these frames have {options.size_px}; use a checkpoint of that "
                f"size, or make them with --size {model.net.size_px}"
            )

        self.size_px = model.net.size_px
        with checkpoints.telling_damage(options.checkpoint):
            self.generator, self.discriminator = build(model.net)
        checkpoints.load_module(self.generator, model.generator, str(options.checkpoint))
        checkpoints.load_module(self.discriminator, model.discriminator, str(options.checkpoint))
        self.generator.to(self.device)
        self.discriminator.to(self.device)

        self.fine_tuning = _with_settings(model.fine_tuning, options.settings)
        self.content = content_loss(self.fine_tuning.content, self.device)
        self.provenance = {
            **model.provenance,
            "config": {**model.provenance["config"], "fine_tuning": asdict(self.fine_tuning)},
        }

    def adapt(self, shots: Frames) -> Pix2pixHDHead:
        """Fine-tunes copies of G and D on the T shots; seeded by the run's seed and the shots."""
        _check_size(shots, self.size_px)
        x = to_signed(shots.images).to(self.device)
        y = to_signed(landmark_images(shots.landmarks, self.size_px)).to(self.device)
        random = torch.Generator().manual_seed(seed_for(self.seed, shots))
        return Pix2pixHDHead(self._fine_tuned(x, y, random), self.size_px, self.device)

    def _fine_tuned(self, x: Tensor, y: Tensor, random: torch.Generator) -> nn.Module:
        config = self.fine_tuning
        networks = copy.deepcopy(self.generator), copy.deepcopy(self.discriminator)
        optimisers = [adam(network, config.learning_rate) for network in networks]

        for _ in range(config.epochs):
            order = torch.randperm(len(x), generator=random)
            for shots in torch.split(order, config.batch):
                batch = y[shots], x[shots]
                batch = mirrored(*batch, random) if config.flip else batch
                losses = compute_losses(*networks, self.content, *batch)
                for optimiser, network, gradients in zip(
                    optimisers, networks, take_gradients(losses, *networks), strict=True
                ):
                    apply_gradients(optimiser, network, gradients)
        return networks[0]


@dataclass(frozen=True)
class _Model:
    net: Pix2pixHDConfig
    generator: Mapping[str, Tensor]
    discriminator: Mapping[str, Tensor]
    fine_tuning: FineTuning
    provenance: dict[str, Any]


def _load(checkpoint: Path, size_px: int) -> _Model:
    """A training folder, its model file, or `<epoch>_net_G.pth` of the authors with
    `<epoch>_net_D.pth` beside it.
    """
    if checkpoint.name.endswith("_net_G.pth"):
        return _authors_model(checkpoint, size_px)

    tensors, description, sha256 = checkpoints.load_model(checkpoint, "pix2pixhd")
    with checkpoints.telling_damage(checkpoint):
        trained = description["config"]
        own_rate, content = trained.get("fine_tuning_lr"), trained["content"]
        notes = [] if content == "vgg19" else [f"trained with content = {content}"]
        return _Model(
            decode(Pix2pixHDConfig, trained["net"], checkpoint, "train the model again"),
            checkpoints.unprefixed("generator", tensors),
            checkpoints.unprefixed("discriminator", tensors),
            FineTuning(
                epochs=trained["fine_tuning_epochs"],
                learning_rate=trained["learning_rate"] if own_rate is None else own_rate,
                content=content,
                flip=trained["flip"],
            ),
            {
                "config": {
                    "trained": trained,
                    "step": description["step"],
                    "trained_on": description["dataset"]["name"],
                },
                "checkpoint": {"path": str(checkpoint), "sha256": sha256},
                "notes": notes,
            },
        )


def _authors_model(file: Path, size_px: int) -> _Model:
    other = file.with_name(file.name.replace("_net_G.pth", "_net_D.pth"))
    missing = [str(path) for path in (file, other) if not path.is_file()]
    if missing:
        raise ThbenchError(
            f"{' and '.join(missing)} missing: few-shot learning of pix2pixhd needs G and D"
        )
    return _Model(
        replace(PRESETS["paper"], size_px=size_px),
        without_running_statistics(read_weights(file)),
        without_running_statistics(read_weights(other)),
        FineTuning(),
        {
            "config": {"net": asdict(PRESETS["paper"])},
            "checkpoint": {
                "path": str(file),
                "sha256": sha256_file(file),
                "discriminator_sha256": sha256_file(other),
            },
            "notes": ["G and D in the layout of the authors' code"],
        },
    )


def _with_settings(trained: FineTuning, settings: Mapping[str, Any]) -> FineTuning:
    """Few-shot learning goes on as the model was trained, unless the protocol sets otherwise."""
    return with_values(trained, settings, "fine-tuning of pix2pixhd")


def _check_size(frames: Frames, size_px: int) -> None:
    if frames.size_px != size_px:
        raise ThbenchError(
            f"the frames have {frames.size_px} pixels, this pix2pixhd model was made at {size_px}; "
            f"prepare the frames with --size {size_px}"
        )
