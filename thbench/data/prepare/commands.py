"""`thbench prepare`: real frames or videos become a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import FILE, QUIET, SeveralValues, takes_engine

if TYPE_CHECKING:
    from thbench.data.prepare.crop import CropPolicy
    from thbench.engine import Engine


@click.command(cls=SeveralValues)
@click.argument(
    "layout",
    type=click.Choice(
        ["vox1-frames", "vox-mp4", "videos", "frames", "videos-flat", "photos-flat"]
        + ["vox-flat", "hdtf", "vfhq", "th1kh", "celebv-hq"]
    ),
)
@click.argument("source", metavar="SRC", type=FILE)
@click.argument("out", metavar="OUT", type=FILE)
@click.option(
    "--size",
    "size_px",
    default=256,
    show_default=True,
    help="Side of the prepared frames in pixels.",
)
@click.option(
    "--landmarks",
    default="auto",
    show_default=True,
    help="auto, dlib, face-alignment, face-alignment-3d, or import:DIR for landmarks that you "
    "have.",
)
@click.option(
    "--crop",
    type=click.Choice(["as-is", "per-frame", "per-clip"]),
    help="as-is: the frames are face crops; per-frame: a square around each face; "
    "per-clip: one square, wide enough for the head wherever it moves.  [default: as-is "
    "for the VoxCeleb layouts, per-clip for videos, per-frame for frames]",
)
@click.option(
    "--margin", default=2.0, show_default=True, help="Side of the crop in extents of the landmarks."
)
@click.option(
    "--max-outside",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="Share of the 68 landmarks that may lie outside a frame; it is dropped beyond.",
)
@click.option("--fps", type=float, help="Frames per second to take of a video.  [default: all]")
@click.option(
    "--frames-per-clip",
    type=click.IntRange(1),
    help="Frames to take of each clip, evenly.  [default: all]",
)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of the JPEGs."
)
@click.option("--lossless", is_flag=True, help="PNG instead of JPEG.")
@click.option(
    "--in-videos",
    is_flag=True,
    help="Write no frames: OUT holds landmarks and crops, frames are decoded from SRC's videos "
    "when they are read.",
)
@click.option("--follow-links", is_flag=True, help="Take what links point to, also outside of SRC.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be taken, and what not and why; write nothing."
)
@click.option(
    "--overwrite", is_flag=True, help="Make OUT anew when it was prepared with other options."
)
@click.option(
    "--test-persons",
    multiple=True,
    help="Persons for testing.  [default: VoxCeleb's, else a fraction]",
)
@click.option("--test-fraction", type=click.FloatRange(0, 1), default=0.2, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Of the choice of test persons.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one per core]")
@click.option(
    "--device", default="cpu", show_default=True, help="Where face-alignment runs, e.g. cuda."
)
@click.option(
    "--shard-index",
    default=0,
    show_default=True,
    help="This machine, of --num-shards that share the work.",
)
@click.option("--num-shards", type=click.IntRange(1), default=1, show_default=True)
@takes_engine
@QUIET
def prepare(
    layout: str,
    source: Path,
    out: Path,
    size_px: int,
    landmarks: str,
    crop: CropPolicy | None,
    margin: float,
    max_outside: float,
    fps: float | None,
    frames_per_clip: int | None,
    quality: int,
    lossless: bool,
    in_videos: bool,
    follow_links: bool,
    dry_run: bool,
    overwrite: bool,
    test_persons: tuple[str, ...],
    test_fraction: float,
    seed: int,
    workers: int | None,
    device: str,
    shard_index: int,
    num_shards: int,
    engine: Engine,
    quiet: bool,
) -> None:
    """Turns real frames or videos into a dataset: finds faces and landmarks, crops, resizes, packs.

    \b
    vox1-frames   unzippedFaces/<Name>/1.6/<video>/<frame>.jpg
    vox-mp4       mp4/<id>/<video>/<clip>.mp4
    videos        <person>/<video>.mp4 or <person>/<video>/<clip>.mp4
    frames        <person>/<video>/<frame>.jpg
    videos-flat   <person>.mp4, each file another person
    photos-flat   <person>.jpg, each file another person
    vox-flat      id<person>#<video>#<start>#<end>.mp4
    hdtf          <WRA_Name>_<000>.mp4
    vfhq          Clip+<video>+P<n>+C<n>+F<a>-<b>/<frame>.png
    th1kh         <video>_<rest>.mp4
    celebv-hq     <video>_<n>.mp4

    Run it again after a kill: it goes on where it stopped.
    """
    if dry_run:
        from thbench.data.prepare.preview import preview

        click.echo(preview(layout, source, follow_links))
        return

    from thbench.data.prepare.extract import Recipe
    from thbench.data.prepare.prepare import Part
    from thbench.data.prepare.request import CROPS, run
    from thbench.data.splits import SplitRule

    recipe = Recipe(
        layout,
        size_px=size_px,
        crop=crop or CROPS[layout],
        margin=margin,
        max_outside=max_outside,
        landmarks=landmarks,
        fps=fps,
        frames_per_clip=frames_per_clip,
        quality=quality,
        lossless=lossless,
        in_videos=in_videos,
        follow_links=follow_links,
    )
    split = SplitRule(test_persons, test_fraction, seed)
    part = Part(shard_index, num_shards)

    click.echo(run(source, out, recipe, split, part, workers, device, engine, quiet, overwrite))
