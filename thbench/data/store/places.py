"""Where a prepared store lies: a folder here, or a URL that is read by ranges of bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from thbench.errors import ThbenchError
from thbench.files import inside, sha256_file

Range = tuple[int, int]  # the first byte, and how many


class Place(Protocol):
    """The files of one store, by their names below it; `str()` of a place is its path or URL."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        ...

    def pin(self, version: str) -> None:
        """Says which store is here: what a cache keeps of another one at this place is not used."""
        ...

    def read(self, file: str) -> bytes:
        """All bytes of a file; raises `FileNotFoundError` where there is none."""
        ...

    def sha256(self, file: str) -> str:
        """Of all bytes of a file; raises `FileNotFoundError` where there is none."""
        ...

    def ranges(self, file: str, ranges: Sequence[Range], fresh: bool = False) -> list[bytes]:
        """The bytes of each range; fewer where the file ends before.

        fresh: past every cache. Raises `ThbenchError` when the file is not there or cannot be read.
        """
        ...


class LocalPlace:
    """A folder on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def pin(self, version: str) -> None:
        """See `Place.pin`; nothing is cached here."""

    def read(self, file: str) -> bytes:
        """See `Place.read`."""
        path = inside(self.path, file)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ThbenchError(f"{path} cannot be read: {error.strerror}") from error

    def sha256(self, file: str) -> str:
        """See `Place.sha256`."""
        path = inside(self.path, file)
        try:
            return sha256_file(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ThbenchError(f"{path} cannot be read: {error.strerror}") from error

    def ranges(self, file: str, ranges: Sequence[Range], fresh: bool = False) -> list[bytes]:
        """See `Place.ranges`."""
        path = self.path / file
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ThbenchError(
                f"cannot read {path} ({error.strerror}): run `thbench data verify {self.path}`"
            ) from error
        try:
            return [os.pread(descriptor, size, start) for start, size in ranges]
        except OSError as error:
            raise ThbenchError(f"{path} cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)


def is_url(location: str) -> bool:
    """Whether a dataset is named by a URL and not by a path or a name."""
    return "://" in location


def place_of(location: str | Path) -> Place:
    """The place of a path or URL; nothing is opened yet.

    Raises `ThbenchError` for a URL that nothing here can read.
    """
    if not is_url(str(location)):
        return LocalPlace(Path(location))

    from thbench.data.store.remote import RemotePlace, local_path

    path = local_path(str(location))
    return LocalPlace(path) if path is not None else RemotePlace(str(location))
