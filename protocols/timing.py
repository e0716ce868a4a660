"""Timing (appendix A.1, Table 2): seconds of few-shot learning at each T and of inference per
frame.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from protocols.generate import Workshop, first_line
from protocols.kinds.base import Definition
from protocols.kinds.timing import Timing
from protocols.machine import clocks, forget_memory_peak, memory_peak_mb, synchronise
from protocols.methods import entries_of
from protocols.plan import prepare_run
from protocols.progress import Progress, unwatched
from protocols.random_models import write_random_model
from protocols.run import RunOptions, locked, set_status
from thbench.data.dataset import Dataset
from thbench.environment import hardware
from thbench.errors import ThbenchError
from thbench.method import Method, parts_s, seen_by, trainer_of
from thbench.records.encode import write_record
from thbench.records.timing import TimeRecord, TimingRecord
from thbench.runs import Run, Unit

RANDOM = "random weights"
Phase = Literal["few-shot", "inference"]
Task = tuple[str, Phase, int | None]  # (method, phase, T)


@dataclass(frozen=True)
class TimedOutcome:
    """What a timing run came to: what failed with its errors, and the times."""

    failed: list[tuple[Unit, str]]
    timing: TimingRecord


def time_protocol(
    definition: Definition,
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    progress: Progress = unwatched,
) -> TimedOutcome:
    """Times every method and writes timing.json after each row, or adds the rows that a stopped run
    lacks.

    A method without a checkpoint is timed with random weights, and its rows say so. Raises
    `ThbenchError` for a protocol that measures no times, and when the run was begun on other
    hardware.
    """
    if not isinstance(definition, Timing):
        raise ThbenchError(f"protocol {definition.name!r} measures frames, not time")

    run = Run(out)
    with tempfile.TemporaryDirectory(prefix="thbench-random-weights-") as folder, locked(run):
        untrained = _random_models(definition, dataset, run, options, Path(folder))
        checkpoints = {**options.checkpoints, **untrained}
        shop = prepare_run(definition, dataset, run, replace(options, checkpoints=checkpoints))
        _note_random(run, untrained)

        timing, failed = _begun(run, options.device), []
        done = {(row.method, row.phase, row.T) for row in timing.rows}
        tasks = [task for task in _tasks(run) if task not in done]
        for task in progress(tasks, len(tasks), "time"):
            try:
                row = _timed(shop, definition, task, task[0] in untrained, options.device)
            except Exception as error:
                failed.append((Unit(task[0], task[2] or 0, task[1]), first_line(error)))
                continue
            timing = replace(timing, rows=[*timing.rows, row])
            write_record(run.timing_json, timing)

        set_status(run, "failed" if failed else "complete")
    return TimedOutcome(failed, timing)


def _random_models(
    definition: Definition, dataset: Dataset, run: Run, options: RunOptions, folder: Path
) -> dict[str, Path]:
    """label -> model file, for the methods that need a model and were given none."""
    stored = run.record().methods if run.run_json.exists() else {}
    found = {}
    for label, entry in entries_of(definition, stored).items():
        trainer = trainer_of(entry.spec)
        kept = stored[label].checkpoint if label in stored else None
        names = (label, entry.spec.partition(":")[0], "")
        given = any(options.checkpoints.get(name) for name in names)
        if trainer is None or given or (kept is not None and kept.path != RANDOM):
            continue

        path = folder / f"{trainer}.safetensors"
        if not path.exists():
            write_random_model(trainer, dataset.size_px, path, definition.seed)
        found[label] = path
    return found


def _note_random(run: Run, untrained: Mapping[str, Path]) -> None:
    """Says in run.json that a model was none."""
    record = run.record()
    methods = dict(record.methods)
    for label in untrained:
        method = methods[label]
        assert method.checkpoint is not None
        checkpoint = replace(method.checkpoint, path=RANDOM)
        methods[label] = replace(method, checkpoint=checkpoint, notes=[RANDOM])
    run.write(replace(record, methods=methods))


def _begun(run: Run, device: str) -> TimingRecord:
    """timing.json as far as it got."""
    here = TimingRecord(
        hardware=hardware(),
        device=device,
        threads=torch.get_num_threads(),
        memory="PyTorch's on the GPU" if device.startswith("cuda") else "the whole process",
        inference="one frame at a time, from its landmarks (or image) to uint8",
        rows=[],
    )
    if not run.timing_json.exists():
        return here

    begun = run.timing_record()
    changed = [
        name
        for name in ("hardware", "device", "threads")
        if getattr(begun, name) != getattr(here, name)
    ]
    if changed:
        raise ThbenchError(
            f"{run.path} was timed with other {', '.join(changed)}, whose times cannot be mixed; "
            "choose another --out"
        )
    return begun


def _tasks(run: Run) -> list[Task]:
    record = run.record()
    phases: list[tuple[Phase, int | None]] = [
        *(("few-shot", T) for T in record.T),
        ("inference", None),
    ]
    return [(method, phase, T) for method in record.methods for phase, T in phases]


def _timed(
    shop: Workshop, definition: Timing, task: Task, is_random: bool, device: str
) -> TimeRecord:
    """The row of one task."""
    label, phase, T = task
    for other in set(shop.loaded) - {label}:
        del shop.loaded[other]  # its memory would count

    action = _action(shop, shop.method(label), T)
    repetitions, warmup = definition.iterations, definition.warmup
    seconds, parts, peak = measure(action, iterations=repetitions, warmup=warmup, device=device)

    low, median, high = (float(value) for value in np.percentile(seconds, [25, 50, 75]))
    return TimeRecord(
        method=label,
        T=T,
        phase=phase,
        median_s=median,
        iqr_s=high - low,
        mean_s=float(np.mean(seconds)),
        n=len(seconds),
        warmup=warmup,
        parts=parts,
        memory_peak_mb=peak,
        note=RANDOM if is_random else "",
        clocks=clocks(device),
    )


def _action(shop: Workshop, method: Method, T: int | None) -> Callable[[], Any]:
    """What is timed: few-shot learning from T shots, or without T the rendering of one frame."""
    video = next(iter(shop.videos.values()))
    if T is not None:
        shots = shop.shots(video, T)
        return lambda: method.adapt(shots)

    drive = seen_by(method, shop.drive(video))
    head = method.adapt(shop.shots(video, min(Run(shop.run).record().T)))
    return lambda: head.render(drive)


def measure(
    action: Callable[[], Any], iterations: int, warmup: int, device: str
) -> tuple[list[float], dict[str, float], float | None]:
    """Seconds of each of `iterations` calls after `warmup` others, the device idle before and after
    each.

    Also the median seconds of the parts that the results tell (`parts_s`), and the peak memory in
    MB.
    """
    for _ in range(warmup):
        action()

    forget_memory_peak(device)
    seconds: list[float] = []
    parts: dict[str, list[float]] = {}
    for _ in range(iterations):
        synchronise(device)
        started = time.perf_counter()
        result = action()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
        for name, value in parts_s(result).items():
            parts.setdefault(name, []).append(value)

    return (
        seconds,
        {name: float(np.median(values)) for name, values in parts.items()},
        memory_peak_mb(device),
    )
