"""The load benchmark in small: many raters at once, some leaving, the server killed midway."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "study_load.py"
SMALL = [
    "--videos",
    "6",
    "--rows",
    "2",
    "--triplets-per-row",
    "12",
    "--size",
    "64",
    "--concurrent",
    "8",
    "--lease-s",
    "4",
    "--dropout",
    "0.2",
    "--kills",
    "1",
]
pytestmark = pytest.mark.slow


def run_load(*options: str) -> dict[str, Any]:
    """The benchmark fails by itself when an answer is lost or a triplet has not exactly its
    ratings.
    """
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *SMALL, *options],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of a fresh PostgreSQL in a temporary folder, run by the user postgres when we are
    root.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL's server is not installed")
    folder = programs[-1].parent
    user: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="thbench-pg-") as scratch:
        if os.getuid() == 0:
            try:
                account = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            os.chown(scratch, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        data = f"{scratch}/data"
        quiet: dict[str, Any] = {
            "cwd": scratch,
            "check": True,
            "stdout": subprocess.DEVNULL,
            **user,
        }
        subprocess.run([str(folder / "initdb"), "-D", data, "-U", "study", "-A", "trust"], **quiet)
        control = [str(folder / "pg_ctl"), "-D", data, "-w"]
        where = f"-p {port} -k {scratch} -h 127.0.0.1"
        subprocess.run([*control, "-o", where, "-l", f"{scratch}/log", "start"], **quiet)
        try:
            yield f"postgresql://study@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def test_no_answer_is_lost_and_every_triplet_gets_its_ratings() -> None:
    found = run_load()
    assert found["kills"] == 1
    assert found["answers"] >= found["forms"] * (4 + 4 + 3)
    assert found["retries"]


def test_the_same_on_postgresql(postgres: str) -> None:
    found = run_load("--db", postgres)
    assert found["database"] == "postgresql"
    assert found["kills"] == 1
