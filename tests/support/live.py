"""A study on a real server in this process, for tests that speak HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette

from reports.study.folder import Study
from reports.study.schema import open_database
from reports.study.serve import make_server
from reports.study.server import make_app
from reports.study.store import Store


@contextmanager
def served(study: Study, public_url: str = "") -> Iterator[tuple[str, Store]]:
    """Yields the URL and the store."""
    store = Store(open_database(study.default_database, study), study)
    try:
        with running(make_app(study, store, public_url)) as url:
            yield url, store
    finally:
        store.engine.dispose()


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """Serves an application as `thbench study serve` does; yields the URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = make_server(app, listener)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
