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
from reports.study.serve import server_config
from reports.study.server import make_app
from reports.study.store import Store


@contextmanager
def served(study: Study, public_url: str = "") -> Iterator[tuple[str, Store]]:
    """Yields the URL and the store."""
    store = Store(open_database(study.default_database, study), study)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(server_config(make_app(study, store, public_url), "127.0.0.1", 0, ""))
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
