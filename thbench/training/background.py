"""Writing while the training goes on: one thread, whose failure is not lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Writes in a thread, one thing after the other."""

    def __init__(self) -> None:
        # Python waits for its threads before it ends, so that what is begun is finished.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._running: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Calls `write` in the thread, after what was started before it, whose failure this
        raises.
        """
        self.wait()
        self._running = self._thread.submit(write)

    def check(self) -> None:
        """Raises what the last write failed with, if it has failed by now."""
        if self._running is not None and self._running.done():
            self.wait()

    def wait(self) -> None:
        """Returns when all is written; raises what the last write failed with."""
        running, self._running = self._running, None
        if running is not None:
            running.result()
