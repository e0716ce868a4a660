"""The sound of a video file, copied beside new pictures and in step with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any

import av

from thbench.errors import ThbenchError


@contextmanager
def opened_sound(path: Path | None) -> Iterator[Any]:
    """A file's first audio stream; None when it has none, or for no file.

    Raises `ThbenchError` when the file cannot be opened.
    """
    if path is None:
        yield None
        return

    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise ThbenchError(f"{path} cannot be read: {error.strerror or error}") from error
    with container:
        yield container.streams.audio[0] if container.streams.audio else None


def sound_start_s(sound: Any) -> Fraction:
    """When the first sample is heard, on the clock that the file's pictures are on, too."""
    return Fraction((sound.start_time or 0) * sound.time_base)


def add_sound(container: Any, sound: Any, start_s: Fraction, end_s: Fraction) -> Iterator[Any]:
    """Adds a stream to `container` and returns its packets, to be muxed.

    Packets are copied, or encoded as AAC where the container cannot hold their codec. What is at
    `start_s` in the source is at 0, what comes at `end_s` or later is left out.
    """
    if sound.codec_context.codec.canonical_name in container.supported_codecs:
        stream = container.add_stream_from_template(sound)
        packets = _copied(sound, stream, start_s)
    else:
        stream = container.add_stream("aac", rate=sound.codec_context.rate)
        packets = _encoded(sound, stream, start_s)

    length_s = end_s - start_s
    return takewhile(lambda packet: packet.dts * packet.time_base < length_s, packets)


def _copied(sound: Any, stream: Any, start_s: Fraction) -> Iterator[Any]:
    start = round(start_s / sound.time_base)
    unheard = None
    for packet in sound.container.demux(sound):
        if packet.dts is None:  # the mark at the end of a stream
            continue

        packet.pts, packet.dts = packet.pts - start, packet.dts - start
        packet.stream = stream

        # Of what an edit list cuts away, the decoder needs the last packet to begin with.
        if packet.is_discard:
            unheard = packet
            continue
        if unheard is not None:
            yield unheard
            unheard = None
        yield packet


def _encoded(sound: Any, stream: Any, start_s: Fraction) -> Iterator[Any]:
    for frame in sound.container.decode(sound):
        frame.pts -= round(start_s / frame.time_base)
        yield from stream.encode(frame)
    yield from stream.encode(None)
