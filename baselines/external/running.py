"""Running a program to its end, and what is said when it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from baselines.external.program import Workplace
from thbench.errors import ThbenchError
from thbench.printable import printable

_TAIL_LINES, _LINE_CHARACTERS = 3, 300  # of stderr in an error message ...
_TAIL_BYTES = 1 << 16  # ... from no more than its end


def run_program(
    name: str, place: Workplace, words: Sequence[str], timeout_s: float, cwd: Path | None = None
) -> None:
    """Runs a program without a shell; its stderr goes to a file in `place`.

    Raises `ThbenchError` with the end of its stderr when it is missing, fails, or runs too long.
    """
    log = place.folder / "log.txt"
    if shutil.which(words[0]) is None and not (cwd and (cwd / words[0]).is_file()):
        raise ThbenchError(f"{name}: cannot run {words[0]}: it is missing or not executable")

    try:
        with open(log, "w+b") as stderr:
            code = place.run(words, stderr, timeout_s, cwd)
    except subprocess.TimeoutExpired:
        raise ThbenchError(
            f"{name}: {words[0]} ran longer than {timeout_s:g} s "
            f"and was stopped; its last words: {_tail(log)}"
        ) from None
    if code:
        raise ThbenchError(f"{name}: {words[0]} ended with exit code {code}: {_tail(log)}")


def _tail(log: Path) -> str:
    """The last words of a program, however much it said and whatever it would do to a terminal."""
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")

    lines = [shown for line in text.splitlines() if (shown := printable(line, _LINE_CHARACTERS))]
    return " | ".join(lines[-_TAIL_LINES:]) or "nothing on stderr"
