"""`thbench prepare` as a person sees it: how far it is, and a report of what came out."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from thbench.data.prepare.crop import CropPolicy
from thbench.data.prepare.extract import Recipe
from thbench.data.prepare.prepare import Part, prepare
from thbench.data.prepare.preview import preview
from thbench.data.splits import SplitRule
from thbench.progress import counter

CROPS: dict[str, CropPolicy] = {
    "vox1-frames": "as-is",
    "vox-mp4": "as-is",
    "videos": "per-clip",
    "frames": "per-frame",
    "videos-flat": "per-clip",
    "photos-flat": "per-frame",
}


def run(
    layout: str,
    source: Path,
    out: Path,
    test_persons: tuple[str, ...],
    test_fraction: float,
    seed: int,
    workers: int | None,
    device: str,
    shard_index: int,
    num_shards: int,
    crop: CropPolicy | None,
    quiet: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    **recipe: Any,
) -> str:
    """Prepares and returns the report. See `thbench.data.prepare.prepare` for the errors."""
    if dry_run:
        return preview(layout, source, recipe["follow_links"])
    frames = 0
    started = time.monotonic()
    with counter(f"prepare {layout}", quiet) as count:

        def advance(done: int, total: int, new_frames: int) -> None:
            nonlocal frames
            frames += new_frames
            count(done, total, f"{frames} frames")

        finished = prepare(
            source,
            out,
            Recipe(layout, crop=crop or CROPS[layout], **recipe),
            SplitRule(test_persons, test_fraction, seed),
            workers or os.cpu_count() or 1,
            Part(shard_index, num_shards),
            device,
            advance,
            overwrite,
        )
    took = f"{frames} frames in {time.monotonic() - started:.1f} s"
    if not finished:
        return f"{took}; this machine's part is done, other machines still have shards to make"
    from thbench.data.show import description, text  # needs torch, which preparing does not

    return f"{took}\n{text(description(str(out)))}"
