"""Runs the server of a study folder."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from reports.study.connections import (
    ACCEPTED_AT_ONCE,
    KEEP_ALIVE_S,
    Connection,
    Server,
    bind,
    log_quietly,
)
from reports.study.folder import Study
from reports.study.schema import open_database
from reports.study.server import make_app
from reports.study.store import Store


def serve_folder(
    folder: Path,
    db: str | None,
    host: str,
    port: int,
    public_url: str,
    trusted_proxy: str,
) -> None:
    """Serves until stopped. One process: rate limits live in its memory.

    No access log is kept, so no address is. Raises `ThbenchError` when the study would be
    reachable from outside without saying who is responsible for it.
    """
    study = Study.open(folder)
    if public_url or not _is_loopback(host):
        study.require_responsible()

    store = Store(open_database(db or study.default_database, study), study)
    app = make_app(study, store, public_url)

    with bind(host, port) as listener:
        make_server(app, listener, trusted_proxy).serve_forever()


def make_server(app: Starlette, listener: socket.socket, trusted_proxy: str = "") -> Server:
    """uvicorn without an access log and without telling its name; see `reports.study.connections`.

    Headers of `trusted_proxy` alone are believed. Raises `ThbenchError` when the process may open
    too few files.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        backlog=ACCEPTED_AT_ONCE,
        access_log=False,
        server_header=False,
        log_level="warning",
        proxy_headers=bool(trusted_proxy),
        forwarded_allow_ips=trusted_proxy or None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=10,
    )

    log_quietly()
    return Server(config, listener)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
