"""The one error type that users see."""

from __future__ import annotations


class ThbenchError(Exception):
    """Bad input or a missing piece, told in one line: what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 1 (usage errors are click's, code 2).
    """
