"""Stores behind a URL: ranges of bytes through fsspec, tried again, kept in a cache on disk."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from thbench.data.store.places import Range
from thbench.data.store.range_cache import RangeCache, shared_cache
from thbench.errors import ThbenchError

Answer = TypeVar("Answer")

# Before each further try. Half a minute in all: a server that restarts is waited for.
DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_CONNECT_S, _SILENCE_S = 15.0, 30.0  # no connection, no byte for so long: it is tried again
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})  # and all from 500 on


class RemotePlace:
    """A store behind `http(s)://`, `s3://`, `gs://`, `memory://` or what else fsspec reads.

    Every process opens its own connections: a place may be forked and pickled.
    """

    def __init__(self, url: str) -> None:
        """Raises `ThbenchError` for a URL with a password or a query, or without its package."""
        parts = urlsplit(url)
        if "@" in parts.netloc and parts.scheme in ("http", "https"):
            raise ThbenchError(
                f"{parts.scheme}://...@{parts.netloc.rpartition('@')[2]} holds a password, which "
                "would be kept with every result: put it into ~/.netrc and leave it out here"
            )
        if parts.query:
            raise ThbenchError(
                f"{url.partition('?')[0]} is followed by a query: name the folder of the store, "
                "whose files are found below it"
            )
        self.url = url.rstrip("/")
        self._version = ""
        self._files: dict[int, tuple[Any, str]] = {}
        self._filesystem()

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def __reduce__(self) -> tuple[type[RemotePlace], tuple[str]]:
        return RemotePlace, (self.url,)

    def pin(self, version: str) -> None:
        """See `Place.pin`."""
        self._version = version

    def read(self, file: str) -> bytes:
        """See `Place.read`; never from the cache."""
        filesystem, folder = self._filesystem()
        return bytes(self._tried(file, lambda: filesystem.cat_file(f"{folder}/{file}")))

    def sha256(self, file: str) -> str:
        """See `Place.sha256`."""
        return hashlib.sha256(self.read(file)).hexdigest()

    def ranges(self, file: str, ranges: Sequence[Range], fresh: bool = False) -> list[bytes]:
        """See `Place.ranges`."""
        keys = [f"{self._version} {self.url}/{file} {start}+{size}" for start, size in ranges]
        kept = {} if fresh or self._cache is None else self._cache.get(keys)

        missing = [place for place, key in enumerate(keys) if key not in kept]
        try:
            read = self._fetched(file, [ranges[place] for place in missing])
        except FileNotFoundError:
            raise ThbenchError(
                f"{self.url}/{file} is not there: run `thbench data verify {self.url}`"
            ) from None

        new = {keys[place]: data for place, data in zip(missing, read, strict=True)}
        if self._cache is not None:
            whole = {
                keys[place]: new[keys[place]]
                for place in missing
                if len(new[keys[place]]) == ranges[place][1]
            }
            self._cache.put(whole)
        return [kept[key] if key in kept else new[key] for key in keys]

    @cached_property
    def _cache(self) -> RangeCache | None:
        return None if self.url.startswith("memory://") else shared_cache()

    def _fetched(self, file: str, ranges: Sequence[Range]) -> list[bytes]:
        """The ranges, all at once; those that fail are asked for again."""
        found: dict[Range, bytes] = {}

        def fetch() -> None:
            filesystem, folder = self._filesystem()
            wanted = [place for place in ranges if place not in found]
            answers = filesystem.cat_ranges(
                [f"{folder}/{file}"] * len(wanted),
                [start for start, _ in wanted],
                [start + size for start, size in wanted],
                on_error="return",
            )
            failed: Exception | None = None
            for place, answer in zip(wanted, answers, strict=True):
                if isinstance(answer, Exception):
                    failed = _worse(failed, answer)
                else:
                    self._check_length(file, place, answer)
                    found[place] = bytes(answer)
            if failed is not None:
                raise failed

        if ranges:
            self._tried(file, fetch)
        return [found[place] for place in ranges]

    def _check_length(self, file: str, place: Range, answer: bytes) -> None:
        if len(answer) > place[1]:
            raise ThbenchError(
                f"{self.url}/{file} is always sent whole: its server does not answer requests for "
                "ranges of bytes; use one that does (nginx, Caddy, S3), or copy the store here"
            )

    def _tried(self, file: str, action: Callable[[], Answer]) -> Answer:
        """What the action gives, tried again with growing pauses where that may help.

        Raises `FileNotFoundError` as it is, and `ThbenchError` with the URL for all else.
        """
        for delay_s in (*DELAYS_S, None):
            try:
                return action()
            except (FileNotFoundError, ThbenchError):
                raise
            except Exception as error:  # each file system has its own
                if delay_s is None or not _may_pass(error):
                    tries = f" after {len(DELAYS_S) + 1} tries" if delay_s is None else ""
                    raise ThbenchError(
                        f"cannot read {self.url}/{file}{tries} ({_told(error)}): check the URL, "
                        "the network and your access to it, then run the same command again"
                    ) from error
                time.sleep(delay_s)
        raise AssertionError("the last try returns or raises")

    def _filesystem(self) -> tuple[Any, str]:
        """fsspec's file system and the folder in it, of this process."""
        if os.getpid() not in self._files:
            self._files = {os.getpid(): _opened(self.url)}
        return self._files[os.getpid()]


def local_path(url: str) -> Path | None:
    """The path that a `file://` URL names; None for a URL of another kind."""
    if urlsplit(url).scheme not in ("file", "local"):
        return None
    _, path = _opened(url)
    return Path(path)


def _opened(url: str) -> tuple[Any, str]:
    import fsspec

    scheme = urlsplit(url).scheme
    try:
        return fsspec.core.url_to_fs(url, **_options(scheme))  # type: ignore[no-any-return]
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install 'thbench[{extra}]'" if extra else str(error)
        raise ThbenchError(f"{url} needs a package that is not installed: {remedy}") from error
    except ValueError as error:
        raise ThbenchError(
            f"{url} is no URL that thbench reads ({error}): use file://, http://, https://, s3:// "
            "or gs://"
        ) from error


def _options(scheme: str) -> dict[str, Any]:
    if scheme not in ("http", "https"):
        return {}
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


def _worse(first: Exception | None, second: Exception) -> Exception:
    """The one of two errors that no further try will mend, if one is such."""
    return second if first is None or not _may_pass(second) else first


def _may_pass(error: Exception) -> bool:
    """Whether the same request may do better in a while."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status >= 500 or status in _WORTH_ANOTHER_TRY or status == 0
    lasting = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    wrong = (ImportError, TypeError, ValueError, AttributeError, NotImplementedError)
    return not isinstance(error, lasting + wrong)


def _told(error: Exception) -> str:
    status, message = getattr(error, "status", None), getattr(error, "message", "")
    if isinstance(status, int) and status:
        return f"the server answers {status} {message}".rstrip()
    return (str(error) or type(error).__name__).splitlines()[0][:200]
