"""`thbench prepare` as a person sees it: how far it is, and a report of what came out."""

from __future__ import annotations

import time
from pathlib import Path

from thbench.data.prepare.crop import CropPolicy
from thbench.data.prepare.extract import Recipe
from thbench.data.prepare.prepare import Part, prepare
from thbench.data.splits import SplitRule
from thbench.engine import Engine, on_device
from thbench.progress import counter

CROPS: dict[str, CropPolicy] = {
    "vox1-frames": "as-is",
    "vox-mp4": "as-is",
    "videos": "per-clip",
    "frames": "per-frame",
    "videos-flat": "per-clip",
    "photos-flat": "per-frame",
    "vox-flat": "as-is",
    "hdtf": "per-clip",
    "vfhq": "as-is",
    "th1kh": "per-clip",
    "celebv-hq": "as-is",
}


def run(
    source: Path,
    out: Path,
    recipe: Recipe,
    split: SplitRule,
    part: Part,
    workers: int | None,
    device: str,
    engine: Engine,
    quiet: bool = False,
    overwrite: bool = False,
) -> str:
    """Prepares and returns the report; see `thbench.data.prepare.prepare` for the errors.

    workers: None for one process per core, of this machine or of the cluster.
    """
    frames = 0
    started = time.monotonic()

    with counter(f"prepare {recipe.layout}", quiet) as count:

        def advance(done: int, total: int, new_frames: int) -> None:
            nonlocal frames
            frames += new_frames
            count(done, total, f"{frames} frames")

        placed = on_device(engine, device)
        finished = prepare(
            source, out, recipe, split, workers, part, device, advance, overwrite, placed
        )

    took = f"{frames} frames in {time.monotonic() - started:.1f} s"
    if not finished:
        return f"{took}; this machine's part is done, other machines still have shards to make"

    from thbench.data.show import description, text  # needs torch, which preparing does not

    return f"{took}\n{text(description(str(out)))}"
