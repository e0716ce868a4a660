"""From command-line options to a run: which protocol, dataset, methods and checkpoints, and what is
printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from protocols.allowed import commands_of, refuse_unasked_commands
from protocols.data import open_data
from protocols.definition import load_definition, stored_definition
from protocols.methods import methods_from
from protocols.run import RunOptions, locked, run_protocol
from protocols.score import metrics_of, score_run
from protocols.summary_text import summary_text
from protocols.times_text import times_text
from protocols.timing import time_protocol
from thbench.data.dataset import Dataset
from thbench.data.photo_folder import PhotoFolder
from thbench.data.photos import Unusable, listed
from thbench.errors import ThbenchError
from thbench.progress import track
from thbench.runs import Run, Unit


def run_from_command_line(
    protocol: str,
    T: Sequence[int] = (),
    methods: Sequence[str] = (),
    metrics: Sequence[str] = (),
    dataset: str | None = None,
    checkpoints: Sequence[str] = (),
    videos: int | None = None,
    holdout: int | None = None,
    seed: int | None = None,
    split: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    iterations: int | None = None,
    sources: str | None = None,
    drivers: int | None = None,
    rank_by: str | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    quiet: bool = False,
    allow_commands: bool = False,
    skip_unusable: bool = False,
) -> bool:
    """Runs a protocol and prints where the results are; False when a unit failed.

    Programs that only the run folder or the protocol's file names are run when they are allowed, by
    `allow_commands` or by a person at the terminal.
    """
    if resume is not None:
        record = Run.open(resume).record()
        definition, out = stored_definition(record.protocol), resume
        definition = replace(definition, T=tuple(record.T), metrics=tuple(record.metrics))
        metrics = metrics_of(Run(resume), metrics, only=False)
        dataset = dataset or record.dataset.spec
        if record.sources is not None:
            sources = sources or record.sources.spec
            skip_unusable = skip_unusable or bool(record.sources.left_out)
        is_partial = record.partial
    else:
        definition = load_definition(protocol)
    definition = definition.with_values(
        T=tuple(T) or None,
        metrics=tuple(metrics) or None,
        holdout=holdout,
        seed=seed,
        drivers=drivers,
        rank_by=rank_by,
        methods=methods_from(methods, definition) if methods else None,
        iterations=iterations,
    )
    folder = out or Path("runs") / definition.name
    if not allow_commands:
        where = str(folder) if Run(folder).run_json.exists() else protocol
        refuse_unasked_commands(commands_of(definition.methods, Run(folder)), methods, where)
    planned = definition.videos if resume else None
    full, opened, learned = open_data(definition, dataset, sources, planned, skip_unusable)
    definition = full.with_values(videos=videos)
    if resume is None:
        is_partial = definition.videos < full.videos
    options = RunOptions(
        _checkpoints(checkpoints),
        chosen_device(device),
        _workers(workers, device),
        dataset or definition.dataset,
        learned,
        sources or "",
        split,
        is_partial,
        _left_out(learned),
    )
    folder = out or Path("runs") / definition.name
    progress = partial(track, quiet=quiet)
    if definition.measures == "time":
        failed = time_protocol(definition, opened, folder, options, progress).failed
        _print_times(folder)
    else:
        failed = run_protocol(definition, opened, folder, options, progress).failed
        _print_scores(folder)
    _print_failures(failed, folder)
    return not failed


def score_from_command_line(
    run: Path,
    metrics: Sequence[str],
    only: bool,
    device: str,
    workers: int | None,
    quiet: bool = False,
) -> None:
    """Scores a run again, with more metrics or only with these, and prints its table."""
    opened = Run.open(run)
    with locked(opened):
        score_run(
            opened,
            metrics_of(opened, metrics, only),
            chosen_device(device),
            _workers(workers, device),
            partial(track, quiet=quiet),
        )
    _print_scores(run)


def chosen_device(device: str) -> str:
    """ "auto" is the GPU where there is one."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ThbenchError("no CUDA GPU is usable here; say --device cpu")
    return device


def _left_out(sources: Dataset | None) -> Sequence[Unusable]:
    """The photographs that cannot be used, told on stderr."""
    unusable = sources.unusable if isinstance(sources, PhotoFolder) else []
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


def _workers(workers: int | None, device: str) -> int:
    return workers or (1 if chosen_device(device).startswith("cuda") else os.cpu_count() or 1)


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
            f"{len(failed)} units failed; mend the cause and `thbench run-protocol --resume "
            f"{folder}`",
            file=sys.stderr,
        )
