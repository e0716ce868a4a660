"""`thbench split`: which videos are tested, which frames are shots and hold-out."""

from __future__ import annotations

from pathlib import Path

import click

from thbench.command_options import FILE, REQUIRED_DATASET, SKIP_UNUSABLE, SOURCES


@click.group()
def split() -> None:
    """Exports and checks splits: which videos are tested, which frames are shots and hold-out."""


@split.command("export")
@click.argument("source", metavar="RUN|PROTOCOL")
@click.option("-o", "--out", type=FILE, required=True, help="split.json")
@click.option("--dataset", help="For a protocol: what to draw from.  [default: the protocol's]")
@click.option("--videos", type=click.IntRange(min=1), help="For a protocol: fewer test videos.")
@click.option(
    "--T",
    "-T",
    "T",
    type=click.IntRange(min=1),
    help="For a protocol: the largest number of shots.",
)
@click.option(
    "--holdout", type=click.IntRange(min=1), help="For a protocol: hold-out frames per video."
)
@click.option(
    "--drivers", type=click.IntRange(min=1), help="For puppeteering: driving videos per head."
)
@click.option("--sources", help="For puppeteering: a folder of photographs or a dataset.")
@SKIP_UNUSABLE
@click.option("--seed", type=click.IntRange(min=0), help="For a protocol: seed of the split.")
def export(
    source: str,
    out: Path,
    dataset: str | None,
    videos: int | None,
    T: int | None,
    holdout: int | None,
    drivers: int | None,
    sources: str | None,
    skip_unusable: bool,
    seed: int | None,
) -> None:
    """Writes the split of a run, or the one a protocol draws, for `thbench run-protocol
    --split`.
    """
    from protocols.stored_split import export_split

    written = export_split(
        source,
        out,
        dataset=dataset,
        videos=videos,
        T=T,
        holdout=holdout,
        drivers=drivers,
        sources=sources,
        seed=seed,
        skip_unusable=skip_unusable,
    )
    click.echo(
        f"{out}: {len(written.videos)} videos, "
        f"{written.shots} shots and {written.holdout} frames to render of each"
    )


@split.command("check")
@click.argument("file", type=FILE)
@REQUIRED_DATASET
@SOURCES
@SKIP_UNUSABLE
def check(file: Path, dataset: str, sources: str | None, skip_unusable: bool) -> None:
    """Says whether the split FILE fits DATASET, frame by frame."""
    from protocols.stored_split import read_split
    from thbench.data.open import open_dataset, open_sources

    opened = open_dataset(dataset)
    learned = open_sources(sources, opened.size_px, skip_unusable) if sources else None
    split = read_split(file, opened, learned)
    left = f"; {split.listed}" if split.listed else ""
    click.echo(f"{file} fits {dataset}: {len(split.videos)} videos{left}")
