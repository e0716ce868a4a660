"""The one error type that users see, and what becomes of all others."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence


class ThbenchError(Exception):
    """Bad input or a missing piece, told in one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 1 (usage errors are click's,
    code 2).
    """


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """A signal ended the work, and what was done is kept: the message tells how to go on.

    The command line prints the message, if there is one, and exits with code 128 + `number`.
    """

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


def unforeseen(error: Exception, arguments: Sequence[str]) -> str:
    """One line on a fault of this program; the traceback is kept in the temporary folder."""
    from thbench import __version__

    first = (str(error).splitlines() or [""])[0][:200]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    details = "".join(
        [
            f"thbench {__version__}, Python {sys.version.split()[0]}\n",
            f"arguments: {list(arguments)!r}\n\n",
            *traceback.format_exception(error),
        ]
    )

    try:
        descriptor, file = tempfile.mkstemp(prefix="thbench-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as opened:
            opened.write(details)
    except OSError:
        folder = tempfile.gettempdir()
        return f"{what} (a fault of thbench; its traceback could not be kept in {folder})"
    return f"{what} (a fault of thbench; its traceback is in {file}, please report it)"
