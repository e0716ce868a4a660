"""The paper's method behind the contract: feed-forward (ours-ff) and fine-tuned (ours-ft)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from thbench.config import with_values
from thbench.data.landmarks.image import drawn
from thbench.device import Precision, laid_out
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.method import DrivesWith, Frames, MethodOptions, seed_for
from thbench.paper.finetune import FineTuneConfig, fine_tune
from thbench.paper.head import OursHead, folded
from thbench.paper.model import MetaLearned, load_meta_learned
from thbench.paper.render import Renderer
from thbench.perceptual.content import Content, ContentLoss, content_networks
from thbench.training import checkpoints

# What fine-tuning takes over from the configuration of meta-learning.
_INHERITED = (
    "lr_generator",
    "lr_discriminator",
    "discriminator_steps",
    "weight_feature_matching",
)


class OursFF:
    """One pass of the embedder predicts the adaptive parameters, psi-hat = P e_NEW: no training."""

    name = "ours-ff"
    trainer: ClassVar[str] = "ours"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """`options.settings` may hold "renderer" and "precision".

        Raises `ThbenchError` when the model is missing, damaged, or of another kind or size.
        """
        self.renderer, settings = _renderer(options)
        self.precision: Precision = _known("precision", settings.pop("precision", "float32"))
        if settings:
            raise ThbenchError(
                f"{self.name} learns nothing from shots, so it has no setting "
                f"{', '.join(settings)}; set it for ours-ft"
            )

        self.device = options.device
        self.model = _model(self.name, options)
        self.generator = folded(self.model.generator, self.model.net)

        self.provenance = self.model.provenance()
        if self.model.variant == "ft":
            self.provenance["notes"].append(
                "model trained with the match loss (variant ft), used without fine-tuning"
            )

    def adapt(self, shots: Frames) -> OursHead:
        """Embeds the T shots as e_NEW (eq. 7) and projects it to psi-hat = P e_NEW."""
        clock = _PartsClock(self.device)
        x, y = _inputs(self.model, shots, self.device)
        clock.note("data_s")

        adaptive = _predicted(self.model, self.model.embed(x, y))
        clock.note("embedding_s")

        return OursHead(
            self.model.net,
            self.generator,
            adaptive,
            clock.parts_s,
            self.renderer,
            shots.landmarks,
            self.precision,
        )


class OursFT:
    """Adversarial fine-tuning (section 3.3) from psi' = P e_NEW and w' = w0 + e_NEW."""

    name = "ours-ft"
    trainer: ClassVar[str] = "ours"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        """`options.settings` may hold the fields of `FineTuneConfig`, "content" and "renderer".

        Raises `ThbenchError` when the model is missing, damaged, of another kind or size, or
        trained without the match loss; and when the perceptual networks' weights are missing.
        """
        self.device, self.seed = options.device, options.seed
        self.model = _model(self.name, options)
        if self.model.variant == "ff":
            raise ThbenchError(
                f"{options.checkpoint} was trained without the match loss (variant ff), so its "
                "discriminator cannot be fine-tuned to a person; give ours-ft a checkpoint of "
                "`thbench train ours --variant ft`, or use ours-ff"
            )

        with checkpoints.telling_damage(self.model.file):
            as_trained = _as_trained(self.model.trained)

        self.renderer, settings = _renderer(options)
        self.fine_tuning = _with_settings(as_trained, settings)
        content: Content = settings.get("content", self.model.content)
        device = torch.device(self.device)
        self.content = laid_out(ContentLoss(content_networks(content, device)), device)

        self.provenance = self.model.provenance()
        self.provenance["config"]["fine_tuning"] = {**asdict(self.fine_tuning), "content": content}

    def adapt(self, shots: Frames) -> OursHead:
        """Embeds the T shots as e_NEW (eq. 7) and fine-tunes, seeded by run and shots."""
        clock = _PartsClock(self.device)
        x, y = _inputs(self.model, shots, self.device)
        clock.note("data_s")

        embedding = self.model.embed(x, y)
        clock.note("embedding_s")

        tuned = fine_tune(
            self.model.generator,
            self.model.discriminator,
            embedding,
            x,
            y,
            self.content,
            self.fine_tuning,
            seed_for(self.seed, shots),
        )
        generator = folded(tuned.generator, self.model.net)
        clock.note("fine_tuning_s")

        return OursHead(
            self.model.net,
            generator,
            tuned.adaptive,
            clock.parts_s,
            self.renderer,
            shots.landmarks,
            self.fine_tuning.precision,
        )


class _PartsClock:
    """Measures the seconds that each part takes.

    Each reading waits until the device is idle, so that queued work counts for its own part.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._last_s = self._now_s()
        self.parts_s: dict[str, float] = {}

    def note(self, part: str) -> None:
        """Writes down the seconds since the last note as those of `part`."""
        now_s = self._now_s()
        self.parts_s[part] = now_s - self._last_s
        self._last_s = now_s

    def _now_s(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def _model(method: str, options: MethodOptions) -> MetaLearned:
    if options.checkpoint is None:
        raise ThbenchError(
            f"{method} needs a meta-learned model: train one with `thbench train ours`, "
            "then add --checkpoint FOLDER"
        )
    return load_meta_learned(options.checkpoint, options.size_px, options.device)


def _renderer(options: MethodOptions) -> tuple[Renderer | None, dict[str, Any]]:
    """The setting "renderer" (None: the device's fastest), and all other settings."""
    settings = dict(options.settings)
    renderer = settings.pop("renderer", None)
    return None if renderer is None else _known("renderer", renderer), settings


def _known(name: str, value: Any) -> Any:
    """The value of a setting; raises `ThbenchError` where it is not among the known ones."""
    known = get_args({"renderer": Renderer, "precision": Precision}[name])
    if value not in known:
        raise ThbenchError(f"{name} = {value!r} is unknown; known are {', '.join(known)}")
    return value


def _inputs(model: MetaLearned, shots: Frames, device: str) -> tuple[Tensor, Tensor]:
    """The shots and their landmark images, [T, 3, S, S] in [-1, 1] on the device."""
    y = drawn(shots, model.net.pupils)
    return to_signed(shots.images.to(device)), to_signed(y.to(device))


def _predicted(model: MetaLearned, embedding: Tensor) -> Tensor:
    """psi-hat = P e: embedding [N] -> [1, A]."""
    with torch.no_grad():
        return model.generator.project(embedding[None])


def _as_trained(trained: Mapping[str, Any]) -> FineTuneConfig:
    """The fine-tuning that a model's training configuration asks for.

    Loss weights and learning rates are those of meta-learning (`_INHERITED`), except where the
    configuration has a value for fine-tuning ("fine_tuning_batch" sets the batch).
    """
    inherited = {name: trained[name] for name in _INHERITED}
    own = {
        name.removeprefix("fine_tuning_"): value
        for name, value in trained.items()
        if name.startswith("fine_tuning_") and value is not None
    }

    rate = own.pop("lr", None)
    if rate is not None:
        own |= {"lr_generator": rate, "lr_discriminator": rate}

    return FineTuneConfig(**(inherited | own))


def _with_settings(config: FineTuneConfig, settings: Mapping[str, Any]) -> FineTuneConfig:
    """The fine-tuning as the model was trained for it, changed by the settings of the protocol."""
    changes = {name: value for name, value in settings.items() if name != "content"}
    return with_values(config, changes, "fine-tuning of ours-ft")
