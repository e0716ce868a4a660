"""The command line: parse, call one function, print. Nothing heavy is imported until a command
needs it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click

from baselines.external.commands import systems_group
from baselines.import_command import import_group
from protocols.pack_command import pack_command
from protocols.score_videos.command import score_videos_command
from thbench import __version__
from thbench.errors import ThbenchError, unforeseen
from thbench.plugins import check_plugin


class SeveralValues(click.Command):
    """A command whose `multiple` options also take several values at once: `--T 1 8 32` and `--T
    1,8,32`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {
            flag
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for flag in parameter.opts
        }
        return super().parse_args(ctx, _spread(args, flags))


def _spread(args: list[str], flags: set[str]) -> list[str]:
    """`--T 1 8,32 -o x` -> `--T 1 --T 8 --T 32 -o x`."""
    spread: list[str] = []
    current = ""
    for position, arg in enumerate(args):
        if arg == "--":
            return spread + args[position:]
        if arg.startswith("-") and len(arg) > 1:
            flag, equals, value = arg.partition("=")
            current = flag if flag in flags else ""
            if not current:
                spread.append(arg)
            elif equals:
                spread += [part for item in _values(value) for part in (flag, item)]
        elif current:
            spread += [part for item in _values(arg) for part in (current, item)]
        else:
            spread.append(arg)
    return spread


def _values(text: str) -> list[str]:
    """`1,8,32` is three values; a path or a command that holds a comma is one."""
    return text.split(",") if re.fullmatch(r"[\w,-]+", text) else [text]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="thbench")
def thbench() -> None:
    """Measures talking-head models from a few photos: train, adapt, run the paper's protocols,
    report.

    \b
    thbench demo                                             the whole benchmark on synthetic heads
    thbench prepare vox1-frames unzippedFaces data/vox1      real frames -> a prepared dataset
    thbench train ours --dataset data/vox1 --out models/ours
    thbench run-protocol --T 1 8 32 --dataset data/vox1 --methods ours-ff ours-ft --out runs/first
    thbench report latex runs/first
    """


QUIET = click.option("--quiet", is_flag=True, help="Does not show how far it is.")


@thbench.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors]")
def demo(out: Path, workers: int | None) -> None:
    """Runs the whole benchmark on synthetic heads with the bundled models, then writes tables,
    figures and a page.
    """
    from protocols.clip import SHOWN, write_clip
    from protocols.command import run_from_command_line
    from reports.emit import table_text
    from reports.figures import write_figure
    from reports.html import write_report
    from thbench.files import write_text

    run = out / "run"
    whole = run_from_command_line("demo", out=run, workers=workers)
    write_text(out / "table1.tex", table_text([run], "1"))
    write_figure(run, "comparison", out / "figure")
    write_clip(out / "driven.mp4")
    page = write_report([run], out / "report", films={out / "driven.mp4": SHOWN})
    click.echo(
        f"open in a browser: {page.resolve()}\n"
        f"also there: {out / 'table1.tex'}, {out / 'figure.png'}, {out / 'driven.mp4'}\n"
        "next, with real data: thbench prepare --help, thbench train --help, thbench doctor"
    )
    if not whole:
        sys.exit(1)


@thbench.command()
@click.option("--json", "as_json", is_flag=True, help="A list of JSON objects.")
def doctor(as_json: bool) -> None:
    """Says what is installed and here, what each missing piece disables, and the command that
    brings it.
    """
    import json
    from dataclasses import asdict

    from thbench.doctor import examine

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    for finding in findings:
        remedy = f"\n            -> {finding.remedy}" if finding.remedy else ""
        click.echo(f"{finding.state:8} {finding.subject}: {finding.detail}{remedy}")


@thbench.command()
@click.argument("method")
@click.option(
    "--dataset",
    required=True,
    help="A prepared dataset's folder, a name under $THBENCH_DATA, or synth.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Training folder.  [default: checkpoints/METHOD]"
)
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    help="paper (256 px), paper-224 or small (64 px, CPU).",
)
@click.option(
    "--variant",
    type=click.Choice(["ft", "ff"]),
    help="ours only; ff: no match loss.  [default: ft]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Optimisation steps.  [default: the preset's epochs, of pix2pixhd as many as ours; "
    "with --resume as before]",
)
@click.option(
    "--steps-of",
    type=click.Path(path_type=Path),
    help="Take the number of steps from this training folder: the paper gives Pix2pixHD as "
    "many as ours.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Changes a setting, e.g. --set batch=16.",
)
@click.option(
    "--resume", is_flag=True, help="Goes on where the last checkpoint in --out stands, bit for bit."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="Processes."
)
@click.option(
    "--accelerator", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
)
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Micro-batches a step.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Processes that read frames.",
)
@click.option("--checkpoint-every", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--sample-every", type=click.IntRange(min=1), default=500, show_default=True)
@QUIET
def train(
    method: str, dataset: str, out: Path | None, quiet: bool, resume: bool, **options: Any
) -> None:
    """Trains METHOD (ours, x2face, pix2pixhd) on the training persons of a dataset.

    The folder gets model.safetensors (what --checkpoint takes), checkpoints, losses, sample
    pictures and TensorBoard logs. A killed training goes on with --resume.
    """
    check_plugin("thbench.trainers", method, "trainer")
    from thbench.training.start import start_training

    folder = out or Path("checkpoints") / method
    start_training(method, dataset, folder, resume=resume, quiet=quiet, **options)
    click.echo(f"{folder}/model.safetensors")


LANDMARKS = click.option(
    "--landmarks",
    default="auto",
    show_default=True,
    help="auto, dlib, face-alignment or face-alignment-3d.",
)
CROP = click.option(
    "--crop",
    type=click.Choice(["as-is", "per-frame", "per-clip"]),
    default="per-clip",
    show_default=True,
    help="per-clip cuts one square, wide enough for the face "
    "wherever it moves; per-frame follows it; as-is: face crops already.",
)
SKIP_UNUSABLE = click.option(
    "--skip-unusable",
    is_flag=True,
    help="Leave out photos that cannot be read or show no face, and name them.",
)
DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 ...")


@thbench.command(cls=SeveralValues)
@click.argument("method")
@click.option(
    "--images",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Photos of one person, or folders of them.",
)
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Model file or training folder."
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(min=16),
    help="Side of the head's pictures in pixels.  [default: the checkpoint's]",
)
@SKIP_UNUSABLE
@LANDMARKS
@click.option(
    "--crop",
    type=click.Choice(["as-is", "per-frame"]),
    default="per-frame",
    show_default=True,
    help="per-frame cuts around the face; as-is: face crops already.",
)
@DEVICE
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="person.safetensors"
)
def adapt(method: str, images: tuple[Path, ...], output: Path, device: str, **options: Any) -> None:
    """Learns the head of one person from a few photos and keeps it in a file for `thbench drive`."""
    check_plugin("thbench.methods", method.partition(":")[0], "method")
    _check_exist(options["checkpoint"])
    if not any(image.exists() for image in images):
        _check_exist(*images)  # where some exist, all that cannot be used are named together
    from protocols.command import chosen_device
    from thbench.data.photos import listed
    from thbench.heads import adapt_head

    photos = adapt_head(method, list(images), output, device=chosen_device(device), **options)
    if photos.unusable:
        click.echo(f"left out:{listed(photos.unusable)}", err=True)
    shots = len(photos.files)
    click.echo(f"{output}: a head from {shots} photo{'s' * (shots > 1)}")


@thbench.command()
@click.argument("head", type=click.Path(path_type=Path))
@click.option(
    "--video",
    type=click.Path(path_type=Path),
    help="The driving video; its times and its sound are kept.",
)
@click.option("--frames", type=click.Path(path_type=Path), help="Or a folder of driving frames.")
@click.option(
    "--fps", type=float, default=25.0, show_default=True, help="Frames per second of --frames."
)
@LANDMARKS
@CROP
@DEVICE
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="out.mp4")
def drive(
    head: Path, video: Path | None, frames: Path | None, output: Path, device: str, **options: Any
) -> None:
    """Renders a kept head in the poses of a driving video."""
    source = video or frames
    if source is None or (video and frames):
        raise click.UsageError("give either --video or --frames")
    _check_exist(head, source)

    from protocols.command import chosen_device
    from thbench.heads import drive_head

    driven = drive_head(head, source, output, device=chosen_device(device), **options)
    click.echo(f"{output}: {driven.text}")


@thbench.command("model-info")
@click.argument("method")
@click.option("--preset", default="paper", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def model_info(method: str, preset: str, as_json: bool) -> None:
    """Counts the trainable parameters of METHOD's networks (ours, x2face, pix2pixhd), from the real
    modules.
    """
    check_plugin("thbench.trainers", method, "trainer")

    import json

    from thbench.training.start import parameter_counts

    counts = parameter_counts(method, preset)
    lines = (f"{name:15} {count:>13,}" for name, count in counts.items())
    click.echo(json.dumps(counts) if as_json else "\n".join(lines))


@thbench.command("run-protocol", cls=SeveralValues)
@click.argument("protocol", default="self-reenactment")
@click.option(
    "--T",
    "-T",
    "T",
    type=click.IntRange(min=1),
    multiple=True,
    help="Numbers of shots: --T 1 8 32.",
)
@click.option(
    "--methods", multiple=True, help="Methods, e.g. --methods ours-ff ours-ft external:NAME=DIR."
)
@click.option("--metrics", multiple=True, help="Metrics; `thbench explain` lists them.")
@click.option(
    "--dataset", help="A prepared dataset's folder, a name under $THBENCH_DATA, or synth."
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="[METHOD=]PATH",
    help="Model file or training folder; METHOD= where several methods need different ones.",
)
@click.option(
    "--videos", type=click.IntRange(min=1), help="Fewer test videos: the run is stamped partial."
)
@click.option("--holdout", type=click.IntRange(min=1), help="Hold-out frames per video.")
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the split and of few-shot learning."
)
@click.option(
    "--split", type=click.Path(path_type=Path), help="A stored split instead of a drawn one."
)
@click.option(
    "--sources",
    help="Puppeteering: where heads are learned from, a folder of photographs or a dataset.",
)
@SKIP_UNUSABLE
@click.option(
    "--drivers", type=click.IntRange(min=1), help="Puppeteering: driving videos per head."
)
@click.option("--rank-by", help="Puppeteering: the metric that ranks drivers.")
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    help="Timing: repetitions; no more than these warm up.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 ...")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes.  [default: the processors, 1 on a GPU]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/PROTOCOL]"
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Goes on with this run as planned.",
)
@click.option(
    "--allow-commands",
    is_flag=True,
    help="Runs the programs (command: methods) that a run folder or my.toml names, without asking.",
)
@QUIET
def run_protocol(**options: Any) -> None:
    """Measures methods by PROTOCOL (a bundled name or my.toml); self-reenactment of the paper is
    the default.

    What is done already in the run folder stays: run the same command again after a stop, or with
    more methods or T.
    """
    _check_exist(options["split"], options["resume"])
    if options["resume"] is None:
        from protocols.definition import load_definition

        load_definition(options["protocol"])
    for name in options["metrics"]:
        check_plugin("thbench.metrics", name, "metric")

    from protocols.command import run_from_command_line

    if not run_from_command_line(**options):
        sys.exit(1)


thbench.add_command(score_videos_command)
thbench.add_command(systems_group)
thbench.add_command(import_group)


@thbench.group()
def protocols() -> None:
    """Lists and shows the bundled protocols, one per experiment of the paper."""


@protocols.command("list")
def protocols_list() -> None:
    """Name, T, methods and source of every bundled protocol."""
    from protocols.definition import definition_names, load_definition

    for definition in map(load_definition, definition_names()):
        click.echo(
            f"{definition.name}: {definition.source}\n    {definition.kind}, T = {list(definition.T)}, "
            f"{', '.join(method.label for method in definition.methods)}"
        )


@protocols.command("show")
@click.argument("name")
def protocols_show(name: str) -> None:
    """The definition NAME (or my.toml) as TOML, a start for your own, and its sha256."""
    from protocols.definition import definition_text, load_definition

    click.echo(f"{definition_text(name)}\n# sha256 {load_definition(name).sha256}")


@thbench.group("split")
def split_group() -> None:
    """Exports and checks splits: which videos are tested, which frames are shots and hold-out."""


@split_group.command("export")
@click.argument("source", metavar="RUN|PROTOCOL")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="split.json")
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
def split_export(out: Path, **options: Any) -> None:
    """Writes the split of a run, or the one a protocol draws, for `thbench run-protocol --split`."""
    from protocols.stored_split import export_split

    split = export_split(out=out, **options)
    click.echo(
        f"{out}: {len(split.videos)} videos, {split.shots} shots and {split.holdout} frames to render of each"
    )


@split_group.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    required=True,
    help="A prepared dataset's folder, a name under $THBENCH_DATA, or synth.",
)
@click.option(
    "--sources",
    help="Puppeteering: where heads are learned from, a folder of photographs or a dataset.",
)
@SKIP_UNUSABLE
def split_check(file: Path, dataset: str, sources: str | None, skip_unusable: bool) -> None:
    """Says whether the split FILE fits DATASET, frame by frame."""
    from protocols.stored_split import read_split
    from thbench.data.open import open_dataset, open_sources

    opened = open_dataset(dataset)
    learned = open_sources(sources, opened.size_px, skip_unusable) if sources else None
    split = read_split(file, opened, learned)
    click.echo(f"{file} fits {dataset}: {len(split.videos)} videos")


@thbench.group("runs")
def runs_group() -> None:
    """Lists, shows and verifies run folders."""


@runs_group.command("list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
def runs_list(folder: Path) -> None:
    """One line for each run in FOLDER (runs, unless named)."""
    from protocols.runs_text import list_text

    click.echo(list_text(folder))


@runs_group.command("show")
@click.argument("run", type=click.Path(path_type=Path))
def runs_show(run: Path) -> None:
    """What RUN measured, on what, with which models, on which machine, and how far it got."""
    from protocols.runs_text import show_text
    from thbench.runs import Run

    click.echo(show_text(Run.open(run)))


runs_group.add_command(pack_command)


@thbench.command("leaderboard")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("site"), show_default=True
)
def leaderboard(runs: tuple[Path, ...], output: Path) -> None:
    """One static page from RUNS, run folders or what `thbench runs pack` made, each verified first.

    Rows are ranked where they share protocol, data and frames; what cannot be told apart shares a
    rank.
    """
    import tempfile

    from protocols.pack import opened_runs
    from reports.leaderboard import write_leaderboard
    from reports.results import Results

    with tempfile.TemporaryDirectory(prefix="thbench-") as unpacked:
        verified = opened_runs(runs, Path(unpacked))
        results = {name: Results(run) for name, run in verified.items()}
        click.echo(write_leaderboard(results, output))


@runs_group.command("verify")
@click.argument("run", type=click.Path(path_type=Path))
def runs_verify(run: Path) -> None:
    """Hashes every frame of RUN again and derives its tables from the stored scores; exit code 1
    where they differ.
    """
    _check_runs(run)
    from protocols.verify import verify_run
    from thbench.runs import Run

    checked, wrong = verify_run(Run.open(run))
    click.echo(
        "\n".join([*checked, *wrong, f"{len(wrong)} problems" if wrong else "as it was written"])
    )
    if wrong:
        sys.exit(1)


@thbench.command("compare")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("a")
@click.argument("b")
def compare(run: Path, a: str, b: str) -> None:
    """How method A differs from method B in RUN: paired by video, with intervals and corrected
    p-values.

    For two runs: thbench report compare RUN_A RUN_B
    """
    _check_runs(run)
    from reports.compare_methods import compare_methods_text

    click.echo(compare_methods_text(run, a, b))


@thbench.command("mock-run")
@click.argument("method")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), help="Model file or training folder."
)
@click.option(
    "--dataset", default="synth:64", show_default=True, help="Frames of another size: synth:256."
)
@DEVICE
def mock_run(method: str, checkpoint: Path | None, dataset: str, device: str) -> None:
    """Tries METHOD on one video, T = 1 and 2, in seconds, and says which promises of a method it
    keeps.
    """
    check_plugin("thbench.methods", method.partition(":")[0], "method")
    from protocols.command import chosen_device
    from protocols.mock import mock_run
    from thbench.data.open import open_dataset

    failed = False
    for checked, problem in mock_run(
        method, open_dataset(dataset), checkpoint, chosen_device(device)
    ):
        click.echo(f"FAILED  {checked}: {problem}" if problem else f"ok      {checked}")
        failed = failed or bool(problem)
    if failed:
        sys.exit(1)


@thbench.command("export-protocol", cls=SeveralValues)
@click.argument("protocol", default="self-reenactment")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option(
    "--T",
    "-T",
    "T",
    type=click.IntRange(min=1),
    multiple=True,
    help="Numbers of shots: --T 1 8 32.",
)
@click.option(
    "--dataset", help="A prepared dataset's folder, a name under $THBENCH_DATA, or synth."
)
@click.option("--videos", type=click.IntRange(min=1), help="Fewer test videos.")
@click.option("--holdout", type=click.IntRange(min=1), help="Hold-out frames per video.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the split.")
@click.option(
    "--split", type=click.Path(path_type=Path), help="A stored split instead of a drawn one."
)
@click.option(
    "--sources",
    help="Puppeteering: where heads are learned from, a folder of photographs or a dataset.",
)
@SKIP_UNUSABLE
@click.option(
    "--drivers", type=click.IntRange(min=1), help="Puppeteering: driving videos per head."
)
@click.option(
    "--drives-with",
    type=click.Choice(["image", "landmarks"]),
    default="image",
    show_default=True,
    help="landmarks: the driving frames themselves are left out.",
)
def export_protocol(out: Path, **options: Any) -> None:
    """Writes PROTOCOL's shots, driving frames and landmarks as PNG and CSV, for a system that runs
    elsewhere.

    The frames it makes go to OUT/answers; `--methods external:NAME=OUT/answers` puts them into a
    run.
    """
    from protocols.export import export_from_command_line

    episodes = export_from_command_line(out=out, **options)
    click.echo(f"{episodes} episodes in {out}; README.txt there says what to do with them")


@thbench.command(cls=SeveralValues)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--metrics", multiple=True, help="Metrics to add to the run's own.")
@click.option("--only", is_flag=True, help="The run keeps the metrics of --metrics and no other.")
@click.option("--device", default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors]")
@QUIET
def score(metrics: tuple[str, ...], only: bool, **options: Any) -> None:
    """Computes the metrics of RUN from its stored frames; no method's code is needed."""
    _check_runs(options["run"])
    for name in metrics:
        check_plugin("thbench.metrics", name, "metric")

    from protocols.command import score_from_command_line

    if only and not metrics:
        raise click.UsageError("--only keeps the metrics that --metrics names: name at least one")
    score_from_command_line(metrics=metrics, only=only, **options)


@thbench.command("prepare", cls=SeveralValues)
@click.argument(
    "layout",
    type=click.Choice(["vox1-frames", "vox-mp4", "videos", "frames", "videos-flat", "photos-flat"]),
)
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
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
    help="auto, dlib, face-alignment, face-alignment-3d, or import:DIR for landmarks that you have.",
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
@QUIET
def prepare(**options: Any) -> None:
    """Turns real frames or videos into a dataset: finds faces and landmarks, crops, resizes, packs.

    \b
    vox1-frames   unzippedFaces/<Name>/1.6/<video>/<frame>.jpg
    vox-mp4       mp4/<id>/<video>/<clip>.mp4
    videos        <person>/<video>.mp4 or <person>/<video>/<clip>.mp4
    frames        <person>/<video>/<frame>.jpg
    videos-flat   <person>.mp4, each file another person
    photos-flat   <person>.jpg, each file another person

    Run it again after a kill: it goes on where it stopped.
    """
    from thbench.data.prepare.request import run

    click.echo(run(**options))


@thbench.group()
def data() -> None:
    """Looks at prepared datasets: counts, contact sheets, checks."""


@data.command("show")
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def data_show(dataset: str, as_json: bool) -> None:
    """Counts and splits of DATASET, where its landmarks come from, and what was dropped and why."""
    import json

    from thbench.data.show import description, text

    click.echo(
        json.dumps(description(dataset), indent=1) if as_json else text(description(dataset))
    )


@data.command("sheet")
@click.argument("dataset")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The PNG to write."
)
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
def data_sheet(dataset: str, output: Path, per_video: int, videos: int) -> None:
    """A contact sheet of DATASET: crops with their landmarks, to see at a glance whether they are
    right.
    """
    from thbench.data.open import open_dataset
    from thbench.data.prepare.contact_sheet import write_contact_sheet

    write_contact_sheet(open_dataset(dataset), output, per_video, videos)
    click.echo(output)


@data.command("pack")
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path))
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
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True)
@QUIET
def data_pack(dataset: str, out: Path, size_px: int | None, quiet: bool, **options: Any) -> None:
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
        pack(opened, out, progress=lambda done, total: count(done, total, "shards"), **options)
    click.echo(out)


@data.command("export")
@click.argument("dataset", type=click.Choice(["synth"]))
@click.argument("out", type=click.Path(path_type=Path))
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
def data_export(dataset: str, out: Path, **options: Any) -> None:
    """Writes synthetic heads as if they were VoxCeleb, to try `thbench prepare` without the real
    data.
    """
    from thbench.data.synthetic.export import export_synth

    click.echo(f"{export_synth(out=out, **options)} frames in {out}")


@data.command("verify")
@click.argument("dataset", type=click.Path(path_type=Path))
def data_verify(dataset: Path) -> None:
    """Reads every byte of DATASET again and compares it with what was recorded when it was
    prepared.
    """
    from thbench.data.store.verify import verify

    click.echo(verify(dataset))


@thbench.group()
def report() -> None:
    """Makes tables, figures, plots and an HTML page from finished runs."""


RUNS = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))


@report.command("latex", cls=SeveralValues)
@RUNS
@click.option(
    "--table",
    type=click.Choice(["1", "2", "ablation"]),
    default="1",
    show_default=True,
    help="1: scores, 2: times, ablation: variants of one method.",
)
@click.option(
    "--format",
    type=click.Choice(["latex", "markdown", "csv", "html", "json"]),
    default="latex",
    show_default=True,
)
@click.option(
    "--ties",
    type=click.Choice(["displayed", "exact", "within-noise"]),
    default="displayed",
    show_default=True,
    help="Which cells are bold: those that print like the best, the one best, or all "
    "that are not significantly worse.",
)
@click.option(
    "--metrics", multiple=True, help="Columns; 'user' is the study's.  [default: the paper's]"
)
@click.option(
    "--reference",
    default="",
    help="The full model of an ablation.  [default: the run's last method]",
)
@click.option("--with-paper", is_flag=True, help="Sets the published figures beside ours.")
@click.option("--ci", "intervals", is_flag=True, help="Adds the half-widths of the 95 % intervals.")
@click.option(
    "--allow-mixed",
    is_flag=True,
    help="Lets runs of different protocols share a table, one block each.",
)
@click.option("--standalone", is_flag=True, help="LaTeX that compiles by itself.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A file instead of the screen."
)
def report_latex(runs: tuple[Path, ...], output: Path | None, **options: Any) -> None:
    """The paper's tables from RUNS: LaTeX (needs booktabs only), Markdown, CSV, HTML or JSON."""
    _check_runs(*runs)
    from reports.emit import table_text
    from thbench.files import write_text

    text = table_text(runs, **options)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


@report.command("figure", cls=SeveralValues)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["comparison", "ff-vs-ft", "ablation", "T-sweep", "puppeteering"]),
    default="comparison",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="Path without suffix; .png, .pdf and .tex are written.  [default: the kind]",
)
@click.option(
    "--pick",
    type=click.Choice(["random", "best", "worst", "median"]),
    default="random",
    show_default=True,
    help="How people and frames are picked; the caption tells it.",
)
@click.option(
    "--metric",
    default="",
    help="What best, worst and median are judged by, and drivers ranked by.  "
    "[default: ssim, or the protocol's]",
)
@click.option(
    "--judge", default="", help="The method whose scores pick.  [default: the last column]"
)
@click.option(
    "--rows", type=click.IntRange(1), default=4, show_default=True, help="How many people."
)
@click.option("--seed", default=0, show_default=True)
@click.option("--methods", multiple=True, help="Which methods, in this order.")
@click.option("--T", "shots", multiple=True, type=int, help="Which T.  [default: all]")
def report_figure(
    run: Path,
    kind: Any,
    output: Path | None,
    methods: tuple[str, ...],
    shots: tuple[int, ...],
    **rule: Any,
) -> None:
    """A grid of pictures like the paper's Figures 3, 4, 7 and 14-17: people by T and method."""
    _check_runs(run)
    from reports.figures import Rule, write_figure

    click.echo(write_figure(run, kind, output or Path(kind), Rule(**rule), methods, shots))


@report.command("drivers")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--by", default="", help="A per-frame metric.  [default: the protocol's]")
@click.option(
    "--top", type=click.IntRange(min=1), help="The best so many of each head.  [default: all]"
)
@click.option("--format", type=click.Choice(["text", "csv"]), default="text", show_default=True)
def report_drivers(run: Path, **options: Any) -> None:
    """Which videos suit the heads of a puppeteering RUN: the drivers of each head, ranked."""
    _check_runs(run)
    from reports.drivers import drivers_text

    click.echo(drivers_text(run, **options), nl=False)


@report.command("plots", cls=SeveralValues)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("plots"), show_default=True
)
@click.option(
    "--metrics", multiple=True, help="Which metrics.  [default: FID, SSIM, CSIM and stand-ins]"
)
@click.option(
    "--times", type=click.Path(path_type=Path), help="The timing run of the same methods."
)
def report_plots(run: Path, output: Path, metrics: tuple[str, ...], times: Path | None) -> None:
    """Scores against T and time, per-video spread, agreement of metrics, paired differences: PNG,
    PDF and SVG.
    """
    _check_runs(run)
    from reports.plots import write_plots

    for file in write_plots(run, output, metrics, times):
        click.echo(file)


@report.command("html")
@RUNS
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("report"), show_default=True
)
@click.option("--with-paper", is_flag=True, help="Sets the published figures beside ours.")
@click.option(
    "--allow-mixed",
    is_flag=True,
    help="Lets runs of different protocols share a page, one table each.",
)
@click.option(
    "--rows", type=click.IntRange(1), default=4, show_default=True, help="How many people to show."
)
@click.option("--seed", default=0, show_default=True, help="Which people.")
def report_html(runs: tuple[Path, ...], output: Path, **options: Any) -> None:
    """One folder with a page that opens from disk: tables, pictures, clips, plots, worst cases,
    provenance.
    """
    _check_runs(*runs)
    from reports.html import write_report

    click.echo(write_report(runs, output, **options))


@report.command("compare")
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.option(
    "--format",
    type=click.Choice(["markdown", "json", "latex"]),
    default="markdown",
    show_default=True,
)
def report_compare(run_a: Path, run_b: Path, format: str) -> None:
    """What changed from RUN_A to RUN_B: settings, versions, and numbers with paired intervals."""
    _check_runs(run_a, run_b)
    from reports.compare import compare_text

    click.echo(compare_text(run_a, run_b, format), nl=False)


@thbench.group()
def weights() -> None:
    """Lists, fetches and checks the pretrained files. Nothing else downloads anything."""


@weights.command("list")
def weights_list() -> None:
    """Every pretrained file: what it enables, its licence, and whether it is here."""
    from thbench.weights import WEIGHTS, find

    for weight in WEIGHTS.values():
        click.echo(
            f"{weight.name}: {find(weight) or 'missing'}\n    enables  {weight.enables}\n"
            f"    file     {weight.file}, {weight.digest_text}\n    licence  {weight.licence}\n"
            f"    from     {weight.urls[0]}\n    kept at  {weight.path}"
        )


@weights.command("fetch")
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="A copy of the file that you already have.",
)
def weights_fetch(name: str, source: Path | None) -> None:
    """Downloads the file NAME, checks its sha256 and puts it where thbench looks for it."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from thbench.weights import adopt, fetch, weight_file

    weight = weight_file(name)
    if source:
        click.echo(adopt(weight, source))
        return
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(weight.file, total=weight.size_bytes)
        path = fetch(
            weight,
            lambda done, total: bar.update(task, completed=done, total=total or weight.size_bytes),
        )
    click.echo(path)


@weights.command("verify")
@click.argument("names", nargs=-1)
def weights_verify(names: tuple[str, ...]) -> None:
    """Hashes the files NAMES (all that are here) and compares them with what was published."""
    from thbench.weights import WEIGHTS, find, verify, weight_file

    chosen = [weight_file(name) for name in names] or [
        weight for weight in WEIGHTS.values() if find(weight)
    ]
    for weight in chosen:
        click.echo(f"{weight.name}: {verify(weight)}")
    if not chosen:
        click.echo("no pretrained file is here; `thbench weights list` says what there is to fetch")


@thbench.command("explain")
@click.argument("metric", required=False)
def explain(metric: str | None) -> None:
    """Prints the formula, settings, range and source of METRIC and whether it can run here, or
    lists all metrics.
    """
    from thbench.metrics.base import metric_names
    from thbench.metrics.explain import explanation

    click.echo(explanation(metric) if metric else "\n".join(metric_names()))


@thbench.group()
def study() -> None:
    """The user study: people look for the fake among three pictures of a person.

    \b
    thbench study build runs/first -o study     forms, pictures and texts from a finished run
    thbench study serve study                   the web page for participants, and the owner's
    thbench study score study                   the USER column, written into the run
    """


STUDY = click.argument("folder", metavar="STUDY", type=click.Path(path_type=Path))
DATABASE = click.option(
    "--db",
    metavar="URL",
    help="Database, e.g. postgresql://user:password@host/name.  [default: study.db in the study]",
)


@study.command("build", cls=SeveralValues)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="The study's folder."
)
@click.option(
    "--triplets-per-row",
    type=click.IntRange(min=1),
    default=320,
    show_default=True,
    help="Triplets for each method and T.",
)
@click.option(
    "--ratings",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="People per triplet.",
)
@click.option(
    "--trials-per-form",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Triplets per person, at most; fewer where there are fewer test videos.",
)
@click.option("--leave-out", multiple=True, help="Persons not to show.")
@click.option(
    "--source-quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="JPEG quality of the dataset's frames: fakes get the same traces, or these would give them away.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def study_build(run: Path, out: Path, **options: Any) -> None:
    """Makes a study from a finished RUN: balanced forms, pictures, practice and checks."""
    _check_runs(run)
    from reports.study.build import build_study
    from thbench.runs import Run

    click.echo(build_study(Run.open(run), out, **options).text(out))


@study.command("serve")
@STUDY
@DATABASE
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option(
    "--public-url", default="", help="The address participants see, e.g. https://study.example.org."
)
@click.option(
    "--trusted-proxy",
    default="",
    metavar="IP",
    help="The TLS proxy in front, whose headers are believed.",
)
def study_serve(folder: Path, **options: Any) -> None:
    """Serves STUDY to participants at / and its progress to its owner at /owner."""
    from reports.study.serve import serve_folder

    click.echo(
        f"participants: {options['public_url'] or 'http://{host}:{port}'.format(**options)}/   "
        f"progress: /owner, with the owner's token of {folder}/secrets.json"
    )
    serve_folder(folder, **options)


@study.command("export-static")
@STUDY
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="The folder to hand out."
)
@click.option(
    "--key", type=click.Path(path_type=Path), help="The answer key.  [default: OUT-key.json]"
)
@click.option(
    "--forms",
    type=click.IntRange(min=1),
    help="Only so many forms, one per person.  [default: all]",
)
def study_export_static(folder: Path, out: Path, key: Path | None, forms: int | None) -> None:
    """Writes a folder that works from disk, without a server; people hand in a file with their
    answers.

    Frames of VoxCeleb show public figures: give the folder to participants, do not publish it.
    """
    from reports.study.folder import Study
    from reports.study.static_export import export_static

    key_file = key or out.with_name(f"{out.name}-key.json")
    count = export_static(Study.open(folder), out, key_file, forms)
    click.echo(
        f"{out}/index.html: {count} forms; give each person a number from 1 to {count}\n"
        f"{key_file}: the answers, to be kept; for `thbench study import {folder} --key {key_file} FILES`"
    )


@study.command("import")
@STUDY
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    required=True,
    help="The key that export-static wrote.",
)
@DATABASE
def study_import(folder: Path, files: tuple[Path, ...], key: Path, db: str | None) -> None:
    """Takes in the answer FILES of a static export; a file that is there already changes nothing."""
    from reports.study.results import import_into_folder

    imported = import_into_folder(folder, db, key, files)
    for result in imported:
        click.echo(f"{result.file}: {result.text}", err=not result.accepted)
    if not all(result.accepted for result in imported):
        sys.exit(1)


@study.command("purge")
@STUDY
@DATABASE
@click.option("--receipt", help="Delete the answers of the participant with this receipt.")
@click.option(
    "--identities", is_flag=True, help="Delete hashed ids and window sizes; answers stay."
)
@click.option("--everything", is_flag=True, help="Delete all participants and all answers.")
def study_purge(folder: Path, **options: Any) -> None:
    """Deletes personal data, on a participant's request or when its time is over."""
    from reports.study.purge import purge_folder

    click.echo(purge_folder(folder, **options))


@study.command("score")
@STUDY
@DATABASE
@click.option(
    "--run", type=click.Path(path_type=Path), help="Where the run is now.  [default: where it was]"
)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def study_score(folder: Path, db: str | None, run: Path | None, as_json: bool) -> None:
    """Success rates with their intervals and tests; writes the USER column into the run.

    The study's folder gets results.json and ratings.csv (pseudonymous, one row per rating).
    Simulated raters are scored too, but written nowhere.
    """
    import json

    from reports.study.score import format_scores, score_folder

    scores = score_folder(folder, db, run)
    click.echo(json.dumps(scores, indent=1) if as_json else format_scores(scores))


@study.command("power", cls=SeveralValues)
@click.option(
    "--rates",
    multiple=True,
    metavar="A:B",
    help="Success rates to tell apart, e.g. 0.62:0.71.  [default: pairs from the paper's table]",
)
@click.option(
    "--ratings",
    type=click.IntRange(min=1),
    default=1600,
    show_default=True,
    help="Ratings per row planned.",
)
@click.option(
    "--design-effect",
    type=float,
    default=2.5,
    show_default=True,
    help="How much less a rating says because raters and videos repeat.",
)
def study_power(rates: tuple[str, ...], ratings: int, design_effect: float) -> None:
    """How many ratings a row needs before two methods, or a method and chance, can be told apart."""
    from reports.study.power import power_text

    click.echo(power_text(rates, ratings, design_effect))


@study.command("simulate", cls=SeveralValues)
@STUDY
@click.option("--db", metavar="URL", help="Database.  [default: simulated.db in the study]")
@click.option(
    "--rates",
    multiple=True,
    default=("0.6",),
    show_default=True,
    metavar="[METHOD=]RATE",
    help="Success rate of an average rater.",
)
@click.option(
    "--spread",
    type=float,
    default=0.8,
    show_default=True,
    help="How much raters, videos and triplets vary (logit).",
)
@click.option(
    "--dropout",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of raters who leave midway.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def study_simulate(folder: Path, **options: Any) -> None:
    """Sends raters of known skill through STUDY into a database of their own, to try the design."""
    from reports.study.simulate import simulate_folder

    click.echo(simulate_folder(folder, **options))


def _check_exist(*paths: Path | None) -> None:
    """A mistyped path is told before anything heavy is imported."""
    for path in paths:
        if path is not None and not path.exists():
            raise ThbenchError(f"{path} does not exist")


def _check_runs(*runs: Path) -> None:
    """A folder that is no run is told before anything heavy is imported."""
    from thbench.runs import Run

    for run in runs:
        Run.open(run)


def main() -> None:
    """Entry point: every error ends in one line, exit code 2 for usage and 1 for failed work.

    Of what nobody foresaw, a fault of this program, the traceback is kept in a file that the line
    names. SIGTERM is handled like Ctrl-C: what runs is ended and cleaned up, exit code 143 (130 for
    Ctrl-C).
    """
    terminated = _interrupt_on_sigterm()
    try:
        thbench.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "stopped: nothing half-written was kept; run the same command again to continue "
            "(train: add --resume)",
            err=True,
        )
        sys.exit(128 + signal.SIGTERM if terminated.is_set() else 128 + signal.SIGINT)
    except ThbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # `thbench ... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        click.echo(f"error: {unforeseen(error, sys.argv[1:])}", err=True)
        sys.exit(1)


def _interrupt_on_sigterm() -> threading.Event:
    """Makes SIGTERM raise what Ctrl-C raises; the event tells which of them it was."""
    terminated = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up is not interrupted
        terminated.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    return terminated


if __name__ == "__main__":
    main()
