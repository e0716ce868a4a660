"""The one name of a test video, "person/video": in files, tables and on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def video_key(person: str, video: str) -> str:
    """The key of one video."""
    return f"{person}/{video}"


def video_keys(frames: pd.DataFrame) -> pd.Series[str]:
    """The key of each row's video, from the columns person and video."""
    return frames["person"].astype(str) + "/" + frames["video"].astype(str)
