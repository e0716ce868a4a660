"""`thbench study`: the user study, from its forms to its scores."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from thbench.command_options import FILE, SEED, SeveralValues, check_runs

STUDY = click.argument("folder", metavar="STUDY", type=FILE)
DATABASE = click.option(
    "--db",
    metavar="URL",
    help="Database, e.g. postgresql://user:password@host/name.  [default: study.db in the study]",
)


@click.group()
def study() -> None:
    """The user study: people look for the fake among three pictures of a person.

    \b
    thbench study build runs/first -o study     forms, pictures and texts from a finished run
    thbench study serve study                   the web page for participants, and the owner's
    thbench study score study                   the USER column, written into the run
    """


@study.command("build", cls=SeveralValues)
@click.argument("run", type=FILE)
@click.option("-o", "--out", type=FILE, required=True, help="The study's folder.")
@click.option(
    "--triplets-per-row",
    type=click.IntRange(min=1),
    default=320,
    show_default=True,
    help="Triplets for each method and T.",
)
@click.option(
    "--ratings",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="People per triplet.",
)
@click.option(
    "--trials-per-form",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Triplets per person, at most; fewer where there are fewer test videos.",
)
@click.option("--leave-out", multiple=True, help="Persons not to show.")
@click.option(
    "--source-quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="JPEG quality of the dataset's frames: fakes get the same traces, or these would give "
    "them away.",
)
@SEED
def build(
    run: Path,
    out: Path,
    triplets_per_row: int,
    ratings: int,
    trials_per_form: int,
    leave_out: tuple[str, ...],
    source_quality: int,
    seed: int,
) -> None:
    """Makes a study from a finished RUN: balanced forms, pictures, practice and checks."""
    check_runs(run)

    from reports.study.build import build_study
    from thbench.runs import Run

    built = build_study(
        Run.open(run),
        out,
        triplets_per_row=triplets_per_row,
        ratings=ratings,
        seed=seed,
        trials_per_form=trials_per_form,
        leave_out=leave_out,
        source_quality=source_quality,
    )
    click.echo(built.text(out))


@study.command("serve")
@STUDY
@DATABASE
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option(
    "--public-url", default="", help="The address participants see, e.g. https://study.example.org."
)
@click.option(
    "--trusted-proxy",
    default="",
    metavar="IP",
    help="The TLS proxy in front, whose headers are believed.",
)
def serve(
    folder: Path, db: str | None, host: str, port: int, public_url: str, trusted_proxy: str
) -> None:
    """Serves STUDY to participants at / and its progress to its owner at /owner."""
    from reports.study.serve import serve_folder

    click.echo(
        f"participants: {public_url or f'http://{host}:{port}'}/   "
        f"progress: /owner, with the owner's token of {folder}/secrets.json"
    )
    serve_folder(folder, db, host, port, public_url, trusted_proxy)


@study.command("export-static")
@STUDY
@click.option("-o", "--out", type=FILE, required=True, help="The folder to hand out.")
@click.option("--key", type=FILE, help="The answer key.  [default: OUT-key.json]")
@click.option(
    "--forms",
    type=click.IntRange(min=1),
    help="Only so many forms, one per person.  [default: all]",
)
def export_to_folder(folder: Path, out: Path, key: Path | None, forms: int | None) -> None:
    """Writes a folder that works from disk, without a server; people hand in a file with their
    answers.

    Frames of VoxCeleb show public figures: give the folder to participants, do not publish it.
    """
    from reports.study.folder import Study
    from reports.study.static_export import export_static

    key_file = key or out.with_name(f"{out.name}-key.json")
    count = export_static(Study.open(folder), out, key_file, forms)

    click.echo(
        f"{out}/index.html: {count} forms; give each person a number from 1 to {count}\n"
        f"{key_file}: the answers, to be kept; "
        f"for `thbench study import {folder} --key {key_file} FILES`"
    )


@study.command("import")
@STUDY
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--key", type=FILE, required=True, help="The key that export-static wrote.")
@DATABASE
def import_answers(folder: Path, files: tuple[Path, ...], key: Path, db: str | None) -> None:
    """Takes in the answer FILES of a static export; a file that is there already changes
    nothing.
    """
    from reports.study.results import import_into_folder

    imported = import_into_folder(folder, db, key, files)

    for result in imported:
        click.echo(f"{result.file}: {result.text}", err=not result.accepted)
    if not all(result.accepted for result in imported):
        sys.exit(1)


@study.command("purge")
@STUDY
@DATABASE
@click.option("--receipt", help="Delete the answers of the participant with this receipt.")
@click.option(
    "--identities", is_flag=True, help="Delete hashed ids and window sizes; answers stay."
)
@click.option("--everything", is_flag=True, help="Delete all participants and all answers.")
def purge(
    folder: Path, db: str | None, receipt: str | None, identities: bool, everything: bool
) -> None:
    """Deletes personal data, on a participant's request or when its time is over."""
    from reports.study.purge import purge_folder

    click.echo(purge_folder(folder, db, receipt, identities, everything))


@study.command("score")
@STUDY
@DATABASE
@click.option("--run", type=FILE, help="Where the run is now.  [default: where it was]")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def score(folder: Path, db: str | None, run: Path | None, as_json: bool) -> None:
    """Success rates with their intervals and tests; writes the USER column into the run.

    The study's folder gets results.json and ratings.csv (pseudonymous, one row per rating).
    Simulated raters are scored too, but written nowhere.
    """
    from reports.study.score import format_scores, score_folder, scores_json

    scores = score_folder(folder, db, run)
    click.echo(scores_json(scores) if as_json else format_scores(scores))


@study.command("power", cls=SeveralValues)
@click.option(
    "--rates",
    multiple=True,
    metavar="A:B",
    help="Success rates to tell apart, e.g. 0.62:0.71.  [default: pairs from the paper's table]",
)
@click.option(
    "--ratings",
    type=click.IntRange(min=1),
    default=1600,
    show_default=True,
    help="Ratings per row planned.",
)
@click.option(
    "--design-effect",
    type=float,
    default=2.5,
    show_default=True,
    help="How much less a rating says because raters and videos repeat.",
)
def power(rates: tuple[str, ...], ratings: int, design_effect: float) -> None:
    """How many ratings a row needs before two methods, or a method and chance, can be told
    apart.
    """
    from reports.study.power import power_text

    click.echo(power_text(rates, ratings, design_effect))


@study.command("simulate", cls=SeveralValues)
@STUDY
@click.option("--db", metavar="URL", help="Database.  [default: simulated.db in the study]")
@click.option(
    "--rates",
    multiple=True,
    default=("0.6",),
    show_default=True,
    metavar="[METHOD=]RATE",
    help="Success rate of an average rater.",
)
@click.option(
    "--spread",
    type=float,
    default=0.8,
    show_default=True,
    help="How much raters, videos and triplets vary (logit).",
)
@click.option(
    "--dropout",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of raters who leave midway.",
)
@SEED
def simulate(
    folder: Path,
    db: str | None,
    rates: tuple[str, ...],
    spread: float,
    dropout: float,
    seed: int,
) -> None:
    """Sends raters of known skill through STUDY into a database of their own, to try the design."""
    from reports.study.simulate import simulate_folder

    click.echo(simulate_folder(folder, db, rates, spread, dropout, seed))
