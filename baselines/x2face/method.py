"""X2Face behind the contract: the sources are embedded once, then each driving frame warps the
embedded face.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.x2face.network import PRESETS, X2FaceConfig, X2FaceNet, build
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.images import to_uint8
from thbench.method import DrivesWith, Frames, MethodOptions
from thbench.records.decode import decode
from thbench.training import checkpoints
from thbench.weight_files import read_weights
from thbench.weights import weight_path

AUTHORS_FILE = "x2face_model_forpython3.pth"
RENDER_BATCH = 8


class X2FaceHead:
    """The embedded face of one person."""

    def __init__(self, net: X2FaceNet, face: Tensor, model_px: int) -> None:
        """face: [1, 3, model_px, model_px] in [0, 1]."""
        self.net, self.face, self.model_px = net, face, model_px

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S], driven by the images of `drive`; its landmarks are not used."""
        frames = []
        for images in torch.split(drive.images, RENDER_BATCH):
            faces = self.face.expand(len(images), -1, -1, -1)
            with torch.no_grad():
                warped = self.net.drive(faces, _inputs(images, self.model_px, self.face.device))
            frames.append(to_uint8(_resized(warped, drive.size_px) * 2 - 1).cpu())
        return torch.cat(frames)


class X2Face:
    """X2Face with its authors' weights or with a model of `thbench train x2face`. There is no
    fine-tuning.
    """

    name = "x2face"
    trainer: ClassVar[str] = "x2face"
    drives_with: DrivesWith = "image"

    def __init__(self, options: MethodOptions) -> None:
        """Raises `ThbenchError` when no weights are there, or those named are of something else."""
        self.device = torch.device(options.device)
        weights = _weights(options.checkpoint)
        self.config, self.provenance = weights.config, weights.provenance

        with checkpoints.telling_damage(weights.file):
            self.net = build(self.config)
        checkpoints.load_module(self.net, weights.state, str(weights.file))
        self.net.to(self.device).eval().requires_grad_(False)

    def adapt(self, shots: Frames) -> X2FaceHead:
        """Embeds the T shots into one face; frames of another size are resized to the network's."""
        with torch.no_grad():
            face = self.net.embed(_inputs(shots.images, self.config.size_px, self.device)[None])
        return X2FaceHead(self.net, face, self.config.size_px)


@dataclass(frozen=True)
class _Weights:
    """The state_dict and sizes of a network, where they are from, and what a run records of it."""

    state: Mapping[str, Tensor]
    config: X2FaceConfig
    file: Path
    provenance: dict[str, Any]


def _weights(checkpoint: Path | None) -> _Weights:
    """A model file, a training folder, or the authors' file or zip."""
    if checkpoint is not None and (checkpoint.is_dir() or checkpoint.suffix == ".safetensors"):
        return _trained_weights(checkpoint)

    file = checkpoint or _registered()
    if not file.is_file():
        raise ThbenchError(
            f"no X2Face weights at {file}; name {AUTHORS_FILE}, the authors' zip or a folder of "
            "`thbench train x2face` with --checkpoint x2face=PATH"
        )
    config = PRESETS["paper"]
    return _Weights(
        authors_state(file),
        config,
        file,
        {
            "config": {"net": asdict(config)},
            "checkpoint": {"path": str(file), "sha256": sha256_file(file)},
            "notes": ["the authors' weights"],
        },
    )


def _trained_weights(checkpoint: Path) -> _Weights:
    """What `thbench train x2face` left."""
    tensors, description, sha256 = checkpoints.load_model(checkpoint, "x2face")
    with checkpoints.telling_damage(checkpoint):
        trained = description["config"]
        config = decode(X2FaceConfig, trained["net"], checkpoint, "train the model again")
        told = {
            "trained": trained,
            "step": description["step"],
            "trained_on": description["dataset"]["name"],
        }

    note = "trained from scratch with the photometric loss only (the authors' first stage)"
    return _Weights(
        tensors,
        config,
        checkpoint,
        {
            "config": told,
            "checkpoint": {"path": str(checkpoint), "sha256": sha256},
            "notes": [note],
        },
    )


def authors_state(file: Path) -> Mapping[str, Tensor]:
    """The state_dict in `x2face_model_forpython3.pth`, or in the zip of the authors that holds it.

    Raises `ThbenchError` when the file holds something else, such as the Python 2 pickle of the
    same name.
    """
    loaded = read_weights(file, _member(file))
    if not isinstance(loaded.get("state_dict"), Mapping):
        raise ThbenchError(
            f"{file} holds no state_dict; name {AUTHORS_FILE} or the zip that holds it"
        )
    state: Mapping[str, Tensor] = loaded["state_dict"]
    return state


def _registered() -> Path:
    try:
        return weight_path("x2face")
    except ThbenchError as error:
        raise ThbenchError(
            f"{error}, or name the file, the zip or a folder of `thbench train x2face` with "
            "--checkpoint x2face=PATH"
        ) from None


def _member(file: Path) -> io.BytesIO | None:
    """The weights inside the authors' zip; None where the file itself is the weights (newer ones
    are zips too).
    """
    if not zipfile.is_zipfile(file):
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if PurePosixPath(name).name == AUTHORS_FILE:
                    return io.BytesIO(archive.read(name))
            return None
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ThbenchError(f"{file} is damaged ({error}); get it again") from error


def _inputs(images: Tensor, size_px: int, device: torch.device) -> Tensor:
    """uint8 [N, 3, S, S] -> float [N, 3, size, size] in [0, 1], as the authors feed them."""
    return _resized(images.to(device).float() / 255, size_px)


def _resized(images: Tensor, size_px: int) -> Tensor:
    if images.shape[-1] == size_px:
        return images
    return F.interpolate(images, size=(size_px, size_px), mode="bilinear", antialias=True)
