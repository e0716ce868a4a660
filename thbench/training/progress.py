"""What a person sees while training: a progress bar with losses and speed, and sample pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from thbench.files import atomic_path


class TrainingProgress:
    """A bar on stderr: step, time left, images per second and the losses of the last step."""

    def __init__(self, kind: str, step: int, steps: int, enabled: bool) -> None:
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(),
                                 TimeRemainingColumn(), TextColumn("{task.fields[losses]}"), disable=not enabled,
                                 refresh_per_second=2, console=Console(stderr=True))
        self.task = self.progress.add_task(f"train {kind}", total=steps, completed=step, losses="")

    def __enter__(self) -> TrainingProgress:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.progress.stop()

    def advance(self, losses: Mapping[str, float], images_per_s: float) -> None:
        text = " ".join(f"{name} {value:.3g}" for name, value in losses.items())
        self.progress.update(self.task, advance=1, losses=f"{images_per_s:.1f} images/s  {text}")

    def say(self, line: str) -> None:
        """A line of its own on stderr, above the bar; said also when the bar is not shown."""
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def write_png(path: Path, image: Tensor) -> None:
    """Writes one picture, uint8 [3, H, W] RGB, atomically."""
    encoded = cv2.imencode(".png", image.permute(1, 2, 0).numpy()[..., ::-1])[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
