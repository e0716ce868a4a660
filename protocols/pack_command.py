"""`thbench runs pack`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("pack")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="[default: RUN.zip]")
def pack_command(run: Path, output: Path | None) -> None:
    """Packs RUN without its frames: records, scores and hashes, for `thbench leaderboard`."""
    from protocols.pack import pack_run
    from thbench.runs import Run

    out = output or run.resolve().with_name(f"{run.resolve().name}.zip")
    count = pack_run(Run.open(run), out)
    click.echo(f"{out}: {count} files, {out.stat().st_size / 1e6:.1f} MB, no frames")
