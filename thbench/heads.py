"""Heads on disk: learn one from photos, keep it, drive it with a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thbench.data.crop import CropPolicy
from thbench.data.landmarks import load_detector
from thbench.data.photos import drive_frames, held, photo_frames
from thbench.data.video import write_video
from thbench.errors import ThbenchError
from thbench.method import MethodOptions, TalkingHead, load_method
from thbench.plugins import load_plugin, plugin_names
from thbench.training.checkpoints import read_description

ENTRY_POINTS = "thbench.heads"   # kind of a head file -> its loader (path, device)


def adapt_head(method: str, images: list[Path], out: Path, *, checkpoint: Path | None, size_px: int, landmarks: str,
               crop: CropPolicy, device: str, seed: int) -> int:
    """Learns a head from photos and writes it to `out`; returns the number of shots.

    Raises `ThbenchError` when a photo shows no face, or when heads of this method cannot be kept.
    """
    detector = load_detector(landmarks, device)
    loaded = load_method(method, MethodOptions(checkpoint=checkpoint, device=device, seed=seed, size_px=size_px))
    shots = photo_frames(images, size_px, detector, crop)
    head: Any = loaded.adapt(shots)
    if not hasattr(head, "save"):
        raise ThbenchError(f"heads of {method} cannot be kept in a file; run it in a protocol instead")
    head.save(out)
    return len(shots)


def load_head(path: Path, device: str = "cpu") -> TalkingHead:
    """Reads a head file of any method; raises `ThbenchError` when no installed method knows its kind."""
    kind = read_description(path).get("kind")
    if kind not in plugin_names(ENTRY_POINTS):
        raise ThbenchError(f"{path} holds no head (kind {kind!r}); make one with `thbench adapt`")
    head: TalkingHead = load_plugin(ENTRY_POINTS, kind, "head")(path, device)
    return head


def drive_head(head: Path, source: Path, out: Path, *, landmarks: str, crop: CropPolicy, fps: float,
               device: str) -> tuple[int, int]:
    """Renders the head under the driving frames of `source` and writes a video, with the source's sound if it has any.

    Returns (frames rendered, frames of the source); where a source frame had no face the last picture is held.
    """
    loaded: Any = load_head(head, device)
    drive = drive_frames(source, loaded.size_px, load_detector(landmarks, device), crop, fps)
    rendered = loaded.render(drive.frames)
    write_video(out, held(rendered, drive), drive.fps, None if source.is_dir() else source)
    return len(drive.positions), drive.n_source
