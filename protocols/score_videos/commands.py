"""`thbench score-videos`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from thbench.command_options import DEVICE, FILE, LANDMARKS, QUIET, SeveralValues, takes_engine
from thbench.errors import ThbenchError
from thbench.plugins import check_plugin

if TYPE_CHECKING:
    from thbench.data.clip_files import Keep
    from thbench.engine import Engine

METRICS = ("fid", "ssim", "psnr", "l1", "akd", "csim", "csim-dlib")


@click.command("score-videos", cls=SeveralValues)
@click.argument("real", type=FILE)
@click.argument("fakes", metavar="[NAME=]FAKE...", nargs=-1, required=True)
@click.option(
    "--out",
    type=FILE,
    default=Path("runs/score-videos"),
    show_default=True,
    help="The run folder.",
)
@click.option(
    "--metrics",
    multiple=True,
    help=f"Metrics; `thbench explain` lists them.  [default: {' '.join(METRICS)}]",
)
@click.option(
    "--crop",
    type=click.Choice(["none", "shared"]),
    default="none",
    show_default=True,
    help="shared: both sides are cut by the landmarks of the true frame. none: the largest "
    "centred square.",
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(min=16),
    help="Side of the scored frames in pixels.  [default: the true clips' own, 256 with --crop]",
)
@click.option(
    "--frames",
    default="all",
    show_default=True,
    metavar="all|every-N|N",
    help="Which frames are scored: all, each N-th, or N evenly spread ones.",
)
@click.option(
    "--match",
    type=click.Choice(["frame", "time", "common"]),
    default="frame",
    show_default=True,
    help="frame: the k-th answers the k-th, of equally many. time: the one shown at the same "
    "moment. common: the k-th answers the k-th, as far as all go.",
)
@click.option(
    "--keep",
    "keeps",
    multiple=True,
    metavar="[NAME=]PART",
    help="Of each frame of a result only left-half, right-half, top-half, bottom-half or K/N, the "
    "K-th of N columns.",
)
@click.option(
    "--reference",
    type=click.Choice(["real", "first-frame"]),
    default="real",
    show_default=True,
    help="What metrics of identity compare a face with.",
)
@click.option(
    "--pairs",
    type=FILE,
    help="A CSV with the columns real, fake and perhaps person, in place of equal names.",
)
@LANDMARKS
@DEVICE
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors]")
@takes_engine
@QUIET
def score_videos(
    real: Path,
    fakes: tuple[str, ...],
    out: Path,
    metrics: tuple[str, ...],
    crop: Literal["none", "shared"],
    size_px: int | None,
    frames: str,
    match: Literal["frame", "time", "common"],
    keeps: tuple[str, ...],
    reference: Literal["real", "first-frame"],
    pairs: Path | None,
    landmarks: str,
    device: str,
    workers: int | None,
    engine: Engine,
    quiet: bool,
) -> None:
    """Scores results on disk: the clips in each folder FAKE against those of the same name in REAL.

    \b
    thbench score-videos real/ LivePortrait=results/lp FOMM=results/fomm --out runs/two

    Clips are mp4, mov, mkv, webm, avi, gif, or folders of PNG and JPEG, in any mix. The run folder
    is one like any other: `thbench report`, `compare`, `score` and `runs verify` take it.
    """
    for name in metrics:
        check_plugin("thbench.metrics", name, "metric")
    methods = named_folders(fakes)

    from protocols.score_videos.score import Request, score_videos
    from protocols.summary_text import summary_text
    from thbench.device import chosen_device
    from thbench.engine import on_device
    from thbench.progress import track
    from thbench.runs import Run

    chosen = chosen_device(device)
    request = Request(
        real,
        methods,
        out,
        metrics or METRICS,
        crop,
        size_px,
        frames,
        match,
        parts_of(keeps, list(methods)),
        "shots" if reference == "first-frame" else "frame",
        pairs,
        landmarks,
        chosen,
        workers,
        on_device(engine, chosen),
    )
    scored = score_videos(request, partial(track, quiet=quiet))

    for line in scored.left_out:
        click.echo(line, err=True)
    for label, method in Run.open(out).record().methods.items():
        for note in method.notes[1:]:
            click.echo(f"{label}: {note}", err=True)
    click.echo(summary_text(Run.open(out)))
    click.echo(f"run: {out}   table: thbench report latex {out}")

    for unit, error in scored.outcome.failed:
        click.echo(f"failed: {unit.method} {unit.video}: {error}", err=True)
    if scored.outcome.failed:
        sys.exit(1)


def named_folders(texts: Sequence[str]) -> dict[str, Path]:
    """`NAME=DIR` by name; a plain DIR is called as the folder is.

    Raises `ThbenchError` for a name that is given twice, or that cannot be printed.
    """
    folders: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        path = Path(folder if equals else name)
        label = name if equals else path.resolve().name
        if not label.isprintable():
            raise ThbenchError(f"{label!a} is not a name for a table: write NAME=FOLDER")
        if label in folders:
            raise ThbenchError(f"two folders are called {label}: write NAME=FOLDER for one of them")
        folders[label] = path
    return folders


def parts_of(texts: Sequence[str], labels: Sequence[str]) -> dict[str, Keep]:
    """`NAME=PART` by method; a plain PART is for all. Raises `ThbenchError` for other names."""
    from thbench.data.clip_files import keep_part

    keeps: dict[str, Keep] = {}
    for text in texts:
        name, equals, part = text.rpartition("=")
        if equals and name not in labels:
            raise ThbenchError(f"--keep {text}: no result is called {name!r}")
        keeps |= {label: keep_part(part) for label in ([name] if equals else labels)}
    return keeps
