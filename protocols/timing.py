"""Timing (appendix A.1, Table 2): seconds of few-shot learning at each T and of inference per
frame.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from protocols.definition import Definition
from protocols.generate import Workshop, first_line
from protocols.machine import clocks, forget_memory_peak, memory_peak_mb, synchronise
from protocols.random_models import write_random_model
from protocols.run import Outcome, Progress, RunOptions, locked, prepare_run, set_status
from thbench.data.dataset import Dataset
from thbench.environment import hardware
from thbench.errors import ThbenchError
from thbench.files import write_json
from thbench.method import Frames, parts_s, trainer_of
from thbench.runs import Run, Unit, nested_shots

RANDOM = "random weights"
Task = tuple[str, str, int | None]  # (method, phase, T)


def time_protocol(
    definition: Definition,
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    progress: Progress = lambda items, total, title: items,
) -> Outcome:
    """Times every method and writes timing.json after each row, or adds the rows that a stopped run
    lacks.

    A method without a checkpoint is timed with random weights, and its rows say so. Raises
    `ThbenchError` when the run was begun on other hardware.
    """
    with tempfile.TemporaryDirectory(prefix="thbench-random-weights-") as folder:
        untrained = _random_models(definition, dataset, out, options, Path(folder))
        run = Run(out)
        with locked(run):
            shop = prepare_run(
                definition,
                dataset,
                run,
                replace(options, checkpoints={**options.checkpoints, **untrained}),
            )
            _note_random(run, untrained)
            timing, failed = _begun(run, options.device), []
            done = {(row["method"], row["phase"], row["T"]) for row in timing["rows"]}
            tasks = [task for task in _tasks(run) if task not in done]
            for task in progress(tasks, len(tasks), "time"):
                try:
                    row = _timed(shop, task, run.info(), options.device)
                except Exception as error:
                    failed.append((Unit(task[0], task[2] or 0, task[1]), first_line(error)))
                    continue
                timing["rows"].append(row)
                write_json(run.timing_json, timing)
            set_status(run, "failed" if failed else "complete")
    return Outcome(failed, timing)


def _random_models(
    definition: Definition, dataset: Dataset, out: Path, options: RunOptions, folder: Path
) -> dict[str, Path]:
    """label -> model file, for the methods that need a model and were given none."""
    stored = Run(out).info()["methods"] if Run(out).run_json.exists() else {}
    specs = {label: described["spec"] for label, described in stored.items()} | {
        entry.label: entry.spec for entry in definition.methods
    }
    found = {}
    for label, spec in specs.items():
        trainer, kept = trainer_of(spec), stored.get(label, {}).get("checkpoint") or {}
        given = any(options.checkpoints.get(name) for name in (label, spec.partition(":")[0], ""))
        if trainer is None or given or kept.get("path", RANDOM) != RANDOM:
            continue
        path = folder / f"{trainer}.safetensors"
        if not path.exists():
            write_random_model(trainer, dataset.size_px, path, definition.seed)
        found[label] = path
    return found


def _note_random(run: Run, untrained: Mapping[str, Path]) -> None:
    info = run.info()
    for label in untrained:
        method = info["methods"][label]
        method["checkpoint"] = {**method["checkpoint"], "path": RANDOM}
        method["notes"] = [RANDOM]
    write_json(run.run_json, info)


def _begun(run: Run, device: str) -> dict[str, Any]:
    """timing.json as far as it got."""
    here = {"hardware": hardware(), "device": device, "threads": torch.get_num_threads()}
    if not run.timing_json.exists():
        return {
            **here,
            "memory": "PyTorch's on the GPU" if device.startswith("cuda") else "the whole process",
            "inference": "one frame at a time, from its landmarks (or image) to uint8",
            "rows": [],
        }
    timing = run.timing()
    changed = [key for key, value in here.items() if timing.get(key) != value]
    if changed:
        raise ThbenchError(
            f"{run.path} was timed with other {', '.join(changed)}, whose times cannot be mixed; choose "
            "another --out"
        )
    return timing


def _tasks(run: Run) -> list[Task]:
    info = run.info()
    phases: list[tuple[str, int | None]] = [
        *(("few-shot", T) for T in info["T"]),
        ("inference", None),
    ]
    return [(method, phase, T) for method in info["methods"] for phase, T in phases]


def _timed(shop: Workshop, task: Task, info: Mapping[str, Any], device: str) -> dict[str, Any]:
    label, phase, T = task
    for other in set(shop.loaded) - {label}:
        del shop.loaded[other]  # its memory would count
    method, video = shop.method(label), next(iter(shop.videos.values()))
    source = next(found for found in shop.dataset.videos if found.key == video.key)
    shots = shop.dataset.read(source, nested_shots(video.shots, T or min(info["T"])))
    definition = info["protocol"]["definition"]
    repeat = {
        "iterations": definition["iterations"],
        "warmup": definition["warmup"],
        "device": device,
    }
    if phase == "few-shot":
        seconds, parts, peak = measure(lambda: method.adapt(shots), **repeat)
    else:
        drive: Frames = shop.dataset.read(source, video.holdout[:1])
        drive = drive.without_images() if method.drives_with == "landmarks" else drive
        head = method.adapt(shots)
        seconds, parts, peak = measure(lambda: head.render(drive), **repeat)
    low, median, high = (float(value) for value in np.percentile(seconds, [25, 50, 75]))
    return {
        "method": label,
        "T": T,
        "phase": phase,
        "median_s": median,
        "iqr_s": high - low,
        "mean_s": float(np.mean(seconds)),
        "n": len(seconds),
        "warmup": repeat["warmup"],
        "parts": parts,
        "memory_peak_mb": peak,
        "note": RANDOM if RANDOM in info["methods"][label]["notes"] else "",
        "clocks": clocks(device),
    }


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
