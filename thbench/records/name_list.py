"""A list of the clips that a published evaluation uses, and of its pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FORMAT: Literal[1] = 1


@dataclass(frozen=True)
class NamedPair:
    """A frame to learn a head from and one that drives it: clip ("person/video") and position."""

    source: str
    source_frame: int
    driving: str
    driving_frame: int

    def __post_init__(self) -> None:
        """Raises `ValueError` for a frame at a negative position."""
        if min(self.source_frame, self.driving_frame) < 0:
            raise ValueError("names a frame at a negative position")


@dataclass(frozen=True, kw_only=True)
class NameList:
    """clips: "person/video", sorted; pairs in the order of the list, none where it has only clips.

    file, sha256: of the original. layout: how its names are read.
    """

    format: Literal[1] = FORMAT
    name: str
    file: str
    sha256: str
    layout: str
    clips: list[str]
    pairs: list[NamedPair] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises `ValueError` for a list without names, or with a name twice."""
        if not self.clips:
            raise ValueError("names no clip")
        if len(set(self.clips)) < len(self.clips):
            raise ValueError("names a clip twice")
