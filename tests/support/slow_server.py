"""A server on this machine that sends files by ranges, and is as slow and unreliable as told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Manners:
    """How a server behaves. fails: the share of requests that it refuses with 503, or cuts off.

    requests: what it was asked for, (path, first byte, bytes), whole files as (path, 0, -1).
    """

    delay_s: float = 0.0
    fails: float = 0.0
    ranges: bool = True
    status: int = 0  # answered to everything, where it is not 0
    requests: list[tuple[str, int, int]] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(0))


@contextmanager
def serving(folder: Path, manners: Manners) -> Iterator[str]:
    """The URL of the folder while a server of this process sends it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder, manners))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, manners: Manners, *rest: object) -> None:
        self.folder, self.manners = folder, manners
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        time.sleep(self.manners.delay_s)
        path = self.folder / self.path.lstrip("/")
        if self.manners.status:
            self._answer(self.manners.status, b"")
        elif not path.is_file():
            self._answer(404, b"")
        else:
            self._send(path.read_bytes())

    def log_message(self, *args: object) -> None:
        pass

    def _send(self, data: bytes) -> None:
        asked = self.headers.get("Range", "")
        first, _, last = asked.removeprefix("bytes=").partition("-")
        status = 200
        if asked and self.manners.ranges:
            status, data = 206, data[int(first) : int(last) + 1]
            self.manners.requests.append((self.path, int(first), len(data)))
        else:
            self.manners.requests.append((self.path, 0, -1))

        luck = self.manners.dice.random()
        if luck < self.manners.fails / 2:
            self._answer(503, b"")
        elif luck < self.manners.fails:
            self._answer(status, data, cut=len(data) // 2)
        else:
            self._answer(status, data)

    def _answer(self, status: int, data: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut])
        self.close_connection = cut is not None
