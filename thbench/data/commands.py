"""`thbench data`: looks at prepared datasets and writes new ones from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import FILE, QUIET, takes_engine

if TYPE_CHECKING:
    from thbench.data.synthetic.export import Layout
    from thbench.engine import Engine


@click.group()
def data() -> None:
    """Looks at prepared datasets: counts, contact sheets, checks."""


@data.command("show")
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(dataset: str, as_json: bool) -> None:
    """Counts and splits of DATASET, where its landmarks come from, and what was dropped and why."""
    import json

    from thbench.data.show import description, text

    described = description(dataset)
    click.echo(json.dumps(described, indent=1) if as_json else text(described))


@data.command("sheet")
@click.argument("dataset")
@click.option("-o", "--output", type=FILE, required=True, help="The PNG to write.")
@click.option(
    "--per-video",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Frames of each video.",
)
@click.option(
    "--videos",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Videos at most, evenly chosen.",
)
def sheet(dataset: str, output: Path, per_video: int, videos: int) -> None:
    """A contact sheet of DATASET: crops with their landmarks, to see at a glance whether they are
    right.
    """
    from thbench.data.open import open_dataset
    from thbench.data.prepare.contact_sheet import write_contact_sheet

    write_contact_sheet(open_dataset(dataset), output, per_video, videos)
    click.echo(output)


@data.command("pack")
@click.argument("dataset")
@click.argument("out", type=FILE)
@click.option(
    "--size",
    "size_px",
    type=int,
    help="Side of the frames in pixels, to make them smaller.  [default: as it is]",
)
@click.option(
    "--videos", type=click.IntRange(min=1), help="The first so many of each person.  [default: all]"
)
@click.option(
    "--frames",
    type=click.IntRange(min=2),
    help="So many of each video, evenly spaced.  [default: all]",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  [default: 1; Ray: all there are]"
)
@takes_engine
@QUIET
def pack(
    dataset: str,
    out: Path,
    size_px: int | None,
    videos: int | None,
    frames: int | None,
    workers: int | None,
    engine: Engine,
    quiet: bool,
) -> None:
    """Writes DATASET into a prepared store: synth rendered once, or any dataset at a smaller size.

    Frames are lossless PNG; landmarks are the dataset's own, nothing is detected again.
    """
    from thbench.data.open import open_dataset
    from thbench.data.store.pack import pack
    from thbench.data.store.resized import Resized
    from thbench.progress import counter

    opened = open_dataset(dataset)
    if size_px is not None:
        opened = Resized(opened, size_px)

    with counter("pack", quiet) as count:
        pack(
            opened,
            out,
            videos=videos,
            frames=frames,
            workers=workers or (1 if engine.name == "local" else None),
            progress=lambda done, total: count(done, total, "shards"),
            engine=engine,
        )
    click.echo(out)


@data.command("export")
@click.argument("dataset", type=click.Choice(["synth"]))
@click.argument("out", type=FILE)
@click.option(
    "--as",
    "layout",
    type=click.Choice(["vox1", "vox2"]),
    required=True,
    help="The layout to write.",
)
@click.option(
    "--persons", default=8, show_default=True, help="Spread over training and test persons."
)
@click.option("--videos", default=2, show_default=True, help="Of each person.")
@click.option("--frames", default=24, show_default=True, help="Of each video.")
@click.option(
    "--size", "size_px", default=224, show_default=True, help="Side of the frames in pixels."
)
def export(
    dataset: str,
    out: Path,
    layout: Layout,
    persons: int,
    videos: int,
    frames: int,
    size_px: int,
) -> None:
    """Writes synthetic heads as if they were VoxCeleb, to try `thbench prepare` without the real
    data.
    """
    from thbench.data.synthetic.export import export_synth

    written = export_synth(layout, out, persons, videos, frames, size_px)
    click.echo(f"{written} frames in {out}")


@data.command("verify")
@click.argument("dataset")
def verify(dataset: str) -> None:
    """Reads every byte of DATASET, a folder or a URL, again and compares it with what was recorded
    when it was prepared.
    """
    from thbench.data.store.verify import verify

    click.echo(verify(dataset))


@data.command("repair")
@click.argument("dataset", type=FILE)
@click.argument("source")
@QUIET
def repair(dataset: Path, source: str, quiet: bool) -> None:
    """Makes the damaged files of DATASET anew, and only those.

    SOURCE is what DATASET was prepared from (the folder of frames or videos, or the dataset that
    was packed), or a copy of DATASET, a folder or a URL. What is made anew has the same bytes as
    before, or is not taken.
    """
    from thbench.data.store.repair import repair
    from thbench.progress import counter

    with counter("repair", quiet) as count:
        mended = repair(dataset, source, lambda done, total: count(done, total, "shards"))
    for file in mended:
        click.echo(f"made anew: {dataset / file}")
    if not mended:
        click.echo(f"{dataset} is whole: there is nothing to repair")
