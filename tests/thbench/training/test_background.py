"""Writing in the background: in order, and no failure is lost."""

from __future__ import annotations

import threading

import pytest

from thbench.errors import ThbenchError
from thbench.training.background import BackgroundWriter


def fail() -> None:
    raise ThbenchError("the disk is full")


def test_who_starts_a_write_goes_on_meanwhile() -> None:
    writer, go_on, written = BackgroundWriter(), threading.Event(), []

    def write() -> None:
        go_on.wait()
        written.append("first")

    writer.start(write)
    writer.check()  # it has not failed: it is not done
    assert written == []

    go_on.set()
    writer.start(lambda: written.append("second"))
    writer.wait()
    assert written == ["first", "second"]


@pytest.mark.parametrize("look", ["start", "check", "wait"])
def test_a_failure_is_raised_once_by_whoever_looks_next(look: str) -> None:
    writer = BackgroundWriter()
    writer.start(fail)
    assert writer._running is not None
    writer._running.exception()  # it has failed by now

    with pytest.raises(ThbenchError, match="the disk is full"):
        writer.start(fail) if look == "start" else getattr(writer, look)()
    writer.wait()
