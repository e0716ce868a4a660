"""The configuration of meta-learning, its presets, and what they make of parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from thbench.errors import ThbenchError
from thbench.paper.nets.config import NetConfig, preset
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.perceptual.content import Content


@dataclass(frozen=True)
class OursConfig:
    """Everything that decides what a step of meta-learning computes.

    The defaults are the paper's (section 3.4) but for three that it does not have, each with its
    off switch: W's rows start at the embedding (row_start=uniform), after a warm-up that lets E
    tell persons apart (warmup_steps=0), and the model file holds an average of E and G (ema=none),
    as the authors' code does. From rows that start as noise, the match loss pulls e towards 0, and
    e and W do not correlate; the page of open choices has the figures. The length and rate of the
    warm-up are a judgement, not measured at 256 pixels.
    """

    net: NetConfig = field(default_factory=NetConfig)
    start: str | None = None  # a model file whose E, G and D the training starts from
    variant: Literal["ft", "ff"] = "ft"  # ff: no match loss, for feed-forward use only
    shots: int = 8  # K
    batch: int = 48  # episodes per step, over all processes
    lr_generator: float = 5e-5  # of E and G
    lr_discriminator: float = 2e-4
    beta1: float = 0.0  # of Adam for E and G; the authors' code has 0
    discriminator_steps: int = 2  # per generator step, on the same detached fake
    content: Content = "caffe"
    weight_feature_matching: float = 10.0
    weight_match: float = 10.0
    # Of W_i: what E makes of the video's first episode, or small noise.
    row_start: Literal["embedding", "uniform"] = "embedding"
    row_scores: Literal["both", "real"] = "both"  # whether W learns from D's score of fakes too
    sync_discriminator: bool = False  # reduce D's gradients too; the paper reduces E's and G's
    # K is drawn from shots_min .. shots at each step; None: always shots.
    shots_min: int | None = None
    warmup_steps: int = 2000  # first steps of E and G on the content loss alone ...
    warmup_lr: float = 2e-4  # ... at this learning rate
    ema: float | None = 0.999  # decay of the average of E and G that the model file holds
    epochs: int = 75  # when no steps are given; 150 with --variant ff
    # Of few-shot learning with this model; see `FineTuneConfig`.
    fine_tuning_epochs: int = 40
    fine_tuning_batch: int = 8
    fine_tuning_most_steps: int | None = None
    fine_tuning_lr: float | None = None  # of G and D alike; None: those of meta-learning
    fine_tuning_discriminator_steps: int | None = None  # None: as in meta-learning
    fine_tuning_average_power: float | None = None  # None: the head of the last step

    def __post_init__(self) -> None:
        rates = (self.lr_generator, self.lr_discriminator, self.warmup_lr, self.fine_tuning_lr)
        if any(rate is not None and rate < 0 for rate in rates):
            raise ThbenchError("learning rates must be 0 or more")

        least = self.shots if self.shots_min is None else self.shots_min
        if not 1 <= least <= self.shots:
            raise ThbenchError(
                f"shots = {self.shots} and shots_min = {self.shots_min} must be 1 or more, and "
                "shots_min not above shots"
            )
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ThbenchError(f"ema = {self.ema} must be 0 or more and below 1; none turns it off")

        power = self.fine_tuning_average_power
        if power is not None and power < 0:
            raise ThbenchError(f"fine_tuning_average_power = {power} must be 0 or more")

    @property
    def size_px(self) -> int:
        return self.net.size_px

    @property
    def draws_pupils(self) -> bool:
        """See `trainer.DrawsPupils`."""
        return self.net.pupils

    def without_fetched_weights(self) -> OursConfig:
        return self if self.content == "heads" else replace(self, content="random")


def ours_config(preset_name: str) -> OursConfig:
    """The configuration of a preset: `paper` and `paper-224` as published, `small` for 64 pixels on
    a CPU. Raises `ThbenchError` for an unknown name.
    """
    config = OursConfig(net=preset(preset_name))
    if preset_name == "small":
        # For one core: episodes of 1 to 8 shots; a long warm-up, since a step without D costs half;
        # and few-shot learning by many small steps, which at this size learn more in a second than
        # a few steps of 8 shots, and their average, with which twice the rate does no harm.
        return replace(
            config,
            shots=8,
            shots_min=1,
            batch=8,
            lr_generator=2e-4,
            beta1=0.5,
            content="heads",
            warmup_steps=18000,
            warmup_lr=1e-3,
            fine_tuning_batch=1,
            fine_tuning_most_steps=100,
            fine_tuning_lr=2e-3,
            fine_tuning_average_power=8.0,
            fine_tuning_discriminator_steps=1,
        )
    return config


def parameter_counts(preset_name: str) -> dict[str, int]:
    """Trainable parameters as the paper counts them: G with its projection, D's conv part without
    W, w0 and b.
    """
    net = preset(preset_name)
    with torch.device("meta"):
        parts = {
            "embedder": Embedder(net),
            "generator": Generator(net),
            "discriminator": Discriminator(net).blocks,
        }
    return {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in parts.items()
    }
