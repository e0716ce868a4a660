"""The panels of a study as it is built: every picture once, by a number that says nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reports.study.folder import Study
from reports.study.stimuli import Image, crude_fake, read_image, to_panel
from thbench.errors import ThbenchError


class Panels:
    """Writes panels and numbers them; the numbers say nothing, but they are never sent either."""

    def __init__(self, study: Study, size_px: int, source_quality: int) -> None:
        self.study = study
        self.size_px = size_px
        self.source_quality = source_quality
        self._numbers: dict[Path, int] = {}
        self._count = 0
        study.panel_file(0).parent.mkdir()

    def of_file(self, file: Path) -> int:
        """The number of a frame's panel, which is written when it is first asked for."""
        if file not in self._numbers:
            self._numbers[file] = self._write(self._panel(file))
        return self._numbers[file]

    def of_crude_fake(self, file: Path, rng: np.random.Generator) -> int:
        """The number of a new panel: the frame, distorted so that nobody can miss it."""
        return self._write(crude_fake(self._panel(file), rng))

    def _panel(self, file: Path) -> Image:
        return to_panel(read_image(file), self.size_px, self.source_quality)

    def _write(self, panel: Image) -> int:
        number, file = self._count, self.study.panel_file(self._count)
        if not cv2.imwrite(str(file), panel):
            raise ThbenchError(f"cannot write {file}; free space or choose another folder")

        self._count += 1
        return number
