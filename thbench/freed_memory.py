"""Freed memory stays with the process that will need it again."""

from __future__ import annotations

import ctypes
import os
import sys

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> None:
    """From here on this process gives no freed memory back to the system before it ends.

    glibc maps every array of more than some megabytes anew, and the system clears each of its pages
    first: a fifth of the time of scoring went there. Networks and metrics free and need the same
    sizes again and again, so the peak of memory grows by some percent only.

    Does nothing with other C libraries, and where the environment sets glibc's own MALLOC_...
    variables or GLIBC_TUNABLES: that is the off switch.
    """
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if told or sys.platform != "linux":
        return

    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
