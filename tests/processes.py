"""Which processes live, and which belong to a test: they carry a mark in their environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_MARK = "THBENCH_TEST_FAMILY"


@dataclass
class Family:
    """A command of thbench and every process that it started, however far removed."""

    process: subprocess.Popen[bytes]
    mark: str

    def members(self) -> list[int]:
        """Numbers of all that live, the command included, but for those that wait to be reaped."""
        processes = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        return [int(folder.name) for folder in processes
                if is_running(int(folder.name)) and self._is_member(folder)]

    def left_after(self, seconds: float) -> list[int]:
        """Who still lives after so many seconds; ends early when nobody does."""
        deadline = time.monotonic() + seconds
        while (left := self.members()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def end(self) -> None:
        for member in self.members():
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def _is_member(self, folder: Path) -> bool:
        try:
            return f"{_MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            return False


def start(arguments: Sequence[str], stderr: int = subprocess.DEVNULL) -> Family:
    """Starts `thbench ARGUMENTS`."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen([sys.executable, "-m", "cli", *arguments], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=stderr,
                               env={**os.environ, "OMP_NUM_THREADS": "1", _MARK: mark})
    return Family(process, mark)


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
