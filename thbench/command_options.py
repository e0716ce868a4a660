"""What the commands share: options, a command whose options take several values, early checks.

Nothing heavy is imported here, nor at the top of any module of commands.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

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
