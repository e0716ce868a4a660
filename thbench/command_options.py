"""What the commands share: options, a command whose options take several values, early checks.

Nothing heavy is imported here, nor at the top of any module of commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from thbench.engine import Engine, EngineName
from thbench.errors import ThbenchError


class SeveralValues(click.Command):
    """A command whose `multiple` options take several values: `--T 1 8 32` and `--T 1,8,32`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {
            flag
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for flag in parameter.opts
        }
        return super().parse_args(ctx, _spread(args, flags))


FILE = click.Path(path_type=Path)

QUIET = click.option("--quiet", is_flag=True, help="Does not show how far it is.")
SEED = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)

DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 ...")

CHECKPOINT = click.option("--checkpoint", type=FILE, help="Model file or training folder.")

LANDMARKS = click.option(
    "--landmarks",
    default="auto",
    show_default=True,
    help="auto, dlib, face-alignment or face-alignment-3d.",
)

SKIP_UNUSABLE = click.option(
    "--skip-unusable",
    is_flag=True,
    help="Leave out photos that cannot be read or show no face, and name them.",
)

_DATASET_HELP = "A prepared dataset's folder, a name under $THBENCH_DATA, or synth."
DATASET = click.option("--dataset", help=_DATASET_HELP)
REQUIRED_DATASET = click.option("--dataset", required=True, help=_DATASET_HELP)

SOURCES = click.option(
    "--sources",
    help="Puppeteering: where heads are learned from, a folder of photographs or a dataset.",
)

_ENGINE = (
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Where the work is shared out: processes of this machine, or a Ray cluster.",
    ),
    click.option(
        "--ray-address",
        metavar="HOST:PORT",
        help="The head of a cluster that this machine has joined.  [default: a cluster of this "
        "machine alone]",
    ),
    click.option(
        "--gpu-share",
        type=click.FloatRange(0, min_open=True),
        help="Ray: how much of a GPU each unit has; with 0.5 two share a card.  [default: 1 on a "
        "GPU]",
    ),
)


def takes_engine(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say where work is done; the command takes them as one `engine`."""

    @wraps(command)
    def taking(
        *, engine: EngineName, ray_address: str | None, gpu_share: float | None, **others: Any
    ) -> None:
        if engine == "local" and (ray_address is not None or gpu_share is not None):
            raise click.UsageError("--ray-address and --gpu-share are for --engine ray: add that")
        command(engine=Engine(engine, ray_address, gpu_share or 0.0), **others)

    for option in reversed(_ENGINE):
        taking = option(taking)
    return taking


def check_exist(*paths: Path | None) -> None:
    """A mistyped path is told before anything heavy is imported."""
    for path in paths:
        if path is not None and not path.exists():
            raise ThbenchError(f"{path} does not exist")


def check_apart(given: Path, output: Path) -> None:
    """A command that would write over what it reads is told before it begins."""
    if given.exists() and output.exists() and given.samefile(output):
        raise ThbenchError(f"{output} is what is read here; name another file to write with -o")


def check_runs(*runs: Path) -> None:
    """A folder that is no run is told before anything heavy is imported."""
    from thbench.runs import Run

    for run in runs:
        Run.open(run)


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
                spread += _repeated(flag, value)
        elif current:
            spread += _repeated(current, arg)
        else:
            spread.append(arg)

    return spread


def _repeated(flag: str, values: str) -> list[str]:
    """`--T`, `1,8` -> `--T 1 --T 8`; a path or a command that holds a comma is one value."""
    several = values.split(",") if re.fullmatch(r"[\w,-]+", values) else [values]
    return [part for value in several for part in (flag, value)]
