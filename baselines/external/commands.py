"""`thbench systems`: what thbench knows of public systems, and whether a clone works."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from thbench.command_options import FILE

SEES = {"image": "the driving frames", "landmarks": "landmarks of the driving frames only"}


@click.group()
def systems() -> None:
    """Public talking-head systems: how each is run, and whether a clone of it works here."""


@systems.command("list")
def systems_list() -> None:
    """Every system with a recipe, its licence and its native size."""
    from baselines.external.systems import recipe, recipe_names

    for name in recipe_names():
        known = recipe(name)
        click.echo(f"{name}: {known.title}\n    {known.repository}\n    {known.licence}")


@systems.command("show")
@click.argument("name")
def systems_show(name: str) -> None:
    """What is known of the system NAME: weights, licence, command line, traps."""
    from baselines.external.systems import recipe

    known = recipe(name)
    door = known.door
    lines = [
        f"{name}: {known.title}",
        f"repository  {known.repository}",
        f"weights     {known.weights}",
        f"licence     {known.licence}",
        f"sees        {SEES[known.sees]}, at {known.size_px} pixels",
        f"runs        {door.command or door.script} ({door.kind})",
        *(f"setting     {key} = {value!r}" for key, value in door.settings.items()),
        *(f"beware      {trap}" for trap in known.traps),
        f"use         thbench run-protocol --methods system:{name}=DIR ...",
    ]
    click.echo("\n".join(lines))


@systems.command("check")
@click.argument("name")
@click.option(
    "--repo",
    "repository",
    required=True,
    type=FILE,
    help="The clone, with its weights in place.",
)
def systems_check(name: str, repository: Path) -> None:
    """Whether the clone of NAME is whole, and renders two frames of a synthetic head."""
    from baselines.external.systems import checks, recipe
    from thbench.data.open import open_dataset

    recipe(name)
    heads = open_dataset("synth:256")
    trial = heads.read(heads.videos[0], range(3))
    failed = False
    for checked, problem in checks(name, repository, trial):
        click.echo(f"FAILED  {checked}: {problem}" if problem else f"ok      {checked}")
        failed = failed or bool(problem)
    if failed:
        sys.exit(1)
