"""Talking to a worker: one JSON object a line, each answer with the number of its request."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from baselines.external.program import Workplace
from thbench.errors import ThbenchError
from thbench.printable import printable

_LONGEST_LINE = 1 << 20  # bytes of an answer; what is longer is none
_KEPT_BYTES = 1 << 16  # of what a worker says besides
_TAIL_LINES, _LINE_CHARACTERS = 3, 300

_ENDED = object()


class WorkerEndedError(ThbenchError):
    """The worker is gone; another one may do better."""


class Conversation:
    """A running worker: requests in, answers out; everything else that it says is kept, in part."""

    def __init__(self, name: str, place: Workplace, words: Sequence[str], cwd: Path | None) -> None:
        """Raises `ThbenchError` for a program that is missing or not executable."""
        if shutil.which(words[0]) is None and not (cwd and (cwd / words[0]).exists()):
            raise ThbenchError(f"{name}: cannot run {words[0]}: it is missing or not executable")
        self.name, self._place = name, place
        self._program = place.start(words, cwd)
        self._said = bytearray()
        self._lock = threading.Lock()
        self._answers: queue.Queue[Any] = queue.Queue()
        self._asked = 0
        self._awaited: int | None = None  # the request that has no answer yet
        assert self._program.stdout is not None
        assert self._program.stderr is not None
        self._threads = [
            _started(self._listen, self._program.stdout),
            _started(self._overhear, self._program.stderr),
        ]

    def ask(self, what: str, content: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Sends `{"id": n, what: content}`, returns what the answer holds under "done".

        Raises `WorkerEndedError` when the worker is gone, `ThbenchError` when it answers with
        "error", with neither, or not in time; in that case it is ended.
        """
        self._asked += 1
        self._awaited = self._asked
        self._send({"id": self._asked, what: content}, what)
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.end()
            raise ThbenchError(
                f"{self.name}: no answer to {what!r} within {timeout_s:g} s, so the worker was "
                f"stopped; its last words: {self._tail()}"
            ) from None
        if answer is _ENDED:
            raise self._ended(what)
        if isinstance(answer.get("error"), str):
            raise ThbenchError(
                f"{self.name}: {what}: {printable(answer['error'], _LINE_CHARACTERS)}"
            )
        if not isinstance(answer.get("done"), dict):
            raise ThbenchError(
                f'{self.name}: the answer to {what!r} holds neither "done", an object, nor '
                '"error", a text'
            )
        return dict(answer["done"])

    @property
    def is_running(self) -> bool:
        return self._program.poll() is None

    def end(self) -> None:
        """Ends the worker and all that it started."""
        self._place.end(self._program)
        for thread in self._threads:
            thread.join(5)

    def _send(self, request: Mapping[str, Any], what: str) -> None:
        assert self._program.stdin is not None
        try:
            self._program.stdin.write(json.dumps(request).encode() + b"\n")
            self._program.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._ended(what) from None

    def _ended(self, what: str) -> WorkerEndedError:
        with suppress(subprocess.TimeoutExpired):
            self._program.wait(5)
        self.end()
        return WorkerEndedError(
            f"{self.name}: the worker ended with exit code {self._program.returncode} before it "
            f"answered {what!r}; its last words: {self._tail()}"
        )

    def _listen(self, stdout: IO[bytes]) -> None:
        """Takes answers off stdout, line by line; what is no answer is talk."""
        line = bytearray()
        while chunk := os.read(stdout.fileno(), 1 << 16):
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                self._hear(bytes(line + end))
                line.clear()
            line += rest
            if len(line) > _LONGEST_LINE:
                self._keep(bytes(line[-_KEPT_BYTES:]))
                line.clear()
        self._hear(bytes(line))
        self._answers.put(_ENDED)

    def _hear(self, line: bytes) -> None:
        answer = None
        with suppress(ValueError, RecursionError):
            answer = json.loads(line)
        if isinstance(answer, dict) and answer.get("id") == self._awaited is not None:
            self._awaited = None  # a second answer would be taken for that of the next request
            self._answers.put(answer)
        else:
            self._keep(line + b"\n")

    def _overhear(self, stderr: IO[bytes]) -> None:
        while chunk := os.read(stderr.fileno(), 1 << 16):
            self._keep(chunk)

    def _keep(self, said: bytes) -> None:
        with self._lock:
            self._said += said
            del self._said[:-_KEPT_BYTES]

    def _tail(self) -> str:
        with self._lock:
            text = bytes(self._said).decode("utf-8", errors="replace")
        lines = [shown for line in text.splitlines() if (shown := printable(line, 300))]
        return " | ".join(lines[-_TAIL_LINES:]) or "nothing on stdout or stderr"


def _started(work: Any, pipe: IO[bytes]) -> threading.Thread:
    thread = threading.Thread(target=work, args=(pipe,), daemon=True)
    thread.start()
    return thread
