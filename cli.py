"""The command line: parse, call one function, print. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from thbench import __version__
from thbench.errors import ThbenchError


class SeveralValues(click.Command):
    """A command whose `multiple` options also take several values at once: `--T 1 8 32` and `--T 1,8,32`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {flag for parameter in self.params if isinstance(parameter, click.Option) and parameter.multiple
                 for flag in parameter.opts}
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
                spread += [part for item in value.split(",") for part in (flag, item)]
        elif current:
            spread += [part for item in arg.split(",") for part in (current, item)]
        else:
            spread.append(arg)
    return spread


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="thbench")
def thbench() -> None:
    """Measures talking-head models from a few photos: train, adapt, run the paper's protocols, report.

    \b
    thbench demo                                             the whole benchmark on synthetic heads
    thbench prepare vox1-frames unzippedFaces data/vox1      real frames -> a prepared dataset
    thbench train ours --dataset data/vox1 --out models/ours
    thbench run-protocol --T 1 8 32 --dataset data/vox1 --methods ours-ff ours-ft --out runs/first
    thbench report latex runs/first
    """


@thbench.group()
def data() -> None:
    """Looks at prepared datasets: counts, contact sheets, checks."""


def main() -> None:
    """Entry point: errors that users can mend end in one line, exit code 2 for usage and 1 for failed work."""
    try:
        thbench.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped: nothing half-written was kept; run the same command again to continue", err=True)
        sys.exit(130)
    except ThbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
