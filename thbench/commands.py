"""Commands about one's own heads and about what is installed: adapt, drive, doctor, explain, ..."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import (
    CHECKPOINT,
    DEVICE,
    FILE,
    LANDMARKS,
    SEED,
    SKIP_UNUSABLE,
    SeveralValues,
    check_apart,
    check_exist,
)
from thbench.plugins import check_plugin

if TYPE_CHECKING:
    from thbench.data.prepare.crop import CropPolicy


@click.command(cls=SeveralValues)
@click.argument("method")
@click.option(
    "--images",
    multiple=True,
    required=True,
    type=FILE,
    help="Photos of one person, or folders of them.",
)
@CHECKPOINT
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
@SEED
@click.option("-o", "--output", type=FILE, required=True, help="person.safetensors")
def adapt(
    method: str,
    images: tuple[Path, ...],
    checkpoint: Path | None,
    size_px: int | None,
    skip_unusable: bool,
    landmarks: str,
    crop: CropPolicy,
    device: str,
    seed: int,
    output: Path,
) -> None:
    """Learns the head of one person from a few photos and keeps it in a file for `thbench
    drive`.
    """
    check_plugin("thbench.methods", method.partition(":")[0], "method")
    check_exist(checkpoint)
    if not any(image.exists() for image in images):
        check_exist(*images)  # where some exist, all that cannot be used are named together

    from thbench.data.photos import listed
    from thbench.device import chosen_device
    from thbench.heads import adapt_head

    photos = adapt_head(
        method,
        list(images),
        output,
        checkpoint=checkpoint,
        size_px=size_px,
        landmarks=landmarks,
        crop=crop,
        device=chosen_device(device),
        seed=seed,
        skip_unusable=skip_unusable,
    )

    if photos.unusable:
        click.echo(f"left out:{listed(photos.unusable)}", err=True)
    shots = len(photos.files)
    click.echo(f"{output}: a head from {shots} photo{'s' * (shots > 1)}")


@click.command()
@click.argument("head", type=FILE)
@click.option("--video", type=FILE, help="The driving video; its times and its sound are kept.")
@click.option("--frames", type=FILE, help="Or a folder of driving frames.")
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True),
    default=25.0,
    show_default=True,
    help="Frames per second of --frames.",
)
@LANDMARKS
@click.option(
    "--crop",
    type=click.Choice(["as-is", "per-frame", "per-clip"]),
    default="per-clip",
    show_default=True,
    help="per-clip cuts one square, wide enough for the face "
    "wherever it moves; per-frame follows it; as-is: face crops already.",
)
@click.option(
    "--adapt-landmarks",
    is_flag=True,
    help="Moves the head's own face shape as the driver moves, instead of taking over the "
    "driver's.",
)
@DEVICE
@click.option("-o", "--output", type=FILE, required=True, help="out.mp4")
def drive(
    head: Path,
    video: Path | None,
    frames: Path | None,
    fps: float,
    landmarks: str,
    crop: CropPolicy,
    adapt_landmarks: bool,
    device: str,
    output: Path,
) -> None:
    """Renders a kept head in the poses of a driving video."""
    source = video or frames
    if source is None or (video and frames):
        raise click.UsageError("give either --video or --frames")
    check_exist(head, source)

    from thbench.device import chosen_device
    from thbench.heads import drive_head

    driven = drive_head(
        head,
        source,
        output,
        landmarks=landmarks,
        crop=crop,
        fps=fps,
        device=chosen_device(device),
        adapt_landmarks=adapt_landmarks,
    )
    click.echo(f"{output}: {driven.text}")


@click.command("export-head")
@click.argument("head", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="person.onnx")
def export_head(head: Path, output: Path) -> None:
    """Writes a kept head as an ONNX file, which any ONNX runtime renders without thbench.

    It takes landmark images as `thbench export-protocol` draws them; the file says so itself.
    """
    check_exist(head)
    check_apart(head, output)

    from thbench.heads import export_head as export

    size_px = export(head, output)
    click.echo(f"{output}: landmark images to frames, {size_px} x {size_px} pixels")


@click.command()
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


@click.command()
@click.argument("metric", required=False)
def explain(metric: str | None) -> None:
    """Prints the formula, settings, range and source of METRIC and whether it can run here, or
    lists all metrics.
    """
    from thbench.metrics.base import metric_names
    from thbench.metrics.explain import explanation

    click.echo(explanation(metric) if metric else "\n".join(metric_names()))


@click.group()
def weights() -> None:
    """Lists, fetches and checks the pretrained files. Nothing else downloads anything."""


@weights.command("list")
def weights_list() -> None:
    """Every pretrained file: what it enables, its licence, and whether it is here."""
    from thbench.weight_registry import WEIGHTS
    from thbench.weights import find

    for weight in WEIGHTS.values():
        click.echo(
            f"{weight.name}: {find(weight) or 'missing'}\n"
            f"    enables  {weight.enables}\n"
            f"    file     {weight.file}, {weight.digest_text}\n"
            f"    licence  {weight.licence}\n"
            f"    from     {weight.urls[0]}\n"
            f"    kept at  {weight.path}"
        )


@weights.command("fetch")
@click.argument("name")
@click.option("--from", "source", type=FILE, help="A copy of the file that you already have.")
def weights_fetch(name: str, source: Path | None) -> None:
    """Downloads the file NAME, checks its sha256 and puts it where thbench looks for it."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from thbench.weight_fetch import adopt, fetch
    from thbench.weights import weight_file

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
    from thbench.weight_registry import WEIGHTS
    from thbench.weights import find, verify, weight_file

    named = [weight_file(name) for name in names]
    chosen = named or [weight for weight in WEIGHTS.values() if find(weight)]

    for weight in chosen:
        click.echo(f"{weight.name}: {verify(weight)}")
    if not chosen:
        click.echo("no pretrained file is here; `thbench weights list` says what there is to fetch")
