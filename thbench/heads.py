"""Heads on disk: learn one from photos, keep it, drive it with a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thbench.adaptation import adapted
from thbench.data.landmarks.load import load_detector
from thbench.data.photos import Photos, drive_frames, held, listed, read_photos, refuse
from thbench.data.prepare.crop import CropPolicy, pixels_outside
from thbench.data.video import write_video
from thbench.errors import ThbenchError
from thbench.method import (
    ExportableHead,
    Frames,
    KeepableHead,
    MethodOptions,
    ShapedHead,
    load_method,
)
from thbench.plugins import load_plugin, plugin_names
from thbench.training.checkpoints import read_description

ENTRY_POINTS = "thbench.heads"  # kind of a head file -> its loader (path, device)
_SIZE_PX = 256  # where neither the user nor the checkpoint says


@dataclass(frozen=True)
class Driven:
    """A driving video's frames: all, those with a face, those with landmarks outside the crop."""

    frames: int
    with_face: int
    outside: int

    @property
    def text(self) -> str:
        """One line on them."""
        parts = [f"{self.frames} frames"]
        if self.with_face < self.frames:
            parts.append(f"{self.frames - self.with_face} without a face repeat the one before")
        if self.outside:
            parts.append(f"in {self.outside} the driving face leaves its crop")
        return ", ".join(parts)


def adapt_head(
    method: str,
    images: list[Path],
    out: Path,
    *,
    checkpoint: Path | None,
    size_px: int | None,
    landmarks: str,
    crop: CropPolicy,
    device: str,
    seed: int,
    skip_unusable: bool = False,
) -> Photos:
    """Learns a head from photos, writes it to `out` and returns the photos.

    size_px: None for the size that the checkpoint was trained at, 256 where it states none.
    skip_unusable: go on without the photos that cannot be read or show no face.

    Raises `ThbenchError` when photos cannot be used, or when heads of this method cannot be kept.
    """
    detector = load_detector(landmarks, device)
    size_px = size_px or _trained_size_px(checkpoint) or _SIZE_PX
    loaded = load_method(
        method, MethodOptions(checkpoint=checkpoint, device=device, seed=seed, size_px=size_px)
    )

    photos = read_photos(images, size_px, detector, crop)
    if not photos.files:
        raise ThbenchError(f"no photo can be used:{listed(photos.unusable)}")
    if not skip_unusable:
        refuse(photos.unusable)

    head = loaded.adapt(photos.frames)
    if not isinstance(head, KeepableHead):
        raise ThbenchError(
            f"heads of {method} cannot be kept in a file; run it in a protocol instead"
        )
    head.save(out)
    return photos


def load_head(path: Path, device: str = "cpu") -> KeepableHead:
    """Reads a head file of any method.

    Raises `ThbenchError` when no installed method knows its kind.
    """
    kind = read_description(path).get("kind")
    if kind not in plugin_names(ENTRY_POINTS):
        raise ThbenchError(f"{path} holds no head (kind {kind!r}); make one with `thbench adapt`")
    loader: Callable[[Path, str], KeepableHead] = load_plugin(ENTRY_POINTS, kind, "head")
    return loader(path, device)


def export_head(head: Path, out: Path) -> int:
    """Writes a kept head as an ONNX file; returns the size of its frames in pixels.

    Raises `ThbenchError` where heads of its method cannot run without this project.
    """
    loaded = load_head(head)
    if not isinstance(loaded, ExportableHead):
        raise ThbenchError(f"{head} is of a method whose heads cannot be exported; drive it here")

    loaded.export(out)
    return loaded.size_px


def drive_head(
    head: Path,
    source: Path,
    out: Path,
    *,
    landmarks: str,
    crop: CropPolicy,
    fps: float,
    device: str,
    adapt_landmarks: bool = False,
) -> Driven:
    """Renders the head under the driving frames of `source` and writes a video.

    The video keeps the times of the source's frames, and its sound if it has any; `fps` is the rate
    of a folder of frames. Where a source frame had no face the last picture is held.
    adapt_landmarks: give the driver's motion to the face shape of the head's person.

    Raises `ThbenchError` where a head does not know that shape.
    """
    loaded = load_head(head, device)
    drive = drive_frames(source, loaded.size_px, load_detector(landmarks, device), crop, fps)
    frames = _on_own_face(loaded, drive.frames, head) if adapt_landmarks else drive.frames
    rendered = loaded.render(frames)

    sound = None if source.is_dir() else source
    write_video(out, held(rendered, drive), drive.timeline, sound)
    outside = (pixels_outside(frames.landmarks.numpy(), loaded.size_px) > 0).any(axis=1)
    return Driven(len(drive.timeline), len(drive.positions), int(outside.sum()))


def _on_own_face(head: KeepableHead, drive: Frames, file: Path) -> Frames:
    shots = head.shots if isinstance(head, ShapedHead) else None
    if shots is None:
        raise ThbenchError(
            f"{file} does not know the face shape of its person: make the head again with "
            "`thbench adapt`, or leave --adapt-landmarks out"
        )
    return adapted(drive, shots)


def _trained_size_px(checkpoint: Path | None) -> int | None:
    """The size that a model of `thbench train` states; None for no model, or files of others."""
    if checkpoint is None:
        return None
    file = checkpoint / "model.safetensors" if checkpoint.is_dir() else checkpoint
    if file.suffix != ".safetensors" or not file.is_file():
        return None  # loading the method says what is wrong with it

    net = read_description(file).get("config", {}).get("net", {})
    return int(net["size_px"]) if "size_px" in net else None
