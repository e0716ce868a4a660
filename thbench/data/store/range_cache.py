"""Ranges of remote files, kept on disk up to a number of bytes; the least recently used ones go.

One SQLite file serves all processes of a machine: a range is in it whole or not at all, and what is
deleted makes room in the same transaction in which something is added. fsspec's own caches on disk
are not bounded in size and keep their books in each process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from thbench.errors import ThbenchError
from thbench.weight_registry import cache_folder

Argument = TypeVar("Argument")
Result = TypeVar("Result")

LIMIT_VARIABLE = "THBENCH_CACHE_BYTES"
DEFAULT_LIMIT_BYTES = 10 * 2**30
_WAIT_S = 60.0  # for another process that writes
_MOST_KEYS = 500  # in one query
_FRESH_S = 1.0  # a range used within it is not noted as used again

_open_caches: weakref.WeakSet[RangeCache] = weakref.WeakSet()
_forking: list[RangeCache] = []  # those whose locks are held while this process forks


class RangeCache:
    """Bytes by key in the file `path`, which holds at most about `limit_bytes` of them.

    May be used by several threads and processes, and forked. Errors are `ThbenchError`: a file that
    is damaged or cannot be written is told, with what to do.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path, self.limit_bytes = path, limit_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _open_caches.add(self)

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is kept of these keys; they count as used now."""
        found: dict[str, bytes] = {}
        with self._lock:
            for start in range(0, len(keys), _MOST_KEYS):
                found |= self._transact(self._get, keys[start : start + _MOST_KEYS])
        return found

    def put(self, ranges: Mapping[str, bytes]) -> None:
        """Keeps these; ranges of more than a quarter of the limit are not kept."""
        small = {key: data for key, data in ranges.items() if len(data) <= self.limit_bytes // 4}
        if small:
            with self._lock:
                self._transact(self._put, small)

    def size_bytes(self) -> int:
        """What the kept ranges and their keys take on disk."""
        with self._lock:
            return self._transact(lambda connection, _: _used_bytes(connection), None)

    def close(self) -> None:
        """Lets go of the file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def before_fork(self) -> None:
        """A connection of SQLite must not be carried into another process."""
        self._lock.acquire()
        self.close()

    def after_fork(self) -> None:
        """Both processes go on, each with a connection of its own."""
        self._lock.release()

    def _transact(
        self, action: Callable[[sqlite3.Connection, Argument], Result], argument: Argument
    ) -> Result:
        try:
            if self._connection is None:
                self._connection = _connected(self.path)
            return action(self._connection, argument)
        except sqlite3.DatabaseError as error:
            self._roll_back()
            damaged = not isinstance(error, sqlite3.OperationalError)
            remedy = "delete it" if damaged else f"free space, or set {LIMIT_VARIABLE}=0"
            raise ThbenchError(
                f"the cache {self.path} cannot be used ({error}): {remedy}"
            ) from error
        except OSError as error:
            raise ThbenchError(
                f"the cache {self.path} cannot be written ({error.strerror}): choose another "
                f"folder with THBENCH_CACHE, or set {LIMIT_VARIABLE}=0"
            ) from error

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()

    @staticmethod
    def _get(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, bytes]:
        marks = ",".join("?" * len(keys))
        rows = connection.execute(
            f"SELECT key, size, used_s, data FROM ranges WHERE key IN ({marks})", keys
        ).fetchall()

        now_s = time.time()
        stale = [(now_s, key) for key, _, used_s, _ in rows if used_s < now_s - _FRESH_S]
        if stale:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("UPDATE ranges SET used_s = ? WHERE key = ?", stale)
            connection.execute("COMMIT")
        return {key: data for key, size, _, data in rows if len(data) == size}

    def _put(self, connection: sqlite3.Connection, ranges: Mapping[str, bytes]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        now_s = time.time()  # not before: what others use while this waits is older
        rows = [(key, len(data), now_s, data) for key, data in ranges.items()]
        connection.executemany(
            "INSERT OR REPLACE INTO ranges (key, size, used_s, data) VALUES (?, ?, ?, ?)", rows
        )

        while _used_bytes(connection) > self.limit_bytes:
            # One by one: the newest goes last, so what was just put stays while there is an older.
            gone = connection.execute(
                "DELETE FROM ranges WHERE id = (SELECT id FROM ranges ORDER BY used_s, id LIMIT 1)"
            )
            if not gone.rowcount:
                break
        connection.execute("COMMIT")


@lru_cache(maxsize=1)
def _cache_at(path: Path, limit_bytes: int) -> RangeCache:
    return RangeCache(path, limit_bytes)


def shared_cache() -> RangeCache | None:
    """The cache under $THBENCH_CACHE, of at most $THBENCH_CACHE_BYTES; None where that is 0.

    Raises `ThbenchError` for a limit that is no number of bytes.
    """
    told = os.environ.get(LIMIT_VARIABLE, str(DEFAULT_LIMIT_BYTES))
    if not told.isdecimal():
        raise ThbenchError(f"{LIMIT_VARIABLE}={told} is not a number of bytes; 0 keeps no cache")
    if not int(told):
        return None
    return _cache_at(cache_folder() / "ranges.sqlite", int(told))


def _connected(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
    )
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "journal_size_limit=4194304"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS ranges (id INTEGER PRIMARY KEY, key TEXT UNIQUE, "
        "size INTEGER, used_s REAL, data BLOB)"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS by_use ON ranges (used_s)")
    return connection


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {what}").fetchone()[0]
        for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _before_fork() -> None:
    _forking.extend(_open_caches)
    for cache in _forking:
        cache.before_fork()


def _after_fork() -> None:
    while _forking:
        _forking.pop().after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
