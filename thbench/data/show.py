"""What a dataset holds, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thbench.data.dataset import Dataset, videos_of
from thbench.data.finish import told
from thbench.data.open import open_dataset
from thbench.data.store import PreparedStore


def description(spec: str) -> dict[str, Any]:
    """Counts per split of any dataset; for a prepared one also its recipe, landmarks, split rule and drops."""
    dataset = open_dataset(spec)
    shown: dict[str, Any] = {"name": dataset.name, "size_px": dataset.size_px, "sha256": dataset.sha256,
                             "counts": {split: _counts(dataset, split) for split in ("train", "test")}}
    if isinstance(dataset, PreparedStore):
        shown |= {key: dataset.info[key] for key in ("recipe", "landmarks", "split", "dropped",
                                                     "frames_with_several_faces")}
    return shown


def text(shown: Mapping[str, Any]) -> str:
    """`description` in a few lines."""
    lines = [f"{shown['name']}: {shown['size_px']} pixels, sha256 {shown['sha256']}"]
    for split, counts in shown["counts"].items():
        lines.append(f"  {split:5}  {counts['persons']} persons, {counts['videos']} videos, {counts['frames']} frames"
                     + (f" ({counts['frames_per_video'][0]} to {counts['frames_per_video'][1]} a video)"
                        if counts["videos"] else ""))
    if "recipe" in shown:
        recipe = shown["recipe"]
        form = "PNG" if recipe["lossless"] else f"JPEG quality {recipe.get('quality', 'unknown')}"
        lines += [f"  split      {shown['split']['rule']}",
                  f"  landmarks  {shown['landmarks']['source']}",
                  f"  frames     {recipe['layout']}, crop {recipe.get('crop', 'as-is')}, {form}",
                  f"  dropped    {told(shown['dropped']) or 'nothing'}",
                  f"  several faces in {shown['frames_with_several_faces']} frames: the largest was kept"]
    return "\n".join(lines)


def _counts(dataset: Dataset, split: Any) -> dict[str, Any]:
    videos = videos_of(dataset, split)
    frames = [video.n_frames for video in videos]
    return {"persons": len({video.person for video in videos}), "videos": len(videos), "frames": sum(frames),
            "frames_per_video": [min(frames), max(frames)] if frames else []}
