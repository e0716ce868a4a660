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


@thbench.group()
def report() -> None:
    """Makes tables, figures, plots and an HTML page from finished runs."""


RUNS = click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))


@report.command("latex", cls=SeveralValues)
@RUNS
@click.option("--table", type=click.Choice(["1", "2", "ablation"]), default="1", show_default=True,
              help="1: scores, 2: times, ablation: variants of one method.")
@click.option("--format", type=click.Choice(["latex", "markdown", "csv", "html", "json"]), default="latex",
              show_default=True)
@click.option("--ties", type=click.Choice(["displayed", "exact", "within-noise"]), default="displayed",
              show_default=True, help="Which cells are bold: those that print like the best, the one best, or all "
              "that are not significantly worse.")
@click.option("--metrics", multiple=True, help="Columns; 'user' is the study's.  [default: the paper's]")
@click.option("--reference", default="", help="The full model of an ablation.  [default: the run's last method]")
@click.option("--with-paper", is_flag=True, help="Sets the published figures beside ours.")
@click.option("--ci", "intervals", is_flag=True, help="Adds the half-widths of the 95 % intervals.")
@click.option("--allow-mixed", is_flag=True, help="Lets runs of different protocols share a table, one block each.")
@click.option("--standalone", is_flag=True, help="LaTeX that compiles by itself.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file instead of the screen.")
def report_latex(runs: tuple[Path, ...], output: Path | None, **options: Any) -> None:
    """The paper's tables from RUNS: LaTeX (needs booktabs only), Markdown, CSV, HTML or JSON."""
    from reports.emit import table_text
    from thbench.files import write_text

    text = table_text(runs, **options)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


@thbench.group()
def weights() -> None:
    """Lists, fetches and checks the pretrained files. Nothing else downloads anything."""


@weights.command("list")
def weights_list() -> None:
    """Every pretrained file: what it enables, its licence, and whether it is here."""
    from thbench.weights import WEIGHTS, find

    for weight in WEIGHTS.values():
        click.echo(f"{weight.name}: {find(weight) or 'missing'}\n    enables  {weight.enables}\n"
                   f"    file     {weight.file}, {weight.digest_text}\n    licence  {weight.licence}\n"
                   f"    from     {weight.urls[0]}\n    kept at  {weight.path}")


@weights.command("fetch")
@click.argument("name")
@click.option("--from", "source", type=click.Path(path_type=Path), help="A copy of the file that you already have.")
def weights_fetch(name: str, source: Path | None) -> None:
    """Downloads the file NAME, checks its sha256 and puts it where thbench looks for it."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from thbench.weights import adopt, fetch, weight_file

    weight = weight_file(name)
    if source:
        click.echo(adopt(weight, source))
        return
    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(weight.file, total=weight.size_bytes)
        path = fetch(weight, lambda done, total: bar.update(task, completed=done, total=total or weight.size_bytes))
    click.echo(path)


@weights.command("verify")
@click.argument("names", nargs=-1)
def weights_verify(names: tuple[str, ...]) -> None:
    """Hashes the files NAMES (all that are here) and compares them with what was published."""
    from thbench.weights import WEIGHTS, find, verify, weight_file

    chosen = [weight_file(name) for name in names] or [weight for weight in WEIGHTS.values() if find(weight)]
    for weight in chosen:
        click.echo(f"{weight.name}: {verify(weight)}")
    if not chosen:
        click.echo("no pretrained file is here; `thbench weights list` says what there is to fetch")


@thbench.command("explain")
@click.argument("metric", required=False)
def explain(metric: str | None) -> None:
    """Prints the formula, settings, range and source of METRIC and whether it can run here, or lists all metrics."""
    from thbench.metrics.base import metric_names
    from thbench.metrics.explain import explanation

    click.echo(explanation(metric) if metric else "\n".join(metric_names()))


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
