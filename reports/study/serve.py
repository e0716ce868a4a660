"""Runs the server of a study folder."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from reports.study.folder import Study
from reports.study.schema import open_database
from reports.study.server import make_app
from reports.study.store import Store
from thbench.errors import ThbenchError


def serve_folder(folder: Path, db: str | None, host: str, port: int, public_url: str, trusted_proxy: str) -> None:
    """Serves until stopped. One process: rate limits live in its memory. No access log is kept, so no address is.

    Raises `ThbenchError` when the study would be reachable from outside without saying who is responsible for it.
    """
    study = Study.open(folder)
    missing = study.settings.missing_for_the_public
    if missing and (public_url or not _is_loopback(host)):
        raise ThbenchError(f"participants must be told who asks and for how long: fill in {', '.join(missing)} in "
                           f"{study.settings_json}")
    store = Store(open_database(db or study.default_database, study), study)
    uvicorn.Server(server_config(make_app(study, store, public_url), host, port, trusted_proxy)).run()


def server_config(app: Starlette, host: str, port: int, trusted_proxy: str) -> uvicorn.Config:
    """uvicorn without an access log and without telling its name; headers of `trusted_proxy` alone are believed."""
    return uvicorn.Config(app, host, port, access_log=False, server_header=False, log_level="warning",
                          proxy_headers=bool(trusted_proxy), forwarded_allow_ips=trusted_proxy or None,
                          timeout_keep_alive=30, timeout_graceful_shutdown=10)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
