"""Work for the pool's tests: functions that other processes can import."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from thbench.errors import ThbenchError


def squarer(folder: Path) -> Callable[[int], tuple[int, int]]:
    """Leaves a file for each time that it is called."""
    (folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
    return lambda number: (number * number, os.getpid())


def failing(kind: str) -> Callable[[int], int]:
    return partial(_fail, kind)


def threads() -> Callable[[int], tuple[int, int, str]]:
    import cv2
    import torch

    return lambda number: (
        cv2.getNumThreads(),
        torch.get_num_threads(),
        os.environ["OMP_NUM_THREADS"],
    )


def sleeper(folder: Path) -> Callable[[int], None]:
    return partial(_sleep, folder)


def noting(folder: Path) -> Callable[[int], int]:
    """Leaves a file for each time that an item is begun."""
    return partial(_note, folder)


class TwoArgumentsError(Exception):
    """Cannot be unpickled."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


def _fail(kind: str, number: int) -> int:
    if number == 2 and kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 2 and kind == "told":
        raise ThbenchError("item 2 is wrong")
    if number == 2 and kind == "odd":
        raise TwoArgumentsError("lost", "sea")
    return number


def _sleep(folder: Path, number: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(60)


def _note(folder: Path, number: int) -> int:
    """The numbers 100 and above are fatal: the first time, or from 200 on every time."""
    before = len(list(folder.glob(f"{number}-*")))
    (folder / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    if number >= 200 or (number >= 100 and not before):
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise ThbenchError(f"item {number} is wrong")
    time.sleep(0.2)
    return number * number


if __name__ == "__main__":  # two sleepers, for tests that end them
    from contextlib import closing

    from thbench.engine import Engine
    from thbench.workers import each

    folder, address = Path(sys.argv[1]), (*sys.argv, "")[2]
    engine = Engine("ray", address) if address else Engine()
    try:
        with closing(each(partial(sleeper, folder), [1, 2], 2, engine)) as done:
            list(done)
    except KeyboardInterrupt:
        sys.exit(9)
