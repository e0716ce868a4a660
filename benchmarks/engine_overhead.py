"""What a Ray cluster costs over the processes of one machine, for units of a second.

    python benchmarks/engine_overhead.py [--out benchmarks/results/engine_overhead.json]

The same units in turns on both engines. They wait for a second and compute nothing: on a machine
where other programs compete for the processors, work would measure these, and waiting measures what
handing out and fetching costs. Setting workers up is a part of both and is told apart.
"""

from __future__ import annotations

import argparse
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
    """wall_s: from the first answer to the last; start_s: until the first, less its second."""

    engine: str
    wall_s: float
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
        engine.name: float(np.median([one.wall_s for one in turns if one.engine == engine.name]))
        for engine in engines
    }
    overhead = medians["ray"] / medians["local"] - 1
    print(f"overhead {overhead:.2%}; the units alone take {options.units - 1} s")

    if options.out:
        result = {
            "workers": options.workers,
            "units_of_each": options.units,
            "median_wall_s": medians,
            "overhead": overhead,
            "turns": [asdict(one) for one in turns],
        }
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def turn(engine: Engine, workers: int, units: int) -> Turn:
    started = time.perf_counter()
    items = range(workers * units)
    with closing(each(waiter, items, workers, engine)) as done:
        times = [time.perf_counter() for _ in done]
    return Turn(engine.name, times[-1] - times[0], times[0] - started - 1)


def waiter() -> Callable[[int], None]:
    return lambda item: time.sleep(1)


if __name__ == "__main__":
    main()
