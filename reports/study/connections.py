"""How the server of a study holds out against connections that ask for nothing.

uvicorn waits without end for the headers of a request and accepts whatever comes. Here headers
have a time limit, connections a number, and errors that come in crowds are logged once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from uvicorn.protocols.http.h11_impl import H11Protocol

from thbench.errors import ThbenchError

HEADER_TIME_S = 10.0
KEEP_ALIVE_S = 30  # between two requests, and for taking a response
MOST_CONNECTIONS = 1000
FEWEST_CONNECTIONS = 16
THREADS = 8  # each holds up to three files of SQLite; more of them only wait
OTHER_DESCRIPTORS = 72  # of threads, and what rounds of accepting may overshoot
ACCEPTED_AT_ONCE = 8  # three such rounds pass before a connection too many is closed
QUEUE = 1024  # connections that wait in the kernel
LOG_PERIOD_S = 60.0
LOGGERS = ("uvicorn.error", "asyncio")


def connection_limit() -> int:
    """How many connections may be open at once, from the process's limit on descriptors.

    Raises `ThbenchError` when that leaves too few to serve a study.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS

    limit = min(MOST_CONNECTIONS, allowed - OTHER_DESCRIPTORS)
    if limit < FEWEST_CONNECTIONS:
        raise ThbenchError(
            f"this process may open {allowed} files, too few for a server; "
            f"allow {OTHER_DESCRIPTORS + FEWEST_CONNECTIONS} or more (`ulimit -n`)"
        )

    return limit


class Connection(H11Protocol):
    """One connection: closed when its request does not come, or its response is not taken, in time.

    It also goes when there are too many and it has waited longest for a request. Browsers connect
    again by themselves; whoever opens connections and asks nothing pushes out their own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.idle_since_s = self.loop.time()
        self.headers_due: asyncio.TimerHandle | None = None
        self.taking_due: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.headers_due = self._abort_after(HEADER_TIME_S)

        if len(self.connections) > connection_limit():
            _close_longest_idle(self.connections)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)

        if not self.is_idle:
            self._cancel_headers_due()
        elif self.headers_due is None:  # from the first bytes of a request, not from each of them
            self.headers_due = self._abort_after(HEADER_TIME_S)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_taking_due()

    def on_response_complete(self) -> None:
        self.idle_since_s = self.loop.time()

        if self.transport.is_closing():  # which it does after the last byte was taken
            self._expect_taking()

        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_headers_due()
        self._cancel_taking_due()
        super().connection_lost(exc)

    def _expect_taking(self) -> None:
        if self.taking_due is None:
            self.taking_due = self._abort_after(KEEP_ALIVE_S)

    def _cancel_headers_due(self) -> None:
        if self.headers_due is not None:
            self.headers_due.cancel()
            self.headers_due = None

    def _cancel_taking_due(self) -> None:
        if self.taking_due is not None:
            self.taking_due.cancel()
            self.taking_due = None

    def _abort_after(self, time_s: float) -> asyncio.TimerHandle:
        return self.loop.call_later(time_s, self.transport.abort)


def _close_longest_idle(connections: set[Any]) -> None:
    """The newest connection is idle too, so there is always one."""
    longest = min((one for one in connections if one.is_idle), key=lambda one: one.idle_since_s)
    connections.discard(longest)
    longest.transport.abort()


class Server(uvicorn.Server):
    """uvicorn on one socket that is bound already."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        connection_limit()  # a limit that is too low is told before anyone connects
        super().__init__(config)
        self.listener = listener

    def serve_forever(self) -> None:
        """Serves until a signal, or `should_exit`, says to stop."""
        self.run(sockets=[self.listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """asyncio takes its backlog both for a round of accepting and for the kernel's queue."""
        current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)
        self.listener.listen(QUEUE)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ThbenchError` when the address is taken or is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise ThbenchError(
            f"cannot serve at {host}, port {port}: {reason}; choose others with --host and --port",
        ) from error


class OncePerPeriod(logging.Filter):
    """Lets one record of a kind pass in a period; the next one tells how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.clock = clock
        self.passed_s: dict[tuple[str, str], float] = {}
        self.left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = _kind(record)
        now_s = self.clock()

        if now_s - self.passed_s.get(kind, -LOG_PERIOD_S) < LOG_PERIOD_S:
            self.left_out[kind] = self.left_out.get(kind, 0) + 1
            return False

        self.passed_s[kind] = now_s
        if left_out := self.left_out.pop(kind, 0):
            record.msg = f"{record.msg} ({left_out} more like this were not logged)"
        return True


def log_quietly() -> None:
    """Whoever makes the server log an error makes it log no more than one a minute."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, OncePerPeriod) for one in logger.filters):
            logger.addFilter(OncePerPeriod())


def _kind(record: logging.LogRecord) -> tuple[str, str]:
    """What is the same in records that differ by an address or a descriptor only."""
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
    return str(record.msg).partition("\n")[0], error
