"""Training X2Face from scratch: its authors' first stage, photometric loss only; they never released the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor

from baselines.x2face.network import PRESETS, X2FaceConfig, build, parameter_counts
from thbench.data.episodes import Episodes
from thbench.errors import ThbenchError
from thbench.training.alarms import Alarm


@dataclass(frozen=True)
class X2FaceTraining:
    """Everything that decides what a step computes; defaults are the authors'."""

    net: X2FaceConfig = field(default_factory=X2FaceConfig)
    shots: int = 1             # one view is the source, the target is the driver
    batch: int = 16
    learning_rate: float = 1e-3
    momentum: float = 0.9
    epochs: int = 75           # as ours; the authors give an upper bound only: 3000 times at most 2000 steps

    @property
    def size_px(self) -> int:
        return self.net.size_px


def x2face_training(preset_name: str) -> X2FaceTraining:
    """The configuration of a preset: `paper` as the authors trained, `small` for 64 pixels on a CPU."""
    if preset_name not in PRESETS:
        raise ThbenchError(f"x2face has no preset {preset_name!r}; known are {', '.join(PRESETS)}")
    if preset_name == "small":
        # Three sources: trained with one, the mean of the faces that many shots give is blurred.
        return X2FaceTraining(PRESETS["small"], shots=3, batch=8, learning_rate=0.1)
    return X2FaceTraining()


class X2FaceTrainer:
    """Both networks and their optimiser; one `step` is one update of all of them (see training.loop)."""

    kind: ClassVar[str] = "x2face"
    alarms: ClassVar[tuple[Alarm, ...]] = ()
    configure = staticmethod(x2face_training)
    parameter_counts = staticmethod(lambda config: parameter_counts(config.net))

    def __init__(self, config: X2FaceTraining, videos: int, fabric: Fabric) -> None:
        self.config, self.fabric = config, fabric
        net = build(config.net)
        net.initialise()
        self.net: Any = fabric.setup_module(net)
        self.optimiser: Any = fabric.setup_optimizers(
            torch.optim.SGD(self.net.parameters(), lr=config.learning_rate, momentum=config.momentum))

    def step(self, episodes: list[Episodes]) -> dict[str, float]:
        """One view drives the other, of the same video; L1 to the driver."""
        self.net.train()
        total = 0.0
        for index, part in enumerate(episodes):
            with self.fabric.no_backward_sync(self.net, enabled=index < len(episodes) - 1):
                target = part.target / 255
                loss = F.l1_loss(self.net(target, part.shots / 255), target) / len(episodes)
                self.fabric.backward(loss)
            total += loss.item()
        self.optimiser.step()
        self.optimiser.zero_grad()
        return {"l1": total}

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
        return {"net": self.net.module.state_dict(), "optimiser": self.optimiser.state_dict()}

    def rank_state(self) -> dict[str, Any]:
        """Nothing: all processes share one network."""
        return {}

    def load_states(self, shared: Mapping[str, Any], rank: Mapping[str, Any]) -> None:
        self.net.module.load_state_dict(shared["net"])
        self.optimiser.load_state_dict(shared["optimiser"])
