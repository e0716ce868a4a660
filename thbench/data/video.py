"""Video files in and out, by PyAV: frames and their times. A truncated file is an error."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from thbench.data.sound import add_sound, opened_sound, sound_start_s
from thbench.data.timeline import Timeline
from thbench.errors import ThbenchError
from thbench.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_CRF = "17"  # visually lossless; frames that are measured are PNG, never video
_VP8_SHOWN = 0x10  # the bit of a VP8 packet's first byte that says its picture is shown


class VideoError(ThbenchError):
    """A video file that cannot be used; `reason` says why without naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}: copy it again from its source, or convert it to mp4"


def read_video(
    path: Path, wanted: Collection[int] | None = None
) -> tuple[Iterator[NDArray[np.uint8]], float]:
    """(frames, frames per second): each frame uint8 [H, W, 3] RGB, upright, in display order.

    The rate is the mean over the whole video; `read_timeline` has the time of each frame. With
    `wanted` only the frames at these positions are converted and yielded. Raises `VideoError` when
    the file is no video, holds no frame or ends before its last one.
    """
    return _frames(path, wanted), float(read_timeline(path).mean_fps)


def read_timeline(path: Path) -> Timeline:
    """When each frame is shown, from the file's packets: nothing is decoded.

    What an edit list cuts away does not count. Raises `VideoError` as `read_video` does.
    """
    with opened(path) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in _packets(container, path) if _is_shown(packet)]

        if not packets:
            raise VideoError(path, "holds no frame")

        timeline = _timeline(packets, stream.time_base)
        if timeline is not None:
            return timeline

        if not stream.average_rate:
            raise VideoError(path, "states neither the times of its frames nor a rate")
        return Timeline.steady(len(packets), stream.average_rate)


def write_video(
    path: Path, frames: Tensor, fps: float | Timeline, audio_from: Path | None = None
) -> None:
    """Encodes uint8 [N, 3, H, W] RGB as H.264, atomically.

    fps: a constant rate, or the time of each frame. audio_from: a file whose sound goes with the
    pictures, in step with `fps` when that is the timeline of the same file. The sound is copied
    unchanged, or encoded as AAC where the container cannot hold it, and ends with the pictures;
    a file without sound gives none.

    Raises `ThbenchError` for a suffix other than .mp4, .mov and .mkv, no frames, or a timeline of
    another number of frames.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ThbenchError(
            f"{path} should end in {', '.join(FORMATS)}: that is the format of the video"
        )
    if not len(frames):
        raise ThbenchError(f"no frames to write to {path}")

    timeline = fps if isinstance(fps, Timeline) else Timeline.steady(len(frames), fps)
    if len(timeline) != len(frames):
        raise ThbenchError(f"{len(frames)} frames cannot be shown at {len(timeline)} times")

    with atomic_path(path) as temporary, opened_sound(audio_from) as sound:
        try:
            with av.open(str(temporary), "w", format=FORMATS[path.suffix.lower()]) as container:
                _encode(container, frames, timeline, sound)
        except av.error.FFmpegError as error:
            raise ThbenchError(
                f"cannot write {path}: {error.strerror or error}; another container "
                "(.mkv) may hold this sound"
            ) from error


def upright(frame: Any) -> NDArray[np.uint8]:
    """The pixels of a decoded frame: uint8 [H, W, 3] RGB, turned as the file says."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))


def _frames(path: Path, wanted: Collection[int] | None) -> Iterator[NDArray[np.uint8]]:
    with opened(path) as container:
        position = 0
        for packet in _packets(container, path):
            for frame in packet.decode():
                if wanted is None or position in wanted:
                    yield upright(frame)
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
def opened(path: Path) -> Iterator[Any]:
    """PyAV's container of a file that holds a video; its errors are `VideoError`."""
    if not Path(path).is_file():
        raise ThbenchError(f"{path} does not exist")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise VideoError(path, "holds no video")
            yield container
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise VideoError(path, "is truncated or not a video") from error


def _is_shown(packet: Any) -> bool:
    """Whether a packet holds a picture that is shown: not one that an edit list cuts away, say."""
    if not packet.size or packet.is_discard:
        return False
    if packet.stream.codec_context.name == "vp8":
        return bool(bytes(packet)[0] & _VP8_SHOWN)
    return True


def _timeline(packets: list[Any], time_base: Fraction) -> Timeline | None:
    """The times that packets state; None when they state none, or two the same."""
    # Some containers state decoding times only: the same moments where the rate is constant.
    stated = [packet.pts for packet in packets]
    if None in stated:
        stated = [packet.dts for packet in packets]
    if None in stated or len(set(stated)) < len(stated):
        return None

    pts = sorted(stated)
    steps = [later - earlier for earlier, later in pairwise(pts)]
    length = packets[-1].duration or 0
    if pts != stated or not length:
        # Packets of frames that are not in display order state the time to the next one decoded.
        length = round(statistics.median(steps)) if steps else 0
    if not length:
        return None
    return Timeline(tuple(pts), pts[-1] + length, time_base)


def _encode(container: Any, frames: Tensor, timeline: Timeline, sound: Any) -> None:
    stream = _video_stream(container, frames, timeline)
    start_s = timeline.start_s

    if sound is None:
        tracks = [_video_packets(stream, frames, timeline, start_s)]
    else:
        # Both start when the first of them does in their source, so that they stay in step.
        start_s = min(start_s, sound_start_s(sound))
        end_s = timeline.end * timeline.time_base
        tracks = [
            _video_packets(stream, frames, timeline, start_s),
            add_sound(container, sound, start_s, end_s),
        ]

    for packet in heapq.merge(*tracks, key=lambda packet: float(packet.dts * packet.time_base)):
        container.mux(packet)


def _video_stream(container: Any, frames: Tensor, timeline: Timeline) -> Any:
    height, width = frames.shape[-2:]
    even = height % 2 == 0 and width % 2 == 0

    # With x264's macroblock tree, the same small frames gave other bytes each time. With B-frames,
    # mp4 states lengths in decoding order, and so a wrong duration where the rate is uneven.
    stream = container.add_stream(
        "libx264",
        rate=timeline.mean_fps,
        options={"crf": _CRF, "bf": "0", "x264-params": "mbtree=0"},
    )
    stream.codec_context.time_base = timeline.time_base

    # Chroma at half resolution, which every player reads, needs even sizes.
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p" if even else "yuv444p"
    stream.thread_count = 1  # the same bytes on every machine
    return stream


def _video_packets(
    stream: Any, frames: Tensor, timeline: Timeline, start_s: Fraction
) -> Iterator[Any]:
    """The encoded frames, `start_s` of the timeline at 0."""
    start = round(start_s / timeline.time_base)
    lengths = {pts - start: later - pts for pts, later in pairwise((*timeline.pts, timeline.end))}

    def encoded(frame: Any) -> Iterator[Any]:
        for packet in stream.encode(frame):
            packet.duration = lengths[round(packet.pts * packet.time_base / timeline.time_base)]
            yield packet

    for pts, image in zip(timeline.pts, frames, strict=True):
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = pts - start, timeline.time_base
        yield from encoded(frame)
    yield from encoded(None)
