"""answers/manifest.json: which frames are asked of a system that runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from thbench.method import DrivesWith

FORMAT: Literal[1] = 1
MANIFEST = "manifest.json"

About = Mapping[str, Mapping[str, str]]  # protocol and dataset -> name and sha256


@dataclass(frozen=True)
class AskedFrame:
    """A frame, by its file name, and the sha256 of the landmarks that drive it."""

    name: str
    landmarks_sha256: str


@dataclass(frozen=True)
class AskedEpisode:
    """One task; folder: where its frames go, relative to the manifest."""

    folder: str
    video: str
    T: int
    size_px: int
    shots_sha256: str
    frames: list[AskedFrame]


@dataclass(frozen=True)
class Manifest:
    """The whole of manifest.json. about: where the episodes came from."""

    format: Literal[1]
    about: About
    drives_with: DrivesWith
    episodes: list[AskedEpisode]
