"""`thbench import`: public checkpoints of this method by others, as model files."""

from __future__ import annotations

from pathlib import Path

import click

from thbench.command_options import FILE, check_apart


@click.group("import")
def import_models() -> None:
    """Makes model files of public checkpoints of this method; pickles in them run nothing."""


@import_models.command("vincent")
@click.argument("file", type=FILE)
@click.option("-o", "--output", type=FILE, default=Path("vincent.safetensors"), show_default=True)
def vincent(file: Path, output: Path) -> None:
    """A model of vincent-thevenin's Realistic-Neural-Talking-Head-Models, for vincent-ff and
    vincent-ft.
    """
    check_apart(file, output)

    from baselines.vincent.importer import import_vincent

    imported = import_vincent(file, output)
    methods = "vincent-ff or vincent-ft" if imported.fine_tunable else "vincent-ff"
    click.echo(
        f"{output}: layout {imported.layout}; use it with --methods {methods}, for example "
        f"--methods vincent-ff --checkpoint vincent-ff={output}"
    )
    if not imported.fine_tunable:
        click.echo(f"{file} holds no discriminator of a known version: vincent-ft has no use of it")


@import_models.command("shrubb")
@click.argument("file", type=FILE)
@click.option("-o", "--output", type=FILE, default=Path("shrubb.safetensors"), show_default=True)
def shrubb(file: Path, output: Path) -> None:
    """An FSTH model of shrubb/latent-pose-reenactment, for the methods ours-ff and ours-ft."""
    check_apart(file, output)

    from baselines.shrubb.importer import import_shrubb

    config = import_shrubb(file, output)
    click.echo(
        f"{output}: {config.size_px} pixels; use it with --methods ours-ff --checkpoint "
        f"ours-ff={output}"
    )
