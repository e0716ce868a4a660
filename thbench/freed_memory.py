"""Freed memory stays with the process that will need it again."""

from __future__ import annotations

import ctypes
import os
import sys

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER_TRIM = -1


def keep_freed_memory() -> None:
    """From here on this process gives no freed memory back to the system before it ends.

    glibc maps large arrays anew, and the system clears each of their pages first: a fifth of the
    time of scoring went there. Networks and metrics free and need the same sizes again and again;
    where sizes are all different, memory falls into pieces and its peak can grow by half. It helps
    the main thread only: others have heaps that hold no large array.

    Does nothing with other C libraries, and where the environment sets any of glibc's own
    MALLOC_... variables or GLIBC_TUNABLES: that is the off switch.
    """
    told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if told or sys.platform != "linux":
        return

    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
