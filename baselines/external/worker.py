"""One process for a whole run: `worker:NAME='python serve.py'`; the page is docs/worker.md."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor

from baselines.external.conversation import Conversation, WorkerEndedError
from baselines.external.export import write_drive, write_shots
from baselines.external.frames import read_frame
from baselines.external.program import Workplace, workplace
from baselines.external.settings import TIMEOUT_S, read_program
from thbench.errors import ThbenchError
from thbench.files import inside
from thbench.method import DrivesWith, Frames, MethodOptions

Result = TypeVar("Result")
PROTOCOL = 1
SETTINGS = ("cwd", "timeout_s")


class WorkerHead:
    """A head inside the worker; when another was learned since, it is learned again."""

    def __init__(self, method: Worker, shots: Frames) -> None:
        self.method, self.shots = method, shots

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S]; raises `ThbenchError` as `Worker.adapt` does, and for frames that
        are missing or unusable.
        """
        return self.method.with_a_second_try(lambda: self.method.render(self, drive))


class Worker:
    """A program that learns and renders on request, for as long as the run lasts.

    It is started when it is first needed, and again after it ended or hung. What a dead one did not
    answer is asked once more; what hangs or is answered with an error fails its unit.
    """

    def __init__(self, options: MethodOptions) -> None:
        """argument: "NAME=COMMAND" or "NAME=FILE.toml". settings: cwd, and timeout_s for each
        answer.

        Raises `ThbenchError` when the program does not start or does not say hello.
        """
        self.program = read_program("worker", options, SETTINGS)
        self.name, self.options = self.program.name, options
        self.timeout_s = self.program.number("timeout_s", TIMEOUT_S)
        self.cwd = self.program.folder("cwd")
        self._stack = ExitStack()
        self._place: Workplace | None = None
        self._worker: Conversation | None = None
        self._learned: tuple[WorkerHead, Path] | None = None
        self._episodes = 0
        weakref.finalize(self, self._stack.close)

        ready = self._start()
        self.drives_with: DrivesWith = ready["drives_with"]
        self.provenance: dict[str, Any] = {
            "config": {
                "command": " ".join(self.program.words),
                "cwd": str(self.cwd or ""),
                "timeout_s": self.timeout_s,
            },
            "notes": ready["notes"],
        }

    def adapt(self, shots: Frames) -> WorkerHead:
        """Has the worker learn a head; this is what is timed.

        Raises `ThbenchError` when it says that it cannot, does not answer in time, or ends twice.
        """
        head = WorkerHead(self, shots)
        self.with_a_second_try(lambda: self._learn(head))
        return head

    def render(self, head: WorkerHead, drive: Frames) -> Tensor:
        """See `WorkerHead.render`."""
        folder = self._learn(head)
        names = write_drive(_emptied(folder / "drive-now"), drive, self.drives_with)
        out = _emptied(folder / "out")
        out.mkdir()
        content = {
            "landmarks": str(folder / "drive-now" / "drive.csv"),
            "landmark_images": _paths(folder / "drive-now" / "drive_landmarks", names),
            "out": str(out),
        }
        if self.drives_with == "image":
            content["drive"] = _paths(folder / "drive-now" / "drive", names)

        done = self._ask("render", content)
        frames = done.get("frames", names)
        if not isinstance(frames, list) or len(frames) != len(drive):
            raise ThbenchError(
                f"{self.name}: the answer to 'render' names "
                f"{len(frames) if isinstance(frames, list) else 'no list of'} frames, "
                f"{len(drive)} were asked for"
            )
        return torch.stack([read_frame(inside(out, str(name)), drive.size_px) for name in frames])

    def with_a_second_try(self, work: Callable[[], Result]) -> Result:
        """Does `work`, and once more with a new worker where this one ended meanwhile."""
        try:
            return work()
        except WorkerEndedError:
            self._forget()
            return work()

    def _learn(self, head: WorkerHead) -> Path:
        """The folder of the head, which the worker now has."""
        if self._learned is not None and self._learned[0] is head and self._worker is not None:
            return self._learned[1]
        if self._worker is None:
            self._start()
        if self._learned is not None:
            shutil.rmtree(self._learned[1], ignore_errors=True)
            self._learned = None

        assert self._place is not None
        self._episodes += 1
        folder = self._place.folder / f"{self._episodes:06d}"
        write_shots(folder, head.shots)
        names = [f"{index:02d}.png" for index in range(len(head.shots))]
        self._ask(
            "adapt",
            {
                "shots": _paths(folder / "shots", names),
                "landmarks": str(folder / "shots.csv"),
                "landmark_images": _paths(folder / "shots_landmarks", names),
            },
        )
        self._learned = head, folder
        return folder

    def _start(self) -> dict[str, Any]:
        if self._place is None:
            self._place = self._stack.enter_context(workplace())
        self._worker = Conversation(self.name, self._place, self.program.words, self.cwd)
        ready = self._ask(
            "hello",
            {
                "protocol": PROTOCOL,
                "size_px": self.options.size_px,
                "device": self.options.device,
                "seed": self.options.seed,
            },
        )
        drives_with, notes = ready.get("drives_with"), ready.get("notes", [])
        if drives_with not in get_args(DrivesWith) or not (
            isinstance(notes, list) and all(isinstance(note, str) for note in notes)
        ):
            raise ThbenchError(
                f"{self.name}: the answer to 'hello' must say drives_with, image or landmarks, and "
                "may have notes, a list of texts"
            )
        return {"drives_with": drives_with, "notes": notes}

    def _ask(self, what: str, content: dict[str, Any]) -> dict[str, Any]:
        assert self._worker is not None
        try:
            return self._worker.ask(what, content, self.timeout_s)
        except WorkerEndedError:
            self._forget()
            raise
        except ThbenchError:
            if not self._worker.is_running:
                self._forget()
            raise

    def _forget(self) -> None:
        self._worker = None
        if self._learned is not None:
            shutil.rmtree(self._learned[1], ignore_errors=True)
            self._learned = None


def worker(options: MethodOptions) -> Worker:
    """Entry point."""
    return Worker(options)


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _paths(folder: Path, names: list[str]) -> list[str]:
    return [str(folder / name) for name in names]
