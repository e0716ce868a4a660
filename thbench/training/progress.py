"""What a person sees while training: losses and speed, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import cv2
from torch import Tensor

from thbench.files import atomic_path
from thbench.progress import Stage, stage


class TrainingProgress:
    """On stderr: step, time left, images per second and the losses of the last step."""

    def __init__(self, kind: str, step: int, steps: int, enabled: bool) -> None:
        self._stage = stage(f"train {kind}", steps, step, quiet=not enabled)
        self._shown: Stage

    def __enter__(self) -> TrainingProgress:
        self._shown = self._stage.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stage.__exit__(kind, error, trace)

    def advance(self, losses: Mapping[str, float], images_per_s: float) -> None:
        """One more step, with the values that it logged."""
        text = " ".join(f"{name} {value:.3g}" for name, value in losses.items())
        self._shown.advance(f"{text}, {images_per_s:.1f} images/s")

    def say(self, line: str) -> None:
        """A line of its own, above the bar; said also when no bar is shown."""
        self._shown.say(line)


def write_png(path: Path, image: Tensor) -> None:
    """Writes one picture, uint8 [3, H, W] RGB, atomically."""
    encoded = cv2.imencode(".png", image.permute(1, 2, 0).numpy()[..., ::-1])[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
