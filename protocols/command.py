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
from typing import Any

from protocols.allowed import commands_of, refuse_unasked_commands
from protocols.cross import open_data
from protocols.definition import load_definition, parse_stored
from protocols.run import Outcome, RunOptions, locked, methods_from, run_protocol
from protocols.score import metrics_of, score_run
from protocols.summary_text import summary_text
from protocols.timing import time_protocol
from thbench.data.dataset import Dataset
from thbench.data.photos import HandPicked, Unusable, listed
from thbench.errors import ThbenchError
from thbench.progress import track
from thbench.runs import Run


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
        info = Run.open(resume).info()
        definition, out = parse_stored(info["protocol"]["definition"]), resume
        definition = replace(definition, T=tuple(info["T"]), metrics=tuple(info["metrics"]))
        metrics = metrics_of(Run(resume), metrics, only=False)
        dataset = dataset or info["dataset"]["spec"]
        stored_sources = info.get("sources") or {}
        sources = sources or stored_sources.get("spec")
        skip_unusable = skip_unusable or bool(stored_sources.get("left_out"))
        is_partial = bool(info["partial"])
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
    )
    if iterations is not None:
        definition = definition.with_values(
            iterations=iterations, warmup=min(iterations, definition.warmup)
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
    run = time_protocol if definition.kind == "timing" else run_protocol
    outcome = run(definition, opened, folder, options, partial(track, quiet=quiet))
    if definition.kind == "timing":
        _print_times(outcome.summary, folder)
    else:
        _print_scores(folder)
    _print_failures(outcome, folder)
    return not outcome.failed


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


def _workers(workers: int | None, device: str) -> int:
    return workers or (1 if chosen_device(device).startswith("cuda") else os.cpu_count() or 1)


def _print_times(timing: dict[str, Any], folder: Path) -> None:
    for row in timing["rows"]:
        what = "inference" if row["T"] is None else f"{row['phase']} T={row['T']}"
        parts = "".join(
            f"  {name.removesuffix('_s')} {value:.4g}" for name, value in row["parts"].items()
        )
        note = f"  ({row['note']})" if row["note"] else ""
        print(
            f"{row['method']:14} {what:14} {row['median_s']:.4g} s, IQR {row['iqr_s']:.2g}, n = {row['n']}{parts}"
            f"{note}"
        )
    print(f"run: {folder}   table: thbench report latex {folder} --table 2")


def _print_scores(folder: Path) -> None:
    print(summary_text(Run.open(folder)))
    print(f"run: {folder}   table: thbench report latex {folder}")


def _print_failures(outcome: Outcome, folder: Path) -> None:
    for unit, error in outcome.failed:
        print(f"failed: {unit.method} T={unit.T} {unit.video}: {error}", file=sys.stderr)
    if outcome.failed:
        print(
            f"{len(outcome.failed)} units failed; mend the cause and `thbench run-protocol --resume {folder}`",
            file=sys.stderr,
        )
