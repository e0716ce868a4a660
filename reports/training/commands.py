"""`thbench train-report`: the curves and alarms of a training."""

from __future__ import annotations

from pathlib import Path

import click

from thbench.command_options import FILE, check_exist


@click.command("train-report")
@click.argument("folder", type=FILE)
@click.option(
    "-o", "--output", type=FILE, help="The page.  [default: training-report.html in FOLDER]"
)
@click.option("--png", type=FILE, help="All curves as one picture, too.")
def train_report(folder: Path, output: Path | None, png: Path | None) -> None:
    """One HTML file of the training in FOLDER, running or finished: curves, alarms, pictures, model
    files. It opens from disk and loads nothing.
    """
    check_exist(folder)

    from reports.training.page import write_overview, write_training_page

    page = output or folder / "training-report.html"
    write_training_page(folder, page)
    click.echo(page)
    if png is not None:
        write_overview(folder, png)
        click.echo(png)
