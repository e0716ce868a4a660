"""A live system behind the contract: `command:NAME='prog --shots {shots} --drive {drive} --out
{out}'`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.external.export import write_episode
from baselines.external.frames import check_frames, read_frame
from baselines.external.program import Workplace, workplace
from baselines.external.running import run_program
from baselines.external.settings import split_words
from thbench.errors import ThbenchError
from thbench.method import DrivesWith, Frames, MethodOptions

TIMEOUT_S = 600.0
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


class CommandHead:
    """The shots, kept until something is to be rendered: the program learns and renders at once."""

    def __init__(self, method: Command, shots: Frames) -> None:
        self.method, self.shots = method, shots

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S]: one run of the program for all driving frames.

        Raises `ThbenchError` when it fails, runs too long, or leaves frames that are missing or
        unusable.
        """
        with workplace() as place:
            folder = place.folder
            names = write_episode(folder, self.shots, drive, self.method.drives_with)
            out = folder / "out"
            out.mkdir()
            self.method.run(place)
            check_frames(
                self.method.name, out, {out / name: drive.size_px for name in names}, "{out}"
            )
            return torch.stack([read_frame(out / name, drive.size_px) for name in names])


class Command:
    """A program that is run once per video, without a shell.

    {shots} and {drive} are folders of PNG, {shots_landmarks} and {drive_landmarks} their landmark
    images, {episode} the folder with all of these and the landmarks as CSV (see
    `baselines.external.export`); the frames go to {out} under the names of the driving frames. A
    command that asks for neither {drive} nor {episode} drives with landmarks and is not shown the
    true frames.
    """

    def __init__(self, options: MethodOptions) -> None:
        """argument: "NAME=COMMAND". settings may hold timeout_s, for one run."""
        self.name, _, line = options.argument.partition("=")
        self.arguments = _split(options.argument, line)
        used = set(_PLACEHOLDER.findall(line))
        self.drives_with: DrivesWith = "image" if used & {"drive", "episode"} else "landmarks"
        self.timeout_s = _timeout_s(options)
        self.provenance: dict[str, Any] = {
            "config": {"command": line, "timeout_s": self.timeout_s},
            "notes": ["learns and renders in one run: all its time is rendering"],
        }

    def adapt(self, shots: Frames) -> CommandHead:
        return CommandHead(self, shots)

    def run(self, place: Workplace) -> None:
        """Runs the program on the episode in `place`.

        Raises `ThbenchError` with the end of its stderr when it fails.
        """
        folder = place.folder
        arguments = [
            _PLACEHOLDER.sub(lambda found: str(_path(folder, found[1])), part)
            for part in self.arguments
        ]
        run_program(self.name, place, arguments, self.timeout_s)


def command(options: MethodOptions) -> Command:
    """Entry point."""
    return Command(options)


def _split(argument: str, line: str) -> list[str]:
    known = {"episode", "shots", "shots_landmarks", "drive", "drive_landmarks", "out"}
    usage = "write command:NAME='prog --shots {shots} --drive {drive} --out {out}'"
    arguments = split_words(f"command:{argument}", line, usage)
    used = set(_PLACEHOLDER.findall(line))
    if argument.startswith("=") or not arguments or "out" not in used:
        raise ThbenchError(f"command:{argument} has no name, no program or no {{out}}; {usage}")
    if used - known:
        raise ThbenchError(
            f"command:{argument} has the unknown placeholder {{{min(used - known)}}}; known are "
            f"{', '.join(f'{{{name}}}' for name in sorted(known))}"
        )
    return arguments


def _path(folder: Path, placeholder: str) -> Path:
    return folder if placeholder == "episode" else folder / placeholder


def _timeout_s(options: MethodOptions) -> float:
    unknown = options.settings.keys() - {"timeout_s"}
    if unknown:
        raise ThbenchError(f"unknown setting {min(unknown)!r} of a command; known is timeout_s")
    timeout_s = options.settings.get("timeout_s", TIMEOUT_S)
    if not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise ThbenchError(f"timeout_s = {timeout_s!r} must be a number of seconds above 0")
    return float(timeout_s)
