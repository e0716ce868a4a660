"""All work that is done item by item: here, in processes of this machine, or on a Ray cluster.

Processes end with their parent.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.freed_memory import keep_freed_memory
from thbench.worker_process import ONE_THREAD, threads, travelling, use_threads

Item = TypeVar("Item")
Result = TypeVar("Result")
SetUp = Callable[[], Callable[[Item], Result]]

_PR_SET_PDEATHSIG = 1


def each(
    set_up: SetUp[Item, Result],
    items: Sequence[Item],
    workers: int | None,
    engine: Engine = LOCAL,
    folder: Path | None = None,
) -> Generator[tuple[Item, Result], None, None]:
    """Does every item and yields it with its result, in the order in which they are done.

    set_up is called once in each worker, loads what its items share and returns the function that
    does one of them. With one local worker all happens in this process and in order. Every worker
    has one processor thread, so the results do not depend on how many there are, nor on where they
    are. set_up, items and results must be picklable.

    workers: at most so many at once; None for as many as there is room for. folder: where the work
    is written, which all machines must share.

    Close the generator (`contextlib.closing`) where an error may leave it early: that ends the
    workers at once. Raises what an item raises, and `ThbenchError` when a worker is killed (on a
    cluster: again and again) or the engine cannot be used.
    """
    if not items:
        return

    if engine.name == "ray":
        from thbench.ray_workers import in_cluster  # an extra, and slow to import

        yield from in_cluster(set_up, items, workers, engine, folder)
        return

    workers = min(workers or os.cpu_count() or 1, len(items))
    yield from _in_processes(set_up, items, workers) if workers > 1 else _here(set_up, items)


def end_with_parent(parent: int) -> None:
    """Kills this process as soon as the process `parent`, which started it, is gone; Linux only.

    Elsewhere it does nothing: who calls it has a slower way to notice.
    """
    if not sys.platform.startswith("linux"):
        return

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    if os.getppid() != parent:  # it was gone before the line above
        os._exit(1)


def _here(set_up: SetUp[Item, Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result]]:
    do = set_up()
    before = threads()
    use_threads(1, 1)

    try:
        for item in items:
            yield item, do(item)
    finally:
        use_threads(*before)


def _in_processes(
    set_up: SetUp[Item, Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result]]:
    # Not forked: OpenCV, torch and dlib hold threads that a fork would copy half.
    spawn = multiprocessing.get_context("spawn")
    lifeline, held = spawn.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers,
        mp_context=spawn,
        initializer=_begin,
        initargs=(os.getpid(), lifeline, pickle.dumps(set_up)),
    )

    try:
        with _without_interrupts():
            waiting = {pool.submit(_do, item): item for item in items}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
        pool.shutdown()
    except BrokenProcessPool:
        raise ThbenchError(
            "a worker process was killed, perhaps for lack of memory: run the same command again, "
            "with fewer --workers if it happens again; it goes on from here"
        ) from None
    finally:
        held.close()  # what still works ends now
        pool.shutdown(cancel_futures=True)
        lifeline.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes begun meanwhile do not hear Ctrl-C, which a terminal sends to all: we end them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_set_up: bytes = b""
_work: Callable[[Any], Any] | None = None


def _begin(parent: int, lifeline: Connection, set_up: bytes) -> None:
    """The start of a worker. Nothing heavy is imported yet: the pickled `set_up` brings that."""
    global _set_up
    end_with_parent(parent)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()

    # A handler and not SIG_IGN, which the programs that a method runs would inherit.
    signal.signal(signal.SIGINT, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    os.environ.update(ONE_THREAD)
    keep_freed_memory()
    _set_up = set_up


def _end_with(lifeline: Connection) -> None:
    """Ends this process when the pipe is closed at the other end, by hand or by a death there."""
    with suppress(OSError):
        lifeline.poll(None)
    os._exit(1)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Ctrl-C is the parent's to handle."""


def _do(item: Any) -> Any:
    global _work
    try:
        if _work is None:
            _work = pickle.loads(_set_up)()
            use_threads(1, 1)
        return _work(item)
    except Exception as error:
        if (told := travelling(error)) is error:
            raise
        raise told from error
