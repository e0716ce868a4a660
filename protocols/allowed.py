"""Whose programs are run: one that only a run folder or a protocol file names needs a yes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

import click

from protocols.kinds.base import MethodEntry
from thbench.errors import ThbenchError
from thbench.printable import printable
from thbench.runs import Run

PROGRAMS = ("command:", "video:", "worker:", "system:")  # specs that run a program
_SHOWN_CHARACTERS = 4000  # of each program: nothing that a person would read is left out


def commands_of(methods: Iterable[MethodEntry], run: Run) -> list[str]:
    """The specs of methods that run a program: a protocol's, and those of a run that goes on."""
    stored = run.record().methods.values() if run.run_json.exists() else ()
    specs = [*(entry.spec for entry in methods), *(method.spec for method in stored)]

    return [spec for spec in dict.fromkeys(specs) if spec.startswith(PROGRAMS)]


def refuse_unasked_commands(specs: Iterable[str], given: Collection[str], where: str) -> None:
    """Lets programs pass that the command line names (`given`) or a person at the terminal allows.

    where: the file or folder that names them. Raises `ThbenchError` for a no, and where there is
    nobody to ask.
    """
    unasked = [
        printable(spec.removeprefix("command:"), _SHOWN_CHARACTERS)
        for spec in specs
        if spec not in given
    ]
    if not unasked:
        return

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ThbenchError(
            f"{where} wants to run programs on this machine: {'; '.join(unasked)}. "
            "Look at them, then add --allow-commands, or name the same methods with "
            "--methods"
        )

    asked = [f"{where} wants to run programs on this machine:", *unasked]
    click.echo("\n    ".join(asked), err=True)
    if not click.confirm("Run them?", default=False, err=True):
        raise ThbenchError("nothing was run")
