"""A short clip of one synthetic head driven by another video of the same person."""

from __future__ import annotations

from pathlib import Path

import torch

from thbench.data.dataset import videos_of
from thbench.data.landmarks.image import landmark_images
from thbench.data.synthetic import synth
from thbench.data.video import write_video
from thbench.method import MethodOptions, adapt, bundled_model, load_method, render

SHOTS, FRAMES, ENLARGE = 8, 72, 4
SHOWN = (
    f"A head of ours-ft, learned from T = {SHOTS} frames of one video and driven by another video "
    "of the person. From left to right: a shot, the driving landmarks, the head, the driving video."
)


def write_clip(path: Path, method: str = "ours-ft") -> None:
    """Learns the first test person from 8 frames and drives the head with another of the person's
    videos.

    The video shows, side by side: a shot, the driving landmarks, the rendered head, the driving
    video itself.
    """
    heads = synth(64)
    video, driver = videos_of(heads, "test")[:2]
    options = MethodOptions(checkpoint=bundled_model(method), size_px=heads.size_px)
    loaded = load_method(method, options)

    shots = heads.read(video, [index * video.n_frames // SHOTS for index in range(SHOTS)])
    drive = heads.read(driver, range(min(FRAMES, driver.n_frames)))
    rendered = render(loaded, adapt(loaded, shots), drive)

    panels = torch.cat(
        [
            shots.images[:1].expand(len(drive), -1, -1, -1),
            landmark_images(drive.landmarks, heads.size_px),
            rendered,
            drive.images,
        ],
        dim=3,
    )
    write_video(path, panels.repeat_interleave(ENLARGE, 2).repeat_interleave(ENLARGE, 3), 25.0)
