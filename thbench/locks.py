"""A folder that one process at a time may work on."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from thbench.errors import ThbenchError

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
LOCK = ".lock"  # names of lock files begin with it


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Keeps every other process off `folder`, which is made if it is missing, until the block ends.

    The lock goes with the process, however it ends; a lock file that a killed one left behind locks
    nothing. What was made for the lock and is still empty is removed again. Raises `ThbenchError`
    when another process has the lock and when the folder cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _lock(folder / name)
    except BlockingIOError:
        raise ThbenchError(
            f"another process is working on {folder}{_holder(folder / name)}; wait "
            "for it or stop it"
        ) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise ThbenchError(
                f"the storage of {folder} knows no locks ({error.strerror}): mount it with them "
                "(NFS 4; Lustre: -o flock), or choose another folder"
            ) from error
        raise ThbenchError(
            f"cannot write {folder}: {error.strerror}; make it writable or choose another folder"
        ) from error

    try:
        yield
    finally:
        with suppress(OSError):
            (folder / name).unlink()
        file.close()
        with suppress(OSError):  # it holds something, as it should
            for path in made:
                path.rmdir()


def holds_nothing(folder: Path) -> bool:
    """Whether a folder is missing, or empty but for lock files and what a killed process left."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(_is_left_over(path.name) for path in folder.iterdir())


def _is_left_over(name: str) -> bool:
    return name.startswith(LOCK) or (name.startswith(".") and name.endswith(".tmp"))


def _lock(path: Path) -> TextIO:
    """The locked file at `path`; the last owner may have removed the one that we opened."""
    while True:
        file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _holder(path: Path) -> str:
    """Who has the lock, in brackets, where its file says so."""
    with suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        if text.startswith("process ") and text.isprintable() and len(text) < 200:
            return f" ({text})"
    return ""
