"""The pool: each item once, set up once a worker, and no worker outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from support import worker_tasks
from support.processes import is_running

from thbench.errors import ThbenchError
from thbench.workers import each


@pytest.mark.parametrize("workers", [1, 2])
def test_each_item_is_done_once_and_each_worker_is_set_up_once(
    workers: int, tmp_path: Path
) -> None:
    done = dict(each(partial(worker_tasks.squarer, tmp_path), range(20), workers))

    assert {item: square for item, (square, _) in done.items()} == {
        item: item * item for item in range(20)
    }
    processes = {process for _, process in done.values()}
    assert len(processes) <= workers
    assert (os.getpid() in processes) is (workers == 1)
    assert len(list(tmp_path.iterdir())) <= workers


def test_nothing_is_set_up_for_no_items(tmp_path: Path) -> None:
    assert list(each(partial(worker_tasks.squarer, tmp_path), [], 4)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_has_one_processor_thread(workers: int) -> None:
    import cv2
    import torch

    before = cv2.getNumThreads(), torch.get_num_threads()
    assert {threads[:2] for _, threads in each(worker_tasks.threads, [1, 2], workers)} == {(1, 1)}
    assert (cv2.getNumThreads(), torch.get_num_threads()) == before


def test_a_killed_worker_is_told_in_one_line() -> None:
    with pytest.raises(
        ThbenchError, match=r"a worker process was killed.*run the same command again"
    ) as caught:
        list(each(partial(worker_tasks.failing, "killed"), range(4), 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_work_reaches_the_caller(workers: int) -> None:
    with pytest.raises(ThbenchError, match="item 2 is wrong"):
        list(each(partial(worker_tasks.failing, "told"), range(4), workers))


def test_an_error_that_cannot_travel_is_not_taken_for_a_killed_worker() -> None:
    with pytest.raises(RuntimeError, match="TwoArgumentsError: lost at sea"):
        list(each(partial(worker_tasks.failing, "odd"), range(4), 2))


def test_leaving_early_ends_workers_that_are_busy(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        pytest.raises(ZeroDivisionError),
        closing(each(partial(_first_fails, tmp_path), [0, 1], 2)) as done,
    ):
        list(done)
    assert time.monotonic() - started < 50  # the other one sleeps for 60 s
    assert not any(is_running(int(file.name)) for file in tmp_path.iterdir())


def _first_fails(folder: Path) -> Callable[[int], None]:
    return partial(_fail_or_sleep, folder)


def _fail_or_sleep(folder: Path, number: int) -> None:
    if number:
        worker_tasks._sleep(folder, number)
    while not any(folder.iterdir()):
        time.sleep(0.01)
    raise ZeroDivisionError


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_busy_workers_end_with_their_parent(number: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, worker_tasks.__file__, str(tmp_path)],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(list(tmp_path.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, number)  # as a terminal does

    assert process.wait(timeout=50) == (-signal.SIGKILL if number == signal.SIGKILL else 9)
    deadline = time.monotonic() + 20
    while any(is_running(int(file.name)) for file in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.stderr is not None
    if number == signal.SIGINT:  # after SIGKILL Python tells of semaphores that it cleaned up
        assert process.stderr.read() == b""
