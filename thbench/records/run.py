"""run.json: what was planned, by whom, with what. Format 1 since the first version; later keys have
defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from thbench.pictures import Pictures
from thbench.records.decode import REST
from thbench.records.encode import WHERE_SAID
from thbench.records.split import Split

FORMAT = 1
Kind = Literal["self-reenactment", "cross-reenactment", "timing"]
Status = Literal["running", "scoring", "complete", "failed"]


@dataclass(frozen=True)
class ProtocolRecord:
    """definition: the protocol as its TOML has it; sha256 is that of what it measures."""

    name: str
    kind: Kind
    sha256: str
    definition: Mapping[str, Any]

    @property
    def rank_by(self) -> str:
        """The metric that ranks drivers, "" where the protocol names none."""
        return str(self.definition.get("rank_by") or "")

    @property
    def holdout_rule(self) -> str:
        """Where hold-out frames lie beside the shots; "interleaved" before that was a choice."""
        return str(self.definition.get("holdout_rule", "interleaved"))

    @property
    def shot_rule(self) -> str:
        """Which frames are shots; "spread" before that was a choice."""
        return str(self.definition.get("shot_rule", "spread"))


@dataclass(frozen=True)
class DatasetRecord:
    """spec: how to open it again, as `--dataset` takes it. label: its name in tables.

    pictures: what its frames show; None in runs of before that was recorded.
    """

    name: str
    sha256: str
    size_px: int
    label: str
    spec: str
    pictures: Pictures | None = None


@dataclass(frozen=True)
class LeftOutRecord:
    """A photograph that could not be used."""

    file: str
    reason: str


@dataclass(frozen=True)
class SourcesRecord:
    """What heads were learned from, where it was not the dataset itself."""

    name: str
    sha256: str
    spec: str
    pictures: Pictures | None = None
    left_out: list[LeftOutRecord] = field(default_factory=list)


@dataclass(frozen=True)
class CheckpointRecord:
    """A method's model file, training folder or answers. more: what else the method says of it."""

    path: str
    sha256: str
    more: Mapping[str, Any] = field(default_factory=dict, metadata=REST)


@dataclass(frozen=True, kw_only=True)
class MethodRecord:
    """A method of the run: how to load it again, what it looked at, and what it says of itself.

    Methods come from other packages too: more is what they add.
    """

    spec: str
    drives_with: Literal["landmarks", "image"]
    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    own_checkpoint: bool = False
    checkpoint: CheckpointRecord | None
    notes: list[str]
    more: Mapping[str, Any] = field(default_factory=dict, metadata=REST)


@dataclass(frozen=True)
class SessionRecord:
    """One call of the program that worked on the run."""

    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    device: str
    git_commit: str | None
    created_utc: str


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The whole of run.json; versions, hardware, device, commit and time are of the first session.

    scored: the sha256 of every file with numbers, by its path in the run.
    """

    format: int
    protocol: ProtocolRecord
    dataset: DatasetRecord
    sources: SourcesRecord | None = None
    T: list[int]
    methods: Mapping[str, MethodRecord]
    metrics: list[str]
    split: Split
    status: Status
    partial: bool
    seeds: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    device: str
    git_commit: str | None
    created_utc: str
    sessions: list[SessionRecord] = field(default_factory=list)
    scored: Mapping[str, str] = field(default_factory=dict, metadata=WHERE_SAID)

    def __post_init__(self) -> None:
        """Raises `ValueError` when nothing is measured, or where the split lacks the shots."""
        if not self.methods or not self.T:
            raise ValueError("names no method or no T")
        if min(self.T) < 1 or max(self.T) > self.split.shots or len(set(self.T)) < len(self.T):
            raise ValueError(
                f"has T = {self.T}, which must be different numbers from 1 to {self.split.shots}"
            )
