"""Lossless videos: every pixel comes back as it went in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.files import atomic_path


def write_lossless(path: Path, frames: Tensor, fps: float) -> None:
    """Writes uint8 [N, 3, H, W] RGB as FFV1 in Matroska, atomically: `read_video` gives the same
    pixels.

    Raises `ThbenchError` for a suffix other than .mkv, no frames, or a disk that is full.
    """
    if path.suffix.lower() != ".mkv" or not len(frames):
        raise ThbenchError(f"{path}: a lossless video is an .mkv of at least one frame")
    height, width = frames.shape[-2:]
    rate = Fraction(fps).limit_denominator(1001)
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="matroska") as file:
        stream = file.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        stream.thread_count = 1
        for image in frames.permute(0, 2, 3, 1).cpu().numpy():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            file.mux(stream.encode(frame.reformat(format="bgr0")))
        file.mux(stream.encode(None))
