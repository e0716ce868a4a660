"""The paper's method behind the contract: ours-ff (feed-forward) and ours-ft (fine-tuned), and the
heads they make.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from thbench.data.landmarks.image import landmark_images
from thbench.errors import ThbenchError
from thbench.images import to_signed, to_uint8
from thbench.method import Frames, MethodOptions
from thbench.paper.finetune import FineTuneConfig, fine_tune
from thbench.paper.nets.config import NetConfig
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.perceptual.content import Content, ContentLoss, content_networks
from thbench.records.decode import decode
from thbench.training import checkpoints

RENDER_BATCH = 8
HEAD_KIND = "ours-head"


class OursHead:
    """A head of one person: a generator G' with its adaptive parameters, spectral normalisation
    folded in.
    """

    def __init__(
        self,
        config: NetConfig,
        generator: Generator,
        adaptive: Tensor,
        parts_s: Mapping[str, float] | None = None,
    ) -> None:
        """adaptive: psi' [1, A]. parts_s: how long each part of few-shot learning took, in seconds."""
        self.config, self.generator, self.adaptive = (
            config,
            generator.eval().requires_grad_(False),
            adaptive,
        )
        self.parts_s = dict(parts_s or {})

    @property
    def size_px(self) -> int:
        return self.config.size_px

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S], from the landmarks of `drive` alone."""
        if drive.size_px != self.config.size_px:
            raise ThbenchError(
                f"the driving frames have {drive.size_px} pixels, this head was made at "
                f"{self.config.size_px}; prepare the frames with --size {self.config.size_px}"
            )
        y = to_signed(landmark_images(drive.landmarks, self.config.size_px)).to(
            self.adaptive.device
        )
        with torch.no_grad():
            frames = [
                to_uint8(self.generator.synthesise(part, self.adaptive.expand(len(part), -1))).cpu()
                for part in torch.split(y, RENDER_BATCH)
            ]
        return torch.cat(frames)

    def save(self, path: Path) -> None:
        """Writes the head as one safetensors file that `load_head` reads without any checkpoint."""
        tensors = {
            **checkpoints.prefixed("generator", self.generator.state_dict()),
            "adaptive": self.adaptive,
        }
        checkpoints.save_model(
            path, tensors, {"kind": HEAD_KIND, "config": {"net": asdict(self.config)}}
        )


def load_head(path: Path, device: str = "cpu") -> OursHead:
    """Reads what `OursHead.save` wrote; raises `ThbenchError` when it is missing, damaged or
    something else.
    """
    tensors, description, _ = checkpoints.load_model(path, HEAD_KIND)
    with checkpoints.telling_damage(path):
        config = decode(
            NetConfig,
            description["config"]["net"],
            path,
            "make the head again with `thbench adapt`",
        )
        generator = _without_spectral_norm(Generator(config))
        adaptive = tensors["adaptive"]
        if list(adaptive.shape) != [1, sum(generator.slices)]:
            raise ValueError(f"{list(adaptive.shape)} adaptive parameters")
    checkpoints.load_module(generator, checkpoints.unprefixed("generator", tensors), str(path))
    checkpoints.check_finite({"adaptive": adaptive}, str(path))
    return OursHead(config, generator.to(device), adaptive.to(device))


class Ours:
    """The method with a meta-learned model; `variant` chooses feed-forward or fine-tuned few-shot
    learning.
    """

    drives_with: Literal["landmarks", "image"] = "landmarks"

    def __init__(self, variant: Literal["ff", "ft"], options: MethodOptions) -> None:
        """Raises `ThbenchError` when the checkpoint is missing, of another kind or size, or an FF
        one for FT.
        """
        if options.checkpoint is None:
            raise ThbenchError(
                f"ours-{variant} needs a meta-learned model: train one with `thbench train ours`, "
                "then add --checkpoint FOLDER"
            )
        self.name, self.variant, self.seed = f"ours-{variant}", variant, options.seed
        self.device = torch.device(options.device)
        tensors, description, sha256 = checkpoints.load_model(options.checkpoint, "ours")
        with checkpoints.telling_damage(options.checkpoint):
            trained: dict[str, Any] = dict(description["config"])
            self.config = decode(
                NetConfig, trained["net"], options.checkpoint, "train the model again"
            )
            self.fine_tuning, self.content_name = _fine_tuning(trained, options.settings)
            trained_as, _ = (
                trained["variant"],
                (description["step"], description["dataset"]["name"]),
            )
        if self.config.size_px != options.size_px:
            raise ThbenchError(
                f"{options.checkpoint} was trained at {self.config.size_px} pixels, "
                f"these frames have {options.size_px}; use a checkpoint of that "
                f"size, or make them with --size {self.config.size_px}"
            )
        if variant == "ft" and trained_as == "ff":
            raise ThbenchError(
                f"{options.checkpoint} was trained without the match loss (variant ff), so w' has no "
                "start; fine-tune a checkpoint of `thbench train ours --variant ft`"
            )
        with checkpoints.telling_damage(options.checkpoint):
            self.embedder, self.generator, self.discriminator = (
                self._load(module, name, tensors, str(options.checkpoint))
                for name, module in (
                    ("embedder", Embedder(self.config)),
                    ("generator", Generator(self.config)),
                    ("discriminator", Discriminator(self.config)),
                )
            )
        self.folded = folded(self.generator, self.config)
        self.content = (
            ContentLoss(content_networks(self.content_name, self.device))
            if variant == "ft"
            else None
        )
        self.provenance = _provenance(self, trained, description, options.checkpoint, sha256)

    def adapt(self, shots: Frames) -> OursHead:
        """Few-shot learning from T shots: e_NEW (eq. 7), then P e_NEW (ff) or fine-tuning from
        there (ft).
        """
        started = time.perf_counter()
        x = to_signed(shots.images).to(self.device)
        y = to_signed(landmark_images(shots.landmarks, self.config.size_px)).to(self.device)
        data = self._clock()
        with torch.no_grad():
            embedding = torch.cat(
                [
                    self.embedder(*part)
                    for part in zip(
                        torch.split(x, RENDER_BATCH), torch.split(y, RENDER_BATCH), strict=True
                    )
                ]
            ).mean(dim=0)
            adaptive = self.generator.project(embedding[None])
        embedded = self._clock()
        generator = self.folded
        if self.content is not None:
            tuned = fine_tune(
                self.generator,
                self.discriminator,
                embedding,
                x,
                y,
                self.content,
                self.fine_tuning,
                seed_for(self.seed, shots),
            )
            generator, adaptive = folded(tuned.generator, self.config), tuned.adaptive
        return OursHead(
            self.config,
            generator,
            adaptive,
            {
                "data_s": data - started,
                "embedding_s": embedded - data,
                "fine_tuning_s": self._clock() - embedded,
            },
        )

    def _load(
        self, module: torch.nn.Module, name: str, tensors: Mapping[str, Tensor], file: str
    ) -> Any:
        checkpoints.load_module(module, checkpoints.unprefixed(name, tensors), file)
        return module.to(self.device).eval().requires_grad_(False)

    def _clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def ours_ff(options: MethodOptions) -> Ours:
    """Entry point: psi-hat = P e_NEW, no training."""
    return Ours("ff", options)


def ours_ft(options: MethodOptions) -> Ours:
    """Entry point: adversarial fine-tuning from psi' = P e_NEW, w' = w0 + e_NEW."""
    return Ours("ft", options)


def seed_for(seed: int, shots: Frames) -> int:
    """A seed that depends on the run's seed and on the shots, not on the order in which units are
    computed.
    """
    digest = hashlib.sha256(str(seed).encode() + shots.images.numpy().tobytes()).digest()
    return int.from_bytes(digest[:7], "big")


def _fine_tuning(
    trained: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[FineTuneConfig, Content]:
    """Fine-tuning goes on with the losses and learning rates of meta-learning, unless model or
    protocol set others.
    """
    own = {
        name.removeprefix("fine_tuning_"): value
        for name, value in trained.items()
        if name.startswith("fine_tuning_") and value is not None
    }
    inherited = {
        name: trained[name]
        for name in (
            "lr_generator",
            "lr_discriminator",
            "discriminator_steps",
            "weight_feature_matching",
        )
    }
    if (rate := own.pop("lr", None)) is not None:
        inherited |= {"lr_generator": rate, "lr_discriminator": rate}
    model = FineTuneConfig(**(inherited | own))

    changed = {name: value for name, value in settings.items() if name != "content"}
    try:
        return replace(model, **changed), settings.get("content", trained["content"])
    except TypeError as error:
        raise ThbenchError(
            f"unknown fine-tuning setting ({error}); known are "
            f"{', '.join([*FineTuneConfig.__dataclass_fields__, 'content'])}"
        ) from None


def _provenance(
    method: Ours,
    trained: Mapping[str, Any],
    description: Mapping[str, Any],
    checkpoint: Path,
    sha256: str,
) -> dict[str, Any]:
    notes = []
    if trained["content"] == "random":
        notes.append("trained with random perceptual networks (content = random)")
    if method.variant == "ff" and trained["variant"] == "ft":
        notes.append("model trained with the match loss (variant ft), used without fine-tuning")
    config: dict[str, Any] = {
        "trained": dict(trained),
        "step": description["step"],
        "trained_on": description["dataset"]["name"],
    }
    if method.variant == "ft":
        config["fine_tuning"] = {**asdict(method.fine_tuning), "content": method.content_name}
    return {
        "config": config,
        "checkpoint": {"path": str(checkpoint), "sha256": sha256},
        "notes": notes,
    }


def folded(generator: Generator, config: NetConfig) -> Generator:
    """A copy for inference with spectral normalisation folded into plain weights: the same output,
    faster.
    """
    # A deep copy would share the original's parametrised classes, and folding would break the
    # original.
    copy = Generator(config).to(next(generator.parameters()).device)
    copy.load_state_dict(generator.state_dict())
    return _without_spectral_norm(copy.eval())


def _without_spectral_norm(generator: Generator) -> Generator:
    for module in generator.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
    return generator
