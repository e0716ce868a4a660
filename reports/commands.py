"""`thbench report` and `thbench compare`: tables, figures, plots and pages from finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import FILE, SeveralValues, check_runs

if TYPE_CHECKING:
    from reports.drivers import Format
    from reports.emit import TableName
    from reports.figures import Kind
    from reports.picks import Pick
    from reports.ranking import TiePolicy
    from reports.yaw_gaps import Format as TableFormat

RUN = click.argument("run", type=FILE)
RUNS = click.argument("runs", nargs=-1, required=True, type=FILE)
WITH_PAPER = click.option(
    "--with-paper", is_flag=True, help="Sets the published figures beside ours."
)


@click.command()
@RUN
@click.argument("a")
@click.argument("b")
def compare(run: Path, a: str, b: str) -> None:
    """How method A differs from method B in RUN: paired by video, with intervals and corrected
    p-values.

    For two runs: thbench report compare RUN_A RUN_B
    """
    check_runs(run)

    from reports.compare_methods import compare_methods_text

    click.echo(compare_methods_text(run, a, b))


@click.group()
def report() -> None:
    """Makes tables, figures, plots and an HTML page from finished runs."""


@report.command("latex", cls=SeveralValues)
@RUNS
@click.option(
    "--table",
    type=click.Choice(["1", "2", "ablation"]),
    default="1",
    show_default=True,
    help="1: scores, 2: times, ablation: variants of one method.",
)
@click.option(
    "--format",
    type=click.Choice(["latex", "markdown", "csv", "html", "json"]),
    default="latex",
    show_default=True,
)
@click.option(
    "--ties",
    type=click.Choice(["displayed", "exact", "within-noise"]),
    default="displayed",
    show_default=True,
    help="Which cells are bold: those that print like the best, the one best, or all "
    "that are not significantly worse.",
)
@click.option(
    "--metrics", multiple=True, help="Columns; 'user' is the study's.  [default: the paper's]"
)
@click.option(
    "--reference",
    default="",
    help="The full model of an ablation.  [default: the run's last method]",
)
@WITH_PAPER
@click.option("--ci", "intervals", is_flag=True, help="Adds the half-widths of the 95 % intervals.")
@click.option(
    "--allow-mixed",
    is_flag=True,
    help="Lets runs of different protocols share a table, one block each.",
)
@click.option("--standalone", is_flag=True, help="LaTeX that compiles by itself.")
@click.option("-o", "--output", type=FILE, help="A file instead of the screen.")
def latex(
    runs: tuple[Path, ...],
    table: TableName,
    format: str,
    ties: TiePolicy,
    metrics: tuple[str, ...],
    reference: str,
    with_paper: bool,
    intervals: bool,
    allow_mixed: bool,
    standalone: bool,
    output: Path | None,
) -> None:
    """The paper's tables from RUNS: LaTeX (needs booktabs only), Markdown, CSV, HTML or JSON."""
    check_runs(*runs)

    from reports.emit import table_text
    from thbench.files import write_text

    text = table_text(
        runs,
        table,
        format=format,
        ties=ties,
        metrics=metrics,
        reference=reference,
        with_paper=with_paper,
        intervals=intervals,
        allow_mixed=allow_mixed,
        standalone=standalone,
    )
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


@report.command("figure", cls=SeveralValues)
@RUN
@click.option(
    "--kind",
    type=click.Choice(["comparison", "ff-vs-ft", "ablation", "T-sweep", "puppeteering"]),
    default="comparison",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="Path without suffix; .png, .pdf and .tex are written.  [default: the kind]",
)
@click.option(
    "--pick",
    type=click.Choice(["random", "best", "worst", "median"]),
    default="random",
    show_default=True,
    help="How people and frames are picked; the caption tells it.",
)
@click.option(
    "--metric",
    default="",
    help="What best, worst and median are judged by, and drivers ranked by.  "
    "[default: ssim, or the protocol's]",
)
@click.option(
    "--judge", default="", help="The method whose scores pick.  [default: the last column]"
)
@click.option(
    "--rows", type=click.IntRange(1), default=4, show_default=True, help="How many people."
)
@click.option("--seed", default=0, show_default=True)
@click.option("--methods", multiple=True, help="Which methods, in this order.")
@click.option("--T", "shots", multiple=True, type=int, help="Which T.  [default: all]")
def figure(
    run: Path,
    kind: Kind,
    output: Path | None,
    pick: Pick,
    metric: str,
    judge: str,
    rows: int,
    seed: int,
    methods: tuple[str, ...],
    shots: tuple[int, ...],
) -> None:
    """A grid of pictures like the paper's Figures 3, 4, 7 and 14-17: people by T and method."""
    check_runs(run)

    from reports.figures import Rule, write_figure

    rule = Rule(pick, metric, judge, rows, seed)
    click.echo(write_figure(run, kind, output or Path(kind), rule, methods, shots))


@report.command("drivers")
@RUN
@click.option("--by", default="", help="A per-frame metric.  [default: the protocol's]")
@click.option(
    "--top", type=click.IntRange(min=1), help="The best so many of each head.  [default: all]"
)
@click.option("--format", type=click.Choice(["text", "csv"]), default="text", show_default=True)
def drivers(run: Path, by: str, top: int | None, format: Format) -> None:
    """Which videos suit the heads of a puppeteering RUN: the drivers of each head, ranked."""
    check_runs(run)

    from reports.drivers import drivers_text

    click.echo(drivers_text(run, by, top, format), nl=False)


@report.command("plots", cls=SeveralValues)
@RUN
@click.option("-o", "--output", type=FILE, default=Path("plots"), show_default=True)
@click.option(
    "--metrics", multiple=True, help="Which metrics.  [default: FID, SSIM, CSIM and stand-ins]"
)
@click.option("--times", type=FILE, help="The timing run of the same methods.")
def plots(run: Path, output: Path, metrics: tuple[str, ...], times: Path | None) -> None:
    """Scores against T and time, per-video spread, agreement of metrics, paired differences: PNG,
    PDF and SVG.
    """
    check_runs(run)

    from reports.plots import write_plots

    for file in write_plots(run, output, metrics, times):
        click.echo(file)


@report.command("html")
@RUNS
@click.option("-o", "--output", type=FILE, default=Path("report"), show_default=True)
@WITH_PAPER
@click.option(
    "--allow-mixed",
    is_flag=True,
    help="Lets runs of different protocols share a page, one table each.",
)
@click.option(
    "--rows", type=click.IntRange(1), default=4, show_default=True, help="How many people to show."
)
@click.option("--seed", default=0, show_default=True, help="Which people.")
def html(
    runs: tuple[Path, ...],
    output: Path,
    with_paper: bool,
    allow_mixed: bool,
    rows: int,
    seed: int,
) -> None:
    """One folder with a page that opens from disk: tables, pictures, clips, plots, worst cases,
    provenance.
    """
    check_runs(*runs)

    from reports.html import write_report

    page = write_report(
        runs, output, with_paper=with_paper, allow_mixed=allow_mixed, rows=rows, seed=seed
    )
    click.echo(page)


@report.command("compare")
@click.argument("run_a", type=FILE)
@click.argument("run_b", type=FILE)
@click.option(
    "--format",
    type=click.Choice(["markdown", "json", "latex"]),
    default="markdown",
    show_default=True,
)
def compare_runs(run_a: Path, run_b: Path, format: str) -> None:
    """What changed from RUN_A to RUN_B: settings, versions, and numbers with paired intervals."""
    check_runs(run_a, run_b)

    from reports.compare import compare_text

    click.echo(compare_text(run_a, run_b, format), nl=False)


@report.command("yaw-gaps", cls=SeveralValues)
@RUN
@click.option(
    "--metrics",
    multiple=True,
    help="Metrics of single frames.  [default: SSIM, CSIM and stand-ins]",
)
@click.option("-o", "--output", type=FILE, help="A folder for the plots: PNG, PDF and SVG.")
@click.option(
    "--format",
    type=click.Choice(["markdown", "csv", "latex", "html", "json"]),
    default="markdown",
    show_default=True,
)
def yaw_gaps(run: Path, metrics: tuple[str, ...], output: Path | None, format: TableFormat) -> None:
    """Scores of RUN by the degrees that the head is turned from the nearest shot: table, plots."""
    check_runs(run)

    from reports.yaw_gaps import write_yaw_gaps

    click.echo(write_yaw_gaps(run, output, metrics, format), nl=False)


@report.command("elsewhere")
@RUN
@click.option(
    "--format",
    type=click.Choice(["markdown", "csv", "latex", "html", "json"]),
    default="markdown",
    show_default=True,
)
def elsewhere(run: Path, format: TableFormat) -> None:
    """What other programs measured on the videos of RUN (see `thbench runs import-scores`)."""
    check_runs(run)

    from reports.elsewhere import write_elsewhere

    click.echo(write_elsewhere(run, format), nl=False)
