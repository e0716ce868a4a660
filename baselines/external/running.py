"""Running a program to its end, and what is said when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from baselines.external.program import Workplace
from thbench.errors import ThbenchError
from thbench.printable import printable

_TAIL_LINES, _LINE_CHARACTERS = 3, 300  # of stderr in an error message ...
_TAIL_BYTES = 1 << 16  # ... from no more than its end


def run_program(
    name: str, place: Workplace, words: Sequence[str], timeout_s: float, cwd: Path | None = None
) -> None:
    """Runs a program without a shell; of its stderr only the end is kept, whatever it says.

    Raises `ThbenchError` with that end when it is missing, fails, or runs too long.
    """
    if shutil.which(words[0]) is None and not (cwd and (cwd / words[0]).is_file()):
        raise ThbenchError(f"{name}: cannot run {words[0]}: it is missing or not executable")

    said = bytearray()
    try:
        with _heard(said) as stderr:
            code = place.run(words, stderr, timeout_s, cwd)
    except subprocess.TimeoutExpired:
        raise ThbenchError(
            f"{name}: {words[0]} ran longer than {timeout_s:g} s "
            f"and was stopped; its last words: {_tail(said)}"
        ) from None
    if code:
        raise ThbenchError(f"{name}: {words[0]} ended with exit code {code}: {_tail(said)}")


@contextmanager
def _heard(said: bytearray) -> Iterator[BinaryIO]:
    """A pipe to write to; `said` gets the end of what is written. A file could fill the disk."""
    reading, writing = os.pipe()
    thread = threading.Thread(target=_keep_end, args=(reading, said), daemon=True)
    thread.start()
    try:
        with open(writing, "wb") as stderr:
            yield stderr
    finally:
        thread.join(5)  # what left the program's process group may hold the pipe open


def _keep_end(reading: int, said: bytearray) -> None:
    with open(reading, "rb", buffering=0) as pipe:
        while chunk := pipe.read(_TAIL_BYTES):
            said += chunk
            del said[:-_TAIL_BYTES]


def _tail(said: bytearray) -> str:
    """The last words of a program, however much it said and whatever it would do to a terminal."""
    text = bytes(said).decode("utf-8", errors="replace")
    lines = [shown for line in text.splitlines() if (shown := printable(line, _LINE_CHARACTERS))]
    return " | ".join(lines[-_TAIL_LINES:]) or "nothing on stderr"
