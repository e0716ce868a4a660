"""What a dataset holds, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from thbench.data.dataset import Dataset, videos_of
from thbench.data.open import open_dataset
from thbench.data.prepare.crop import pixels_outside
from thbench.data.prepare.finish import told
from thbench.data.store.places import LocalPlace
from thbench.data.store.prepared import PreparedStore


@dataclass(frozen=True)
class Outside:
    """Frames with landmarks outside their pixels.

    most_landmarks: of the 68, in the frame with most. farthest_px: of any, in pixels of the frames.
    """

    frames: int
    most_landmarks: int
    farthest_px: float

    @property
    def text(self) -> str:
        if not self.frames:
            return "no landmark lies outside its frame"
        return (
            f"{self.frames} frame{'s have' if self.frames > 1 else ' has'} landmarks outside: "
            f"at most {self.most_landmarks} of 68, up to {self.farthest_px:.1f} pixels"
        )


def description(spec: str) -> dict[str, Any]:
    """Counts per split of any dataset; of a prepared one also how it was made."""
    dataset = open_dataset(spec)
    shown: dict[str, Any] = {
        "name": dataset.name,
        "size_px": dataset.size_px,
        "sha256": dataset.sha256,
        "counts": {split: _counts(dataset, split) for split in ("train", "test")},
        "pupils": dataset.read(dataset.videos[0], [0]).pupils is not None,
    }
    if isinstance(dataset, PreparedStore):
        info = dataset.info
        shown |= {
            "recipe": info.recipe,
            "landmarks": info.landmarks,
            "split": info.split,
            "dropped": info.dropped,
            "frames_with_several_faces": info.frames_with_several_faces,
        }
        here = isinstance(dataset.place, LocalPlace)  # elsewhere, all of the index would be sent
        shown["landmarks_outside"] = asdict(_outside(dataset)) if here else None
    return shown


def text(shown: Mapping[str, Any]) -> str:
    """`description` in a few lines."""
    lines = [f"{shown['name']}: {shown['size_px']} pixels, sha256 {shown['sha256']}"]
    for split, counts in shown["counts"].items():
        line = (
            f"  {split:5}  {counts['persons']} persons, {counts['videos']} videos, "
            f"{counts['frames']} frames"
        )
        if counts["videos"]:
            fewest, most = counts["frames_per_video"]
            line += f" ({fewest} to {most} a video)"
        lines.append(line)

    pupils = ", with pupils" if shown["pupils"] else ""
    if "recipe" in shown:
        recipe, outside = shown["recipe"], shown["landmarks_outside"]
        form = "PNG" if recipe["lossless"] else f"JPEG quality {recipe.get('quality', 'unknown')}"
        if recipe.get("in_videos"):
            form = "decoded from the videos"
        lines += [
            f"  split      {shown['split']['rule']}",
            f"  landmarks  {shown['landmarks']['source']}{pupils}",
            f"  frames     {recipe['layout']}, crop {recipe.get('crop', 'as-is')}, {form}",
            f"  dropped    {told(shown['dropped']) or 'nothing'}",
            f"  outside    {Outside(**outside).text if outside else 'not counted behind a URL'}",
            f"  several faces in {shown['frames_with_several_faces']} frames: the largest was kept",
        ]
    return "\n".join(lines)


def _outside(store: PreparedStore) -> Outside:
    """Read shard by shard: an index of a million frames fits no small memory."""
    frames = most = 0
    farthest_px = 0.0
    for flat in store.all_landmarks():
        outside_px = pixels_outside(flat.reshape(-1, 68, 2), store.size_px)
        counts = np.count_nonzero(outside_px, axis=1)
        frames += int(np.count_nonzero(counts))
        most = max(most, int(counts.max(initial=0)))
        farthest_px = max(farthest_px, float(outside_px.max(initial=0)))
    return Outside(frames, most, farthest_px)


def _counts(dataset: Dataset, split: Any) -> dict[str, Any]:
    videos = videos_of(dataset, split)
    frames = [video.n_frames for video in videos]
    return {
        "persons": len({video.person for video in videos}),
        "videos": len(videos),
        "frames": sum(frames),
        "frames_per_video": [min(frames), max(frames)] if frames else [],
    }
