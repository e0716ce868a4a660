"""What a Ray cluster costs over the processes of one machine, for units of a second.

    python benchmarks/engine_overhead.py [--out benchmarks/results/engine_overhead.json]

The same units in turns on both engines. They wait for a second and compute nothing: on a machine
where other programs compete for the processors, work would measure these, and waiting measures what
handing out and fetching costs. It is told for each worker from its first answer to its last; what
passes before the first, when workers begin, is told apart.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from thbench.engine import Engine
from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.workers import each


@dataclass(frozen=True)
class Turn:
    """unit_s: wall seconds of a unit, from a worker's first answer to its last, the mean over
    workers; start_s: until the first answer of all, less its second.
    """

    engine: str
    unit_s: float
    start_s: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--units", type=int, default=16, help="For each worker.")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    engines = [Engine(), Engine("ray")]
    turns = [
        turn(engine, options.workers, options.units)
        for _ in range(options.turns)
        for engine in engines
    ]
    for each_turn in turns:
        print(each_turn, flush=True)

    medians = {
        engine.name: float(np.median([one.unit_s for one in turns if one.engine == engine.name]))
        for engine in engines
    }
    overhead = medians["ray"] / medians["local"] - 1
    print(f"overhead {overhead:.2%}")

    if options.out:
        result = {
            "workers": options.workers,
            "units_of_each": options.units,
            "median_unit_s": medians,
            "overhead": overhead,
            "turns": [asdict(one) for one in turns],
        }
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def turn(engine: Engine, workers: int, units: int) -> Turn:
    started = time.perf_counter()
    answers: dict[int, list[float]] = {}
    with closing(each(waiter, range(workers * units), workers, engine)) as done:
        for _, process in done:
            answers.setdefault(process, []).append(time.perf_counter())

    rates = [np.diff(times).mean() for times in answers.values() if len(times) > 1]
    first = min(times[0] for times in answers.values())
    return Turn(engine.name, float(np.mean(rates)), first - started - 1)


def waiter() -> Callable[[int], int]:
    return wait


def wait(item: int) -> int:
    time.sleep(1)
    return os.getpid()


if __name__ == "__main__":
    main()
