"""`thbench runs`: what run folders hold, and packing them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import FILE, check_runs

if TYPE_CHECKING:
    from thbench.records.elsewhere import Program


@click.group()
def runs() -> None:
    """Lists, shows, verifies and packs run folders, and reads other programs' scores into them."""


@runs.command("list")
@click.argument("folder", type=FILE, default=Path("runs"))
def list_all(folder: Path) -> None:
    """One line for each run in FOLDER (runs, unless named)."""
    from protocols.runs_text import list_text

    click.echo(list_text(folder))


@runs.command("show")
@click.argument("run", type=FILE)
def show(run: Path) -> None:
    """What RUN measured, on what, with which models, on which machine, and how far it got."""
    from protocols.runs_text import show_text
    from thbench.runs import Run

    click.echo(show_text(Run.open(run)))


@runs.command("verify")
@click.argument("run", type=FILE)
def verify(run: Path) -> None:
    """Hashes every frame of RUN again and derives its tables from the stored scores; exit code 1
    where they differ.
    """
    check_runs(run)

    from protocols.verify import verify_run
    from thbench.runs import Run

    checked, wrong = verify_run(Run.open(run))

    verdict = f"{len(wrong)} problems" if wrong else "as it was written"
    click.echo("\n".join([*checked, *wrong, verdict]))
    if wrong:
        sys.exit(1)


@runs.command("pack")
@click.argument("run", type=FILE)
@click.option("-o", "--output", type=FILE, help="[default: RUN.zip]")
def pack(run: Path, output: Path | None) -> None:
    """Packs RUN without its frames: records, scores and hashes, for `thbench leaderboard`."""
    check_runs(run)

    from protocols.pack import pack_run
    from thbench.runs import Run

    out = output or run.resolve().with_name(f"{run.resolve().name}.zip")
    count = pack_run(Run.open(run), out)
    click.echo(f"{out}: {count} files, {out.stat().st_size / 1e6:.1f} MB, no frames")


@runs.command("import-scores")
@click.argument("program", type=click.Choice(["vbench", "theval"]))
@click.argument("file", type=FILE)
@click.argument("run", type=FILE)
@click.option("--method", help="Whose videos were measured.  [default: the run's only one]")
@click.option("--T", "shots", type=int, help="With how many shots.  [default: the run's only T]")
@click.option("--metric", default="", help="Which metric of FILE.  [default: all]")
def import_scores(
    program: Program, file: Path, run: Path, method: str | None, shots: int | None, metric: str
) -> None:
    """Reads what another PROGRAM measured on the videos of RUN from its result FILE.

    vbench: the *_eval_results.json of `vbench evaluate --mode=custom_input`. theval: what one of
    its metric scripts wrote. The scores have a table of their own, `thbench report elsewhere`.
    """
    check_runs(run)

    from protocols.elsewhere.store import import_scores, told
    from thbench.runs import Run

    opened = Run.open(run)
    click.echo(told(opened, import_scores(opened, program, file, method, shots, metric)))
