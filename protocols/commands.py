"""Commands that measure, and the list of protocols to measure by."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import (
    CHECKPOINT,
    DATASET,
    DEVICE,
    FILE,
    QUIET,
    SKIP_UNUSABLE,
    SOURCES,
    SeveralValues,
    check_apart,
    check_exist,
    check_runs,
    takes_engine,
)
from thbench.plugins import check_plugin

if TYPE_CHECKING:
    from thbench.engine import Engine
    from thbench.method import DrivesWith

SHOTS = click.option(
    "--T",
    "-T",
    "T",
    type=click.IntRange(min=1),
    multiple=True,
    help="Numbers of shots: --T 1 8 32.",
)
SPLIT = click.option("--split", type=FILE, help="A stored split instead of a drawn one.")
HOLDOUT = click.option("--holdout", type=click.IntRange(min=1), help="Hold-out frames per video.")
DRIVERS = click.option(
    "--drivers", type=click.IntRange(min=1), help="Puppeteering: driving videos per head."
)


@click.command("run-protocol", cls=SeveralValues)
@click.argument("protocol", default="self-reenactment")
@SHOTS
@click.option(
    "--methods", multiple=True, help="Methods, e.g. --methods ours-ff ours-ft external:NAME=DIR."
)
@click.option("--metrics", multiple=True, help="Metrics; `thbench explain` lists them.")
@DATASET
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="[METHOD=]PATH",
    help="Model file or training folder; METHOD= where several methods need different ones.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="METHOD.NAME=VALUE",
    help="Changes a setting of a method, e.g. --set ours-ft.epochs=10.",
)
@click.option(
    "--videos", type=click.IntRange(min=1), help="Fewer test videos: the run is stamped partial."
)
@HOLDOUT
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the split and of few-shot learning."
)
@SPLIT
@SOURCES
@SKIP_UNUSABLE
@DRIVERS
@click.option("--rank-by", help="Puppeteering: the metric that ranks drivers.")
@click.option(
    "--adapt-landmarks",
    is_flag=True,
    help="Puppeteering: the driver's motion on the face shape of the head's person.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    help="Timing: repetitions; no more than these warm up.",
)
@DEVICE
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes.  [default: the processors, 1 on a GPU]",
)
@takes_engine
@click.option("--out", type=FILE, help="Run folder.  [default: runs/PROTOCOL]")
@click.option("--resume", type=FILE, metavar="RUN", help="Goes on with this run as planned.")
@click.option(
    "--allow-commands",
    is_flag=True,
    help="Runs the programs (command:, video: and such methods) that a run folder or my.toml "
    "names, without asking.",
)
@QUIET
def run_protocol(
    protocol: str,
    T: tuple[int, ...],
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    dataset: str | None,
    checkpoints: tuple[str, ...],
    settings: tuple[str, ...],
    videos: int | None,
    holdout: int | None,
    seed: int | None,
    split: Path | None,
    sources: str | None,
    skip_unusable: bool,
    drivers: int | None,
    rank_by: str | None,
    adapt_landmarks: bool,
    iterations: int | None,
    device: str,
    workers: int | None,
    engine: Engine,
    out: Path | None,
    resume: Path | None,
    allow_commands: bool,
    quiet: bool,
) -> None:
    """Measures methods by PROTOCOL (a bundled name or my.toml); self-reenactment of the paper is
    the default.

    What is done already in the run folder stays: run the same command again after a stop, or with
    more methods or T.
    """
    check_exist(split, resume)
    if resume is None:
        _check_protocol(protocol)
    for name in metrics:
        check_plugin("thbench.metrics", name, "metric")

    from protocols.request import Request, begin_run, how_to_run, resume_run

    request = Request(
        T=T,
        methods=methods,
        metrics=metrics,
        checkpoints=checkpoints,
        settings=settings,
        dataset=dataset,
        sources=sources,
        skip_unusable=skip_unusable,
        split=split,
        videos=videos,
        holdout=holdout,
        seed=seed,
        drivers=drivers,
        rank_by=rank_by,
        adapt_landmarks=adapt_landmarks,
        iterations=iterations,
        allow_commands=allow_commands,
    )
    how = how_to_run(device, workers, engine)

    if resume is not None:
        is_whole = resume_run(resume, request, how, quiet)
    else:
        is_whole = begin_run(protocol, request, out, how, quiet)
    if not is_whole:
        sys.exit(1)


@click.command(cls=SeveralValues)
@click.argument("run", type=FILE)
@click.option("--metrics", multiple=True, help="Metrics to add to the run's own.")
@click.option("--only", is_flag=True, help="The run keeps the metrics of --metrics and no other.")
@DEVICE
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors]")
@takes_engine
@QUIET
def score(
    run: Path,
    metrics: tuple[str, ...],
    only: bool,
    device: str,
    workers: int | None,
    engine: Engine,
    quiet: bool,
) -> None:
    """Computes the metrics of RUN from its stored frames; no method's code is needed."""
    check_runs(run)
    for name in metrics:
        check_plugin("thbench.metrics", name, "metric")
    if only and not metrics:
        raise click.UsageError("--only keeps the metrics that --metrics names: name at least one")

    from protocols.request import how_to_run, score_again

    score_again(run, metrics, only, how_to_run(device, workers, engine), quiet)


@click.command("export-protocol", cls=SeveralValues)
@click.argument("protocol", default="self-reenactment")
@click.option("--out", type=FILE, required=True, help="A new folder.")
@SHOTS
@DATASET
@click.option("--videos", type=click.IntRange(min=1), help="Fewer test videos.")
@HOLDOUT
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the split.")
@SPLIT
@SOURCES
@SKIP_UNUSABLE
@DRIVERS
@click.option(
    "--drives-with",
    type=click.Choice(["image", "landmarks"]),
    default="image",
    show_default=True,
    help="landmarks: the driving frames themselves are left out.",
)
def export_protocol(
    protocol: str,
    out: Path,
    T: tuple[int, ...],
    dataset: str | None,
    videos: int | None,
    holdout: int | None,
    seed: int | None,
    split: Path | None,
    sources: str | None,
    skip_unusable: bool,
    drivers: int | None,
    drives_with: DrivesWith,
) -> None:
    """Writes PROTOCOL's shots, driving frames and landmarks as PNG and CSV, for a system that runs
    elsewhere.

    The frames it makes go to OUT/answers; `--methods external:NAME=OUT/answers` puts them into a
    run.
    """
    from protocols.export import export_from_command_line

    episodes = export_from_command_line(
        protocol,
        T=T,
        dataset=dataset,
        videos=videos,
        holdout=holdout,
        drivers=drivers,
        seed=seed,
        split=split,
        sources=sources,
        drives_with=drives_with,
        out=out,
        skip_unusable=skip_unusable,
    )
    counted = f"{episodes} episode{'s' * (episodes != 1)}"
    click.echo(f"{counted} in {out}; README.txt there says what to do with them")


@click.command("mock-run")
@click.argument("method")
@CHECKPOINT
@click.option(
    "--dataset", default="synth:64", show_default=True, help="Frames of another size: synth:256."
)
@DEVICE
def mock_run(method: str, checkpoint: Path | None, dataset: str, device: str) -> None:
    """Tries METHOD on one video, T = 1 and 2, in seconds, and says which promises of a method it
    keeps.
    """
    check_plugin("thbench.methods", method.partition(":")[0], "method")

    from protocols.mock import mock_run
    from thbench.data.open import open_dataset
    from thbench.device import chosen_device

    failed = False
    for checked, problem in mock_run(
        method, open_dataset(dataset), checkpoint, chosen_device(device)
    ):
        click.echo(f"FAILED  {checked}: {problem}" if problem else f"ok      {checked}")
        failed = failed or bool(problem)

    if failed:
        sys.exit(1)


@click.group()
def protocols() -> None:
    """Lists and shows the bundled protocols: the paper's experiments, and one of later papers."""


@protocols.command("list")
def protocols_list() -> None:
    """Name, T, methods and source of every bundled protocol."""
    from protocols.definition import definition_names, load_definition

    for definition in map(load_definition, definition_names()):
        methods = ", ".join(method.label for method in definition.methods)
        click.echo(
            f"{definition.name}: {definition.source}\n"
            f"    {definition.kind}, T = {list(definition.T)}, {methods}"
        )


@protocols.command("show")
@click.argument("name")
def protocols_show(name: str) -> None:
    """The definition NAME (or my.toml) as TOML, a start for your own, and its sha256."""
    _check_protocol(name)

    from protocols.definition import definition_text, load_definition

    click.echo(f"{definition_text(name)}\n# sha256 {load_definition(name).sha256}")


@protocols.command("import")
@click.argument("form", type=click.Choice(["fomm", "dagan", "names"]))
@click.argument("file", type=FILE)
@click.option(
    "--layout",
    type=click.Choice(["vox-flat", "hdtf", "vfhq", "th1kh", "celebv-hq"]),
    default="vox-flat",
    show_default=True,
    help="How the clips are named.",
)
@click.option("-o", "--output", type=FILE, required=True, help="Such as fomm-vox1.json.")
def protocols_import(form: str, file: Path, layout: str, output: Path) -> None:
    """Reads a published list of clips, for a protocol that names it.

    \b
    fomm    vox-metadata.csv: the clips of its test part
    dagan   vox_cross_id_evaluation.csv: pairs of frames
    names   a text file, the name of a clip in each line
    """
    check_exist(file)
    check_apart(file, output)

    from protocols.lists.readers import read_list
    from thbench.records.encode import write_record

    found = read_list(form, file, layout)
    write_record(output, found)
    pairs = f", {len(found.pairs)} pairs" if found.pairs else ""
    click.echo(f"{output}: {len(found.clips)} clips{pairs}")


def _check_protocol(name: str) -> None:
    """A mistyped protocol is told before anything heavy is imported."""
    from protocols.definition_files import read_definition

    read_definition(name)
