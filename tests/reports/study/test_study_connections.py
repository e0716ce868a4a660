"""Connections that ask for nothing, or take nothing: the server must outlast them, and quietly."""

from __future__ import annotations

import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from support.live import running, served
from support.rater import Rater

from reports.study import connections
from reports.study.connections import OncePerPeriod, bind, connection_limit
from reports.study.folder import Study
from thbench.errors import ThbenchError

DESCRIPTORS, HALF_OPEN = 128, 200
HALF_A_REQUEST = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def child_server(study: Study, log: Path, descriptors: int) -> Iterator[int]:
    """`thbench study serve` in a process that may open `descriptors` files; yields its port."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        "from cli import main; main()",
        "study",
        "serve",
        str(study.path),
        "--port",
        str(port),
    ]

    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_NOFILE, (descriptors, descriptors)
            ),
        ) as process,
    ):
        try:
            wait_for(port, process)
            yield port
        finally:
            process.kill()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("the server ended before it answered")


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def half_open(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(HALF_A_REQUEST)
    return connection


def drip(connection: socket.socket) -> None:
    """Each byte is in time, the whole never comes."""
    for _ in range(200):
        connection.sendall(b"x")
        time.sleep(0.05)


def closed_by_server(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_half_open_requests_leave_room_for_others_and_the_log_small(
    study: Study, tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    with child_server(study, log, DESCRIPTORS) as port, ExitStack() as held:
        for _ in range(HALF_OPEN):
            held.enter_context(half_open(port))

        for _ in range(3):
            reply = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10)
            assert reply.text == "ok"

        rater = Rater(f"http://127.0.0.1:{port}")
        state = rater.begin()
        assert rater.picture(state["trial"]["token"]).status_code == 200

    assert log.stat().st_size < 10_000, log.read_text()[:2000]


def test_headers_that_do_not_come_close_the_connection(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIME_S", 0.3)
    with served(study) as (url, _):
        port = port_of(url)

        with half_open(port) as silent, half_open(port) as dripping:
            assert closed_by_server(silent)

            with pytest.raises(ConnectionError):
                drip(dripping)

        with socket.create_connection(("127.0.0.1", port), timeout=10) as used_before:
            used_before.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert used_before.recv(65536).startswith(b"HTTP/1.1 200")
            used_before.sendall(HALF_A_REQUEST)
            assert closed_by_server(used_before)


def test_a_slow_but_steady_request_is_answered(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIME_S", 5.0)
    with served(study) as (url, _):
        port = port_of(url)

        with half_open(port) as connection:
            time.sleep(0.3)
            connection.sendall(b"y\r\nconnection: close\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("keep", ["keep-alive", "close"])
def test_a_response_that_nobody_takes_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    monkeypatch.setattr(connections, "KEEP_ALIVE_S", 0.5)
    large = b"x" * 30_000_000
    app = Starlette(routes=[Route("/", lambda _: Response(large))])

    with running(app) as url, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port_of(url)))
        connection.settimeout(20)
        request = f"GET / HTTP/1.1\r\nhost: x\r\nconnection: {keep}\r\n\r\n"
        connection.sendall(2 * request.encode())  # the second waits for the first to be taken

        time.sleep(1.5)
        received = sum(map(len, iter(lambda: receive(connection), b"")))

    assert received < len(large)


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 20)
    except ConnectionResetError:
        return b""


def test_errors_in_crowds_are_logged_once_a_minute_and_counted() -> None:
    now_s = [0.0]
    once = OncePerPeriod(lambda: now_s[0])

    def passes(text: str) -> logging.LogRecord | None:
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, text, (), None)
        return record if once.filter(record) else None

    assert passes("out of system resource\nsocket: 6")
    assert [passes(f"out of system resource\nsocket: {fd}") for fd in range(100)] == [None] * 100
    assert passes("something else")

    now_s[0] = 61
    told = passes("out of system resource\nsocket: 7")
    assert told is not None
    assert "100 more like this" in told.getMessage()


def test_too_few_descriptors_and_taken_ports_are_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(ThbenchError, match="may open 64 files, too few"):
        connection_limit()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ThbenchError, match="already in use; choose others with --host"):
            bind("127.0.0.1", taken.getsockname()[1])
