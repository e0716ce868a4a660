"""A study on a real server in this process, for tests that speak HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from reports.study.folder import Study
from reports.study.schema import open_database
from reports.study.server import make_app
from reports.study.store import Store


@contextmanager
def served(study: Study, db: str | None = None) -> Iterator[tuple[str, Store]]:
    """Yields the URL and the store."""
    store = Store(open_database(db or study.default_database, study), study)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(make_app(study, store), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", store
        finally:
            server.should_exit = True
            thread.join()
            store.engine.dispose()
