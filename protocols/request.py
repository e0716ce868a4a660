"""From what a person asks for to a run: which protocol, dataset, methods and checkpoints, and what
is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from protocols.allowed import commands_of, refuse_unasked_commands
from protocols.data import open_data
from protocols.definition import load_definition, stored_definition
from protocols.kinds.base import Definition
from protocols.methods import methods_from, with_settings
from protocols.run import HowToRun, RunOptions, locked, run_protocol
from protocols.score import metrics_of, score_run
from protocols.summary_text import summary_text
from protocols.times_text import times_text
from protocols.timing import time_protocol
from thbench.data.dataset import Dataset
from thbench.data.photos import HandPicked, Unusable, listed
from thbench.device import chosen_device
from thbench.engine import LOCAL, Engine, on_device
from thbench.errors import ThbenchError
from thbench.progress import track
from thbench.runs import Run, Unit


@dataclass(frozen=True)
class Request:
    """What is to be measured; None and () leave what the protocol says, or the run that goes on.

    methods are specs ("external:NAME=DIR"), checkpoints a path for all methods or "METHOD=PATH" for
    one, settings "METHOD.NAME=VALUE", dataset and sources what `open_dataset` and `open_sources`
    take. skip_unusable leaves out photographs that cannot be used. allow_commands: programs that
    only the run folder or the protocol's file names are run without asking the person at the
    terminal.
    """

    T: Sequence[int] = ()
    methods: Sequence[str] = ()
    metrics: Sequence[str] = ()
    checkpoints: Sequence[str] = ()
    settings: Sequence[str] = ()
    dataset: str | None = None
    sources: str | None = None
    skip_unusable: bool = False
    split: Path | None = None
    videos: int | None = None
    holdout: int | None = None
    seed: int | None = None
    drivers: int | None = None
    rank_by: str | None = None
    adapt_landmarks: bool = False
    iterations: int | None = None
    allow_commands: bool = False


def how_to_run(device: str, workers: int | None, engine: Engine = LOCAL) -> HowToRun:
    """The device and the number of processes: by default one per processor, or one on a GPU; as
    many as a cluster has room for.

    Raises `ThbenchError` where the device does not fit the engine.
    """
    chosen = chosen_device(device)
    if engine.name == "ray":
        return HowToRun(device=chosen, workers=workers, engine=on_device(engine, chosen))
    by_default = 1 if chosen.startswith("cuda") else os.cpu_count() or 1
    return HowToRun(device=chosen, workers=workers or by_default)


@dataclass(frozen=True)
class Measured:
    """What came of a request: the run folder, and the units that failed, each with its error."""

    run: Path
    failed: Sequence[tuple[Unit, str]]


def begin_run(
    protocol: str, request: Request, out: Path | None, how: HowToRun, quiet: bool = False
) -> bool:
    """Does as `measure` and prints the results and where they are; False when a unit failed."""
    return _told(measure(protocol, request, out, how, quiet))


def measure(
    protocol: str, request: Request, out: Path | None, how: HowToRun, quiet: bool = False
) -> Measured:
    """Runs a protocol (a bundled name or a file).

    A run that is in `out` already is extended. out: by default runs/ and the protocol's name.
    """
    definition = _as_asked(load_definition(protocol), request)
    folder = out or Path("runs") / definition.name
    _refuse_unasked(definition, request, folder, protocol)

    full, dataset, sources = open_data(
        definition, request.dataset, request.sources, None, request.skip_unusable
    )
    definition = full.with_values(videos=request.videos)
    options = _options(
        definition, request, sources, how, is_partial=definition.videos < full.videos
    )
    return _work(definition, dataset, folder, options, quiet)


def resume_run(run: Path, request: Request, how: HowToRun, quiet: bool = False) -> bool:
    """Goes on with a run as it was planned, and with what is asked for beside that; prints and
    returns as `begin_run` does.
    """
    record = Run.open(run).record()
    request = replace(
        request,
        metrics=metrics_of(Run(run), request.metrics, only=False),
        dataset=request.dataset or record.dataset.spec,
    )
    if record.sources is not None:
        request = replace(
            request,
            sources=request.sources or record.sources.spec,
            skip_unusable=request.skip_unusable or bool(record.sources.left_out),
        )
    planned = replace(
        stored_definition(record.protocol), T=tuple(record.T), metrics=tuple(record.metrics)
    )
    definition = _as_asked(planned, request)
    _refuse_unasked(definition, request, run, str(run))

    definition, dataset, sources = open_data(
        definition, request.dataset, request.sources, definition.videos, request.skip_unusable
    )
    definition = definition.with_values(videos=request.videos)
    options = _options(definition, request, sources, how, is_partial=record.partial)
    return _told(_work(definition, dataset, run, options, quiet))


def score_again(
    run: Path, metrics: Sequence[str], only: bool, how: HowToRun, quiet: bool = False
) -> None:
    """Does as `rescore` and prints the run's table."""
    rescore(run, metrics, only, how, quiet)
    _print_scores(run)


def rescore(
    run: Path, metrics: Sequence[str], only: bool, how: HowToRun, quiet: bool = False
) -> None:
    """Scores a run again, with more metrics or only with these."""
    opened = Run.open(run)
    with locked(opened):
        score_run(
            opened,
            metrics_of(opened, metrics, only),
            how.device,
            how.workers,
            partial(track, quiet=quiet),
            how.engine,
        )


def _as_asked(definition: Definition, request: Request) -> Definition:
    """The protocol with the values that are asked for, all but the number of videos."""
    chosen = methods_from(request.methods, definition) if request.methods else definition.methods
    return definition.with_values(
        T=tuple(request.T) or None,
        metrics=tuple(request.metrics) or None,
        holdout=request.holdout,
        seed=request.seed,
        drivers=request.drivers,
        rank_by=request.rank_by,
        adapt_landmarks=request.adapt_landmarks or None,
        methods=with_settings(chosen, request.settings),
        iterations=request.iterations,
    )


def _refuse_unasked(definition: Definition, request: Request, folder: Path, protocol: str) -> None:
    """Ends here where programs would be run that nobody has allowed."""
    if not request.allow_commands:
        where = str(folder) if Run(folder).run_json.exists() else protocol
        specs = commands_of(definition.methods, Run(folder))
        refuse_unasked_commands(specs, request.methods, where)


def _options(
    definition: Definition,
    request: Request,
    sources: Dataset | None,
    how: HowToRun,
    is_partial: bool,
) -> RunOptions:
    return RunOptions(
        _checkpoints(request.checkpoints),
        dataset_spec=request.dataset or definition.dataset,
        sources=sources,
        sources_spec=request.sources or "",
        split=request.split,
        partial=is_partial,
        left_out=_left_out(sources),
        device=how.device,
        workers=how.workers,
        engine=how.engine,
    )


def _work(
    definition: Definition, dataset: Dataset, folder: Path, options: RunOptions, quiet: bool
) -> Measured:
    progress = partial(track, quiet=quiet)
    if definition.measures == "time":
        _refuse_elsewhere(options)
        timed = time_protocol(definition, dataset, folder, options, progress)
        return Measured(folder, timed.failed)

    scored = run_protocol(definition, dataset, folder, options, progress)
    return Measured(folder, scored.failed)


def _refuse_elsewhere(how: HowToRun) -> None:
    if how.engine != LOCAL:
        raise ThbenchError(
            f"--engine {how.engine.name}: a timing protocol measures this machine, with nothing "
            "else at work on it; leave the engine out"
        )


def _told(measured: Measured) -> bool:
    """Prints what came of a request; False when a unit failed."""
    if Run(measured.run).timing_json.exists():
        _print_times(measured.run)
    else:
        _print_scores(measured.run)
    _print_failures(measured.failed, measured.run)

    return not measured.failed


def _left_out(sources: Dataset | None) -> Sequence[Unusable]:
    """The photographs that cannot be used, told on stderr."""
    unusable: Sequence[Unusable] = sources.unusable if isinstance(sources, HandPicked) else ()
    if unusable:
        print(f"left out of the sources:{listed(unusable)}", file=sys.stderr)
    return unusable


def _checkpoints(texts: Sequence[str]) -> dict[str, Path]:
    """`ours-ft=PATH` by method; a plain PATH, under "", is for all."""
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        found[name if equals else ""] = Path(path if equals else name)
    return found


def _print_times(folder: Path) -> None:
    print(times_text(Run.open(folder).timing_record()))
    print(f"run: {folder}   table: thbench report latex {folder} --table 2")


def _print_scores(folder: Path) -> None:
    print(summary_text(Run.open(folder)))
    print(f"run: {folder}   table: thbench report latex {folder}")


def _print_failures(failed: Sequence[tuple[Unit, str]], folder: Path) -> None:
    for unit, error in failed:
        print(f"failed: {unit.method} T={unit.T} {unit.video}: {error}", file=sys.stderr)

    if failed:
        print(
            f"{len(failed)} units failed; "
            f"mend the cause and `thbench run-protocol --resume {folder}`",
            file=sys.stderr,
        )
