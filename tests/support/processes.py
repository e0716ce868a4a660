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

ROOT = Path(__file__).parents[2]
_MARK = "THBENCH_TEST_FAMILY"


@dataclass
class Family:
    """A command of thbench and every process that it started, however far removed."""

    process: subprocess.Popen[bytes]
    mark: str

    def members(self) -> list[int]:
        """Numbers of all that live, the command included.

        Python's own tracker of semaphores is left out: it touches no file of ours, and ends when it
        has read that all others are gone.
        """
        processes = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
        return [
            int(folder.name)
            for folder in processes
            if is_running(int(folder.name)) and self._is_member(folder)
        ]

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
            marked = f"{_MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(
                b"\0"
            )
            return marked and b"resource_tracker" not in (folder / "cmdline").read_bytes()
        except OSError:
            return False


def start(arguments: Sequence[str], stderr: int = subprocess.DEVNULL) -> Family:
    """Starts `thbench ARGUMENTS`."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env={**os.environ, "OMP_NUM_THREADS": "1", _MARK: mark},
    )
    return Family(process, mark)


def is_running(pid: int) -> bool:
    """Whether a process can still do something.

    It cannot when it only waits to be reaped, or has been sent SIGKILL and waits for a processor to
    end on, which takes its time on a busy machine.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False

    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    pending = int(status.get("SigPnd", "0"), 16) | int(status.get("ShdPnd", "0"), 16)
    return status["State"][0] not in "ZX" and not pending >> (signal.SIGKILL - 1) & 1
