"""What the loop needs of a method, and the registry of trainers (`thbench.trainers`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from lightning.fabric import Fabric
from torch import Tensor

from thbench.data.episodes import Episodes
from thbench.plugins import load_plugin
from thbench.training.alarms import Alarm
from thbench.training.plan import Phase

ENTRY_POINTS = "thbench.trainers"


class TrainingConfig(Protocol):
    """Everything that decides what a step computes: a frozen dataclass with at least these."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def size_px(self) -> int:
        """Height and width of the frames."""
        ...

    @property
    def shots(self) -> int:
        """Frames of an episode beside the target."""
        ...

    @property
    def batch(self) -> int:
        """Episodes per step, over all processes."""
        ...

    @property
    def epochs(self) -> int | None:
        """Passes over the training videos when no number of steps is given."""
        ...

    def without_fetched_weights(self) -> Self:
        """The same arithmetic, with seeded weights where others would have to be fetched."""
        ...


@dataclass(frozen=True)
class VideoShare:
    """The training videos that one process draws from: their numbers, ascending, of `total`.

    `Episodes.video` holds such numbers.
    """

    own: Sequence[int]
    total: int

    @classmethod
    def whole(cls, total: int) -> VideoShare:
        """All videos, of a training in one process."""
        return cls(range(total), total)


@runtime_checkable
class DrawsPupils(Protocol):
    """A configuration that says whether landmark images show pupils; elsewhere they show none."""

    @property
    def draws_pupils(self) -> bool: ...


class Trainer(Protocol):
    """The networks of a method with their optimisers.

    Modules that all processes share go through `fabric.setup_module`.
    """

    kind: ClassVar[str]
    """What model files of this method are called ("ours", "x2face")."""

    alarms: ClassVar[Sequence[Alarm]]
    """What is held against the values of each step."""

    presets: ClassVar[Sequence[str]]
    """What `configure` takes."""

    variants: ClassVar[Mapping[str, Mapping[str, str]]]
    """The settings of each `--variant`, as `--set` takes them."""

    def __init__(self, config: Any, videos: VideoShare, fabric: Fabric) -> None:
        """config: what `configure` makes. videos: those of this process."""
        ...

    @staticmethod
    def configure(preset: str) -> TrainingConfig:
        """The configuration of a preset; raises `ThbenchError` for an unknown one."""
        ...

    @staticmethod
    def parameter_counts(preset: str) -> dict[str, int]:
        """Trainable parameters of each network, counted without allocating any."""
        ...

    @property
    def config(self) -> TrainingConfig: ...

    def step(self, episodes: list[Episodes]) -> Mapping[str, float]:
        """One optimisation step over these micro-batches (accumulated).

        Returns what is logged: losses ("cnt") and diagnostics, whose names have a slash
        ("embedding/mean").
        """
        ...

    def phases(self) -> Sequence[Phase]:
        """What the training does, in order; the first phase begins with step 1."""
        ...

    def preview(self, episodes: Episodes) -> Tensor:
        """One reconstruction per episode, [B, 3, S, S] in [-1, 1], without training."""
        ...

    def model(self) -> dict[str, Tensor]:
        """The tensors of the model file that methods load."""
        ...

    def shared_state(self) -> dict[str, Any]:
        """Everything that is equal in all processes and needed to go on: modules, optimisers."""
        ...

    def rank_state(self) -> dict[str, Any]:
        """Everything that each process keeps for itself (the discriminator); may be empty.

        With another number of processes a training goes on from that of process 0.
        """
        ...

    def row_state(self) -> dict[str, Tensor]:
        """Everything that is kept for each training video, [videos, ...], of the videos of this
        process in their order; may be empty.
        """
        ...

    def load_states(
        self, shared: Mapping[str, Any], rank: Mapping[str, Any], rows: Mapping[str, Tensor]
    ) -> None:
        """Goes on from what `shared_state`, `rank_state` and `row_state` returned."""
        ...


def load_trainer(method: str) -> type[Trainer]:
    """The trainer registered for `method`; raises `ThbenchError` naming the nearest known one."""
    trainer: type[Trainer] = load_plugin(ENTRY_POINTS, method, "trainer")
    return trainer
