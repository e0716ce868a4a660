"""Training X2Face from scratch: its authors' first stage, photometric loss only.

They never released the second stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from baselines.x2face.activity import DEAD_DRIVER, DriverActivity
from baselines.x2face.network import PRESETS, X2FaceConfig, X2FaceNet, build, parameter_counts
from thbench.data.episodes import Episodes
from thbench.errors import ThbenchError
from thbench.training.alarms import Alarm
from thbench.training.plan import Phase
from thbench.training.trainer import VideoShare


@dataclass(frozen=True)
class X2FaceTraining:
    """Everything that decides what a step computes; defaults are the authors'."""

    net: X2FaceConfig = field(default_factory=X2FaceConfig)
    start: Literal["authors", "identity"] = "authors"  # identity: both networks warp hardly at all
    shots: int = 1  # one view is the source, the target is the driver
    single_source_steps: int = 0  # the first steps take one source, whatever `shots` is
    batch: int = 16
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = 1e-3
    lower_rate_from: int | None = None  # from this step on a tenth of the rate
    momentum: float = 0.9  # of SGD; beta1 of Adam
    epochs: int = 75  # as ours; of the authors: at most 3000 times at most 2000 steps

    @property
    def size_px(self) -> int:
        return self.net.size_px

    def without_fetched_weights(self) -> X2FaceTraining:
        return self  # its loss looks at pixels


def x2face_training(preset_name: str) -> X2FaceTraining:
    """The configuration of a preset: `paper` as the authors trained, `small` for 64 pixels."""
    if preset_name not in PRESETS:
        raise ThbenchError(f"x2face has no preset {preset_name!r}; known are {', '.join(PRESETS)}")
    if preset_name == "small":
        # For half an hour on one core. The authors' SGD learns next to nothing in that time, and
        # a hundred times their rate silences the driving network for good. Several sources come
        # late: until one source is warped well, the mean of several is a blur that teaches little.
        return X2FaceTraining(
            PRESETS["small"],
            start="identity",
            shots=3,
            single_source_steps=6000,
            batch=8,
            optimiser="adam",
            lower_rate_from=8500,
        )
    return X2FaceTraining()


class X2FaceTrainer:
    """Both networks and their optimiser; one `step` updates all of them (see training.loop)."""

    kind: ClassVar[str] = "x2face"
    alarms: ClassVar[Sequence[Alarm]] = (DEAD_DRIVER,)
    presets: ClassVar[Sequence[str]] = tuple(PRESETS)
    variants: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    configure = staticmethod(x2face_training)

    @staticmethod
    def parameter_counts(preset: str) -> dict[str, int]:
        return parameter_counts(x2face_training(preset).net)

    def __init__(self, config: X2FaceTraining, videos: VideoShare, fabric: Fabric) -> None:
        self.config, self.fabric, self.steps = config, fabric, 0
        net = build(config.net)
        net.initialise()
        if config.start == "identity":
            net.start_near_the_identity()

        self.activity = DriverActivity(net)
        # The same numbers, a quarter less time on a CPU.
        self.net: Any = fabric.setup_module(net.to(memory_format=torch.channels_last))
        self.optimiser: Any = fabric.setup_optimizers(_optimiser(net, config))

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One view drives the other, of the same video; L1 to the driver."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.steps, self.config)

        total = 0.0
        for index, part in enumerate(episodes):
            with self.fabric.no_backward_sync(self.net, enabled=index < len(episodes) - 1):
                target = part.target / 255
                loss = F.l1_loss(self.net(target, self._sources(part)), target) / len(episodes)
                self.fabric.backward(loss)
            total += loss.item()

        self.optimiser.step()
        self.optimiser.zero_grad()
        self.steps += 1
        return {"l1": total, **self.activity.take()}

    def phases(self) -> list[Phase]:
        return [Phase(1, "L1 to the driving frame")]

    def preview(self, episodes: Episodes) -> Tensor:
        self.net.eval()
        with torch.no_grad():
            driven: Tensor = self.net(episodes.target / 255, episodes.shots / 255)
        return driven * 2 - 1

    def model(self) -> dict[str, Tensor]:
        """The authors' state_dict layout."""
        state: dict[str, Tensor] = self.net.module.state_dict()
        return state

    def shared_state(self) -> dict[str, Any]:
        return {
            "net": self.net.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
        }

    def rank_state(self) -> dict[str, Any]:
        """Nothing: all processes share one network."""
        return {}

    def row_state(self) -> dict[str, Tensor]:
        """Nothing: no weight belongs to a training video."""
        return {}

    def load_states(
        self, shared: Mapping[str, Any], rank: Mapping[str, Any], rows: Mapping[str, Tensor]
    ) -> None:
        self.net.module.load_state_dict(shared["net"])
        self.optimiser.load_state_dict(shared["optimiser"])
        self.steps = shared["steps"]

    def _sources(self, part: Episodes) -> Tensor:
        """float [B, K, 3, S, S] in [0, 1]; K is 1 during `single_source_steps`."""
        single = self.steps < self.config.single_source_steps
        return (part.shots[:, :1] if single else part.shots) / 255


def learning_rate(step: int, config: X2FaceTraining) -> float:
    """The rate of a step, counted from 0."""
    lowered = config.lower_rate_from is not None and step >= config.lower_rate_from
    return config.learning_rate / 10 if lowered else config.learning_rate


def _optimiser(net: X2FaceNet, config: X2FaceTraining) -> torch.optim.Optimizer:
    if config.optimiser == "adam":
        return torch.optim.Adam(
            net.parameters(), lr=config.learning_rate, betas=(config.momentum, 0.999)
        )
    return torch.optim.SGD(net.parameters(), lr=config.learning_rate, momentum=config.momentum)
