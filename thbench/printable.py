"""Text that came from elsewhere, made safe to show on a terminal, in a record and on a page."""

from __future__ import annotations

import re
import unicodedata

# ECMA-48: control sequences, operating-system commands and their kin, and single-character escapes.
_ESCAPES = re.compile(
    r"""
      (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]
    | (?: \x1b[\]PX^_] | [\x9d\x90\x98\x9e\x9f] ) [^\x07\x1b\x9c]* (?: \x07 | \x1b\\ | \x9c )?
    | \x1b [ -/]* [0-~]?
""",
    re.VERBOSE,
)


def printable(text: str, limit: int) -> str:
    """`text` on one line of at most `limit` characters, without anything that steers a terminal.

    Escape sequences go, every run of white space becomes one space, and control and direction
    characters become "?". What is too long loses its middle, which becomes "...".
    """
    plain = " ".join(_ESCAPES.sub("", text).split())
    plain = "".join("?" if _steers(character) else character for character in plain)

    if len(plain) <= limit:
        return plain

    kept = limit - len("...")
    return f"{plain[: kept - kept // 2]}...{plain[len(plain) - kept // 2 :]}"


def _steers(character: str) -> bool:
    """Control, format (bidirectional overrides, zero width), surrogate and private characters."""
    return unicodedata.category(character).startswith("C")
