"""Videos as phones and screen recorders write them: uneven rate, late start, sound, edit list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

SAMPLES_PER_SECOND = 16000


@dataclass(frozen=True)
class Heard:
    """What a player shows and hears, in seconds: each frame, the tone's first and last moment."""

    frames: list[float]
    tone: tuple[float, float] | None


def write_uneven(
    path: Path,
    times_ms: Sequence[int],
    *,
    codec: str = "libx264",
    b_frames: int = 0,
    sound: str = "",
    sound_start_ms: int = 0,
    sound_ms: int = 2000,
    time_base: Fraction = Fraction(1, 1000),
) -> None:
    """Frame number n is grey level 10 n; `sound` is the codec of a tone, "" for none."""
    options = {"bf": str(b_frames)} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=25, options=options)
        assert isinstance(picture, VideoStream)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        picture.codec_context.time_base = time_base
        packets: list[Any] = []

        for number, time_ms in enumerate(times_ms):
            pixels = np.full((64, 64, 3), 10 * number % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(Fraction(time_ms, 1000) / time_base), time_base
            packets += picture.encode(frame)
        packets += picture.encode(None)

        if sound:
            tone = container.add_stream(sound, rate=SAMPLES_PER_SECOND)
            assert isinstance(tone, AudioStream)
            samples = np.arange(sound_ms * SAMPLES_PER_SECOND // 1000)
            wave = (8000 * np.sin(samples * 0.2)).astype(np.int16)[None]
            heard = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            heard.sample_rate = SAMPLES_PER_SECOND
            heard.time_base = Fraction(1, SAMPLES_PER_SECOND)
            heard.pts = sound_start_ms * SAMPLES_PER_SECOND // 1000
            packets += [*tone.encode(heard), *tone.encode(None)]

        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            container.mux(packet)


def cut_front(source: Path, target: Path, cut_ms: int) -> None:
    """A copy whose edit list starts `cut_ms` later: players skip what comes before."""
    with av.open(str(source)) as opened, av.open(str(target), "w") as container:
        copies = {
            stream.index: container.add_stream_from_template(stream) for stream in opened.streams
        }
        for packet in opened.demux():
            if packet.dts is None:
                continue
            assert packet.pts is not None
            assert packet.time_base is not None
            cut = round(Fraction(cut_ms, 1000) / packet.time_base)
            packet.pts, packet.dts = packet.pts - cut, packet.dts - cut
            packet.stream = copies[packet.stream.index]
            container.mux(packet)


def played(path: Path) -> Heard:
    """Decodes everything: the times of all frames, the span of the loud samples."""
    with av.open(str(path)) as container:
        frames = [_shown_s(frame) for frame in container.decode(video=0)]
        silent = not container.streams.audio
    if silent:
        return Heard(frames, None)

    with av.open(str(path)) as container:
        loud: list[float] = []
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(float)).max(axis=0)
            samples = samples / (32768 if frame.format.name.startswith("s16") else 1)
            start = _shown_s(frame)
            loud += (start + np.flatnonzero(samples > 0.1) / frame.sample_rate).tolist()
    return Heard(frames, (min(loud), max(loud)))


def _shown_s(frame: av.VideoFrame | av.AudioFrame) -> float:
    assert frame.pts is not None
    assert frame.time_base is not None
    return float(frame.pts * frame.time_base)
