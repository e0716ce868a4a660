"""Video files in and out, by PyAV: frames of one path, a truncated file is an error, audio is copied unchanged."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_CRF = "17"  # visually lossless; frames that are measured are PNG, never video


class VideoError(ThbenchError):
    """A video file that cannot be used; `reason` says why without naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}: copy it again from its source, or convert it to mp4"


def read_video(path: Path, wanted: Collection[int] | None = None) -> tuple[Iterator[NDArray[np.uint8]], float]:
    """(frames, frames per second): each frame uint8 [H, W, 3] RGB, upright, in display order.

    With `wanted` only the frames at these positions are converted and yielded. Raises `VideoError` when the file is
    no video or ends before its last frame, the latter only while the frames are drawn.
    """
    with _opened(path) as container:
        rate = container.streams.video[0].average_rate
    if not rate:
        raise VideoError(path, "states no frame rate")
    return _frames(path, wanted), float(rate)


def count_frames(path: Path) -> int:
    """The number of frames, counted without decoding them. Raises `VideoError` as `read_video` does."""
    with _opened(path) as container:
        return sum(1 for packet in _packets(container, path) if packet.size and not packet.is_discard)


def write_video(path: Path, frames: Tensor, fps: float, audio_from: Path | None = None) -> None:
    """Encodes uint8 [N, 3, H, W] RGB as H.264, atomically; the audio of `audio_from` is copied when it has any.

    The audio is cut at the end of the video. Raises `ThbenchError` for a suffix other than .mp4, .mov and .mkv, no
    frames, or audio that the container cannot hold.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ThbenchError(f"{path} should end in {', '.join(FORMATS)}: that is the format of the video")
    if not len(frames):
        raise ThbenchError(f"no frames to write to {path}")
    with atomic_path(path) as temporary, _opened_audio(audio_from) as source:
        try:
            with av.open(str(temporary), "w", format=FORMATS[path.suffix.lower()]) as container:
                _encode(container, frames, Fraction(fps).limit_denominator(1001), source)
        except av.error.FFmpegError as error:
            raise ThbenchError(f"cannot write {path}: {error.strerror or error}; another container (.mkv) may hold "
                               "this audio") from error


def _frames(path: Path, wanted: Collection[int] | None) -> Iterator[NDArray[np.uint8]]:
    with _opened(path) as container:
        position = 0
        for packet in _packets(container, path):
            for frame in packet.decode():
                if wanted is None or position in wanted:
                    yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))
                position += 1


def _packets(container: Any, path: Path) -> Iterator[Any]:
    stream = container.streams.video[0]
    seen = 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise VideoError(path, "is truncated")
        seen += bool(packet.size)
        yield packet
    if seen < stream.frames:
        raise VideoError(path, "is truncated")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not Path(path).is_file():
        raise ThbenchError(f"{path} does not exist")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(path, "holds no video")
            yield container
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise VideoError(path, "is truncated or not a video") from error


@contextmanager
def _opened_audio(path: Path | None) -> Iterator[Any]:
    """The container to copy audio from, None when there is no audio."""
    if path is None:
        yield None
        return
    with _opened(path) as container:
        yield container if container.streams.audio else None


def _encode(container: Any, frames: Tensor, rate: Fraction, source: Any) -> None:
    height, width = frames.shape[-2:]
    even = height % 2 == 0 and width % 2 == 0
    # With x264's macroblock tree, the same small frames gave other bytes each time.
    stream = container.add_stream("libx264", rate=rate, options={"crf": _CRF, "x264-params": "mbtree=0"})
    # Chroma at half resolution, which every player reads, needs even sizes.
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p" if even else "yuv444p"
    stream.thread_count = 1  # the same bytes on every machine
    tracks = [_video_packets(stream, frames, rate)]
    if source is not None:
        copy = container.add_stream_from_template(source.streams.audio[0])
        tracks.append(_audio_packets(source, copy, float(len(frames) / rate)))
    for packet in heapq.merge(*tracks, key=lambda packet: float(packet.dts * packet.time_base)):
        container.mux(packet)


def _video_packets(stream: Any, frames: Tensor, rate: Fraction) -> Iterator[Any]:
    for position, image in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()), format="rgb24")
        frame.pts = position
        frame.time_base = 1 / rate
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _audio_packets(source: Any, stream: Any, end_s: float) -> Iterator[Any]:
    for packet in source.demux(source.streams.audio[0]):
        if packet.dts is None:  # the mark at the end of a stream
            continue
        if packet.dts * packet.time_base >= end_s:
            return
        packet.stream = stream
        yield packet
