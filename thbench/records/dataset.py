"""dataset.json: what a prepared store holds, written last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thbench.records.decode import REST, decode

_REMEDY = "prepare the dataset again"


@dataclass(frozen=True)
class ShardRecord:
    """A tar of frames, by its path in the store.

    rows_sha256, rows_bytes: of its part of the index; stores with one index for all have none.
    """

    file: str
    frames: int
    sha256: str
    rows_sha256: str = ""
    rows_bytes: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for a digest that is not one."""
        bytes.fromhex(self.sha256)


@dataclass(frozen=True)
class RecipeRecord:
    """What readers of a store need to know of how its frames were made; more: all else.

    quality: JPEG's, None where that is not recorded. packed_sha256: of the dataset that was packed
    as it is. pictures: what the frames show, where that is said; see `thbench.pictures`. in_videos:
    frames stay in the videos below `source`, a path from the store.
    """

    layout: str
    lossless: bool
    crop: str = "as-is"
    quality: int | None = None
    packed_sha256: str | None = None
    pictures: str | None = None
    in_videos: bool = False
    source: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict, metadata=REST)


@dataclass(frozen=True)
class DatasetInfo:
    """The whole of dataset.json.

    recipe and landmarks: how the frames were made, as it is written; split: the rule that chose the
    test persons, and who they are; dropped: reason -> count. files: the sha256 of the store's
    tables by name; empty in stores of before that was recorded. videos_bytes: of the table of
    videos.
    """

    format: int
    size_px: int
    sha256: str
    recipe: Mapping[str, Any]
    landmarks: Mapping[str, Any]
    split: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]
    dropped: Mapping[str, int]
    frames_with_several_faces: int
    shards: list[ShardRecord]
    files: Mapping[str, str] = field(default_factory=dict)
    videos_bytes: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for a size that no frame has, or where it does not say how the frames
        were made.
        """
        if not 1 <= self.size_px <= 65_535:
            raise ValueError(f"has frames of {self.size_px} pixels")
        for name, held, needed in (
            ("recipe", self.recipe, {"layout", "lossless"}),
            ("landmarks", self.landmarks, {"source"}),
            ("split", self.split, {"rule"}),
        ):
            if not needed <= held.keys():
                raise ValueError(f"lacks {', '.join(sorted(needed - held.keys()))} in {name}")

    @property
    def made(self) -> RecipeRecord:
        """The recipe; raises `ThbenchError` where a value of it has the wrong type."""
        return decode(RecipeRecord, dict(self.recipe), "dataset.json: recipe", _REMEDY)
