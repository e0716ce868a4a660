"""What somebody may have meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'videos'?", or "" when no known name is like it."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def hint(name: str, known: Iterable[str], listed: str = "known are") -> str:
    """`did_you_mean`, or the list of what is known where nothing is like it."""
    names = list(known)
    return did_you_mean(name, names) or f"{listed} {', '.join(names)}"
