"""`thbench audit`: what each metric sees of known defects."""

from __future__ import annotations

from pathlib import Path

import click

from thbench.command_options import FILE, QUIET, SEED, SeveralValues, check_exist
from thbench.plugins import check_plugin


@click.command(cls=SeveralValues)
@click.option(
    "--videos", type=click.IntRange(min=2), default=12, show_default=True, help="Synthetic heads."
)
@click.option(
    "--frames", type=click.IntRange(min=2), default=8, show_default=True, help="Of each video."
)
@click.option("--size", "size_px", type=click.IntRange(32, 512), default=128, show_default=True)
@click.option("--metrics", multiple=True, help="Which metrics.  [default: all that can run]")
@click.option(
    "--real", multiple=True, type=FILE, help="Videos, or folders of videos or frames, as well."
)
@click.option("--from", "made", type=FILE, help="Only draws the page of this metric-audit.json.")
@SEED
@QUIET
@click.option("-o", "--output", type=FILE, default=Path("audit"), show_default=True)
def audit(
    videos: int,
    frames: int,
    size_px: int,
    metrics: tuple[str, ...],
    real: tuple[Path, ...],
    made: Path | None,
    seed: int,
    quiet: bool,
    output: Path,
) -> None:
    """Asks every metric about known defects (blur, H.264, shifts, frozen eyes, another person ...)
    and writes what it sees: metric-audit.md, its figures and metric-audit.json.

    The same options give the same bytes on the same machine. A frame takes about a quarter of a
    second per defect and strength: the defaults about a quarter of an hour.
    """
    check_exist(made, *real)
    for name in metrics:
        check_plugin("thbench.metrics", name, "metric")

    from reports.audit.page import NAME, write_audit

    if made is not None:
        click.echo(write_audit(made, output))
        return

    from thbench.audit.measure import audit as measure
    from thbench.progress import counter
    from thbench.records.encode import write_record

    with counter("audit videos", quiet) as count:
        record = measure(videos, frames, size_px, seed, metrics, real, count)
    numbers = output / f"{NAME}.json"
    write_record(numbers, record)
    click.echo(write_audit(numbers, output))
