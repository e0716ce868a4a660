"""The table of contents of the command line: every command stands beside what it calls.

Nothing heavy is imported until a command needs it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from baselines.external.commands import systems
from baselines.import_commands import import_models
from protocols.commands import export_protocol, mock_run, protocols, run_protocol, score
from protocols.runs_commands import runs
from protocols.score_videos.commands import score_videos
from protocols.split_commands import split
from reports.audit.commands import audit
from reports.commands import compare, report
from reports.study.commands import study
from reports.training.commands import train_report
from thbench import __version__
from thbench.command_options import FILE
from thbench.commands import adapt, doctor, drive, explain, export_head, weights
from thbench.data.commands import data
from thbench.data.prepare.commands import prepare
from thbench.errors import Stopped, ThbenchError, unforeseen
from thbench.freed_memory import keep_freed_memory
from thbench.training.commands import model_info, train

COMMANDS: list[click.Command] = [
    # Data and models
    prepare,
    data,
    train,
    import_models,
    model_info,
    # Measuring
    run_protocol,
    score_videos,
    score,
    protocols,
    split,
    runs,
    export_protocol,
    mock_run,
    systems,
    # Reading what was measured
    report,
    compare,
    train_report,
    study,
    audit,
    # Heads of one's own, and what is installed
    adapt,
    drive,
    export_head,
    explain,
    weights,
    doctor,
]


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="thbench")
def thbench() -> None:
    """Measures talking-head models from a few photos: train, adapt, run the paper's protocols,
    report.

    \b
    thbench demo                                             the whole benchmark on synthetic heads
    thbench prepare vox1-frames unzippedFaces data/vox1      real frames -> a prepared dataset
    thbench train ours --dataset data/vox1 --out models/ours
    thbench run-protocol --T 1 8 32 --dataset data/vox1 --methods ours-ff ours-ft --out runs/first
    thbench report latex runs/first
    """


@thbench.command()
@click.option("--out", type=FILE, default=Path("demo"), show_default=True)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: the processors]")
def demo(out: Path, workers: int | None) -> None:
    """Runs the whole benchmark on synthetic heads with the bundled models, then writes tables,
    figures and a page.
    """
    from protocols.clip import SHOWN, write_clip
    from protocols.request import Request, begin_run, how_to_run
    from reports.emit import table_text
    from reports.figures import write_figure
    from reports.html import write_report
    from thbench.files import write_text

    run = out / "run"
    is_whole = begin_run("demo", Request(), run, how_to_run("auto", workers))

    write_text(out / "table1.tex", table_text([run], "1"))
    write_figure(run, "comparison", out / "figure")
    write_clip(out / "driven.mp4")
    page = write_report([run], out / "report", films={out / "driven.mp4": SHOWN})

    click.echo(
        f"open in a browser: {page.resolve()}\n"
        f"also there: {out / 'table1.tex'}, {out / 'figure.png'}, {out / 'driven.mp4'}\n"
        "next, with real data: thbench prepare --help, thbench train --help, thbench doctor"
    )
    if not is_whole:
        sys.exit(1)


@thbench.command()
@click.argument("runs", nargs=-1, required=True, type=FILE)
@click.option("-o", "--output", type=FILE, default=Path("site"), show_default=True)
def leaderboard(runs: tuple[Path, ...], output: Path) -> None:
    """One static page from RUNS, run folders or what `thbench runs pack` made, each verified first.

    Rows are ranked where they share protocol, data and frames; what cannot be told apart shares a
    rank.
    """
    import tempfile

    from protocols.pack import opened_runs
    from reports.leaderboard import write_leaderboard
    from reports.results import Results

    with tempfile.TemporaryDirectory(prefix="thbench-") as unpacked:
        verified = opened_runs(runs, Path(unpacked))
        results = {name: Results(run) for name, run in verified.items()}
        click.echo(write_leaderboard(results, output))


def main() -> None:
    """Entry point: every error ends in one line, exit code 2 for usage and 1 for failed work.

    Of what nobody foresaw, a fault of this program, the traceback is kept in a file that the line
    names. SIGTERM is handled like Ctrl-C: what runs is ended and cleaned up, exit code 143 (130 for
    Ctrl-C). A training keeps a checkpoint first, also on SIGUSR1 (exit code 138).
    """
    keep_freed_memory()
    with _interrupts_on_sigterm() as terminated:
        try:
            thbench.main(standalone_mode=False)
        except click.exceptions.Exit as stop:
            sys.exit(stop.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo(
                "stopped: nothing half-written was kept; run the same command again to continue "
                "(train: add --resume)",
                err=True,
            )
            sys.exit(128 + signal.SIGTERM if terminated.is_set() else 128 + signal.SIGINT)
        except Stopped as stop:
            if str(stop):
                click.echo(f"stopped: {stop}", err=True)
            sys.exit(128 + stop.number)
        except ThbenchError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except BrokenPipeError:  # `thbench ... | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            click.echo(f"error: {unforeseen(error, sys.argv[1:])}", err=True)
            sys.exit(1)


@contextmanager
def _interrupts_on_sigterm() -> Iterator[threading.Event]:
    """Inside, SIGTERM raises what Ctrl-C raises; the event tells which of them it was."""
    terminated = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the clean-up is not interrupted
        terminated.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield terminated
    finally:
        if not terminated.is_set():  # else nothing interrupts the end of the process either
            signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    main()
