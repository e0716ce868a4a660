"""What every protocol says and does, whatever its kind.

Protocols are listed and shown without PyTorch, so kinds import it where they read frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.records.encode import encode
from thbench.records.run import Kind
from thbench.records.split import DrawnVideo, Split
from thbench.records.summary import Cluster

if TYPE_CHECKING:
    from thbench.data.dataset import Dataset
    from thbench.method import Frames

# The values that one kind alone has, and what run.json says of them in protocols of other kinds.
OF_ONE_KIND: Mapping[Kind, Mapping[str, Any]] = {
    "self-reenactment": {
        "holdout_rule": "part",
        "drive_rule": "spread",
        "shot_rule": "spread",
        "identity": "frame",
    },
    "cross-reenactment": {"driven_by": "", "drivers": 1, "rank_by": "", "adapt_landmarks": False},
    "timing": {"iterations": 100, "warmup": 10},
}
_ABSENT = {key: value for values in OF_ONE_KIND.values() for key, value in values.items()}

_STORED_FIRST = ("name", "kind", "version", "source", "methods", "T", "metrics", "dataset")
_STORED_NEXT = ("videos", "holdout", "holdout_rule", "cluster", "seed", "driven_by", "drivers")
_STORED_LAST = ("rank_by", "iterations", "warmup", "drive_rule", "shot_rule", "identity")
_STORED = (*_STORED_FIRST, *_STORED_NEXT, *_STORED_LAST, "names", "adapt_landmarks")

# Values that protocols had no choice about at first: as they were then, they change no identity.
_AT_FIRST = {
    "drive_rule": "spread",
    "shot_rule": "spread",
    "identity": "frame",
    "adapt_landmarks": False,
}

_NOT_MEASURED = frozenset(
    {"name", "source", "dataset", "methods", "metrics", "rank_by", "T", "cluster", "names"}
)


@dataclass(frozen=True)
class MethodEntry:
    """A method of a protocol: its row's label, what to load (`ours-ft`), and settings of its
    few-shot learning.

    own_checkpoint: its model differs from that of other methods of the same spec, so only
    `--checkpoint LABEL=PATH` names it.
    """

    label: str
    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    own_checkpoint: bool = False


@dataclass(frozen=True, kw_only=True)
class Definition(ABC):
    """What an experiment measures. See protocols/definitions/ for the paper's.

    Each kind of protocol is a subclass with the values that it alone has, and says how its split is
    drawn and checked, what drives a head, and which frames the row "real" shows.
    """

    kind: ClassVar[Kind]
    measures: ClassVar[Literal["frames", "time"]] = "frames"
    takes_sources: ClassVar[bool] = False
    """Whether heads may be learned from another dataset than the one that drives them."""
    has_true_frames: ClassVar[bool] = True
    """Whether the driving frames are what a perfect head would show."""

    name: str
    version: int
    source: str  # where the experiment is described
    methods: tuple[MethodEntry, ...] = ()
    T: tuple[int, ...]
    metrics: tuple[str, ...] = ()
    dataset: str = ""  # used when no --dataset is given
    videos: int = 50
    holdout: int = 32
    cluster: Cluster = "person"  # what standard errors leave out as one
    seed: int = 0
    names: str = ""  # a list of clips (`thbench protocols import`), for protocols by name

    def __post_init__(self) -> None:
        """Raises `ThbenchError` for values that no experiment has."""
        if problem := self.problem():
            raise ThbenchError(f"protocol {self.name!r}: {problem}")

    @abstractmethod
    def draw(self, dataset: Dataset, sources: Dataset | None = None) -> Split:
        """The test videos and their frames.

        sources: whose test videos heads are learned from; by default those of the dataset. Raises
        `ThbenchError` when a dataset has too few videos or frames.
        """

    @abstractmethod
    def drive(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The frames that drive a head and that its results are compared with, in the order of the
        hold-out.
        """

    @abstractmethod
    def floor(self, dataset: Dataset, video: DrawnVideo) -> Frames:
        """The frames of the row "real", one for each hold-out frame."""

    @abstractmethod
    def check(self, video: DrawnVideo) -> str | None:
        """Why a video of somebody's split is not one that this protocol draws, or None."""

    @property
    def holdout_frames(self) -> int:
        """Hold-out frames of each video of the split."""
        return self.holdout

    @property
    def identity_by_shots(self) -> bool:
        """Whether metrics of identity compare a face with the shots, not with the true frame."""
        return not self.has_true_frames

    @property
    def ranked_by(self) -> str:
        """The metric that ranks driving videos, "" where nothing is ranked."""
        return ""

    @property
    def not_measured(self) -> Set[str]:
        """The stored values that make no other experiment; see `sha256`."""
        return _NOT_MEASURED

    def problem(self) -> str:
        """What is wrong with the values, or an empty string."""
        labels = [method.label for method in self.methods]
        if not self.T or min(self.T) < 1 or len(set(self.T)) < len(self.T):
            return f"T = {list(self.T)} must be different numbers from 1"
        if min(self.videos, self.holdout) < 1:
            return "videos and holdout must be at least 1"
        if self.seed < 0:
            return "seed must be at least 0"
        if len(set(labels)) < len(labels):
            return f"two methods have the same label in {labels}"
        if "real" in labels or "" in labels:
            return "no method may be labelled 'real' or ''"
        return ""

    @property
    def sha256(self) -> str:
        """The identity of the measurement: runs that share it may share a table.

        Not in it: name and description, dataset, methods, metrics, how drivers are ranked, how
        errors are clustered, and the single values of T. The largest T counts, because it decides
        which frames are shots.
        """
        measured = {
            key: value
            for key, value in self.described().items()
            if key not in self.not_measured and (key, value) not in _AT_FIRST.items()
        }
        return sha256_json({**measured, "shots": max(self.T)})

    def described(self) -> dict[str, Any]:
        """The definition as run.json keeps it: plain JSON values, the same keys for every kind."""
        own = {**_ABSENT, "kind": self.kind, **encode(self)}
        return {key: own[key] for key in _STORED}

    def drives(self, drive: Frames, shots: Frames, video: DrawnVideo) -> Frames:
        """What a head learned from the shots is driven with: by default the driving frames."""
        return drive

    def in_words(self, sources: str) -> list[str]:
        """The lines of `thbench runs show` that only this kind has; sources: what they are."""
        return []

    def with_values(self, **changes: Any) -> Self:
        """A copy with the given values changed, those that are None left alone.

        Raises `ThbenchError` for a value that protocols of this kind do not have.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        if problem := of_another_kind(self.kind, given):
            raise ThbenchError(f"protocol {self.name!r}: {problem}")
        return replace(self, **given)


def of_another_kind(kind: str, names: Container[str]) -> str:
    """To which kind values belong that protocols of `kind` do not have; "" if there are none."""
    for other, values in OF_ONE_KIND.items():
        if other != kind and any(name in names for name in values):
            *first, last = values
            told = f"{', '.join(first)} and {last} belong" if first else f"{last} belongs"
            return f'{told} to kind = "{other}"'
    return ""
