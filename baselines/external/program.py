"""Programs of others: each ends, with all that it started, when we end, and so does its folder."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Reads process groups until its pipe closes, by hand or because its writer was killed; then ends
# the last one and removes the folder. In a session of its own, it survives what kills us.
_KEEPER = """
group=
while read -r line; do group=$line; done
tries=0
while [ -n "$group" ] && [ $tries -lt 40 ] && kill -s KILL -- "-$group" 2>/dev/null; do
    tries=$((tries + 1))
    sleep 0.05
done
rm -rf -- "$1"
"""

# Becomes the program once the keeper knows of it; never, if we are killed before that.
_GATE = 'read -r go && exec "$@" </dev/null'
_TALKING_GATE = 'read -r go && exec "$@"'  # a shell reads a pipe byte by byte: the rest is left


@dataclass(frozen=True)
class Workplace:
    """A temporary folder and the process that keeps it; see `workplace`."""

    folder: Path
    _keeper: subprocess.Popen[bytes]

    def run(
        self,
        arguments: Sequence[str],
        stderr: BinaryIO,
        timeout_s: float,
        cwd: Path | None = None,
    ) -> int:
        """Runs a program without a shell looking at its arguments; returns its exit code.

        All that it started is over when this returns, except what left its process group. Raises
        `subprocess.TimeoutExpired`.
        """
        program = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=cwd,
            start_new_session=True,
        )
        try:
            _tell(self._keeper, f"{program.pid}\n")
            _tell(program, "go\n")
            return program.wait(timeout_s)
        finally:
            self.end(program)

    def start(self, arguments: Sequence[str], cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Starts a program to talk to by its pipes; one at a time, until `end`."""
        program = subprocess.Popen(
            ["/bin/sh", "-c", _TALKING_GATE, "sh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            start_new_session=True,
        )
        _tell(self._keeper, f"{program.pid}\n")
        _tell(program, "go\n")
        return program

    def end(self, program: subprocess.Popen[bytes]) -> None:
        """Ends a program and all that it started."""
        with suppress(ProcessLookupError, PermissionError):  # macOS says so of the dead
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        _tell(self._keeper, "\n")  # the number may soon be another's
        _close(program)


@contextmanager
def workplace() -> Iterator[Workplace]:
    """An empty temporary folder to run programs on.

    When the block ends or this process is killed, whatever runs there ends and the folder goes.
    """
    folder = Path(tempfile.gettempdir()).resolve() / f"thbench-{secrets.token_hex(8)}"
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        folder.mkdir(mode=0o700)
        yield Workplace(folder, keeper)
    finally:
        _close(keeper)
        keeper.wait()


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it is over already
        process.stdin.write(line.encode())
        process.stdin.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
