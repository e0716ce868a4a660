"""Single frames of a video file: decoded from the key frame before each, not from the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.data.video import VideoError, opened, read_video, upright

_CHANGED = "does not hold the frames that it held when it was prepared"


@dataclass(frozen=True)
class FramePlace:
    """When a frame and the last key frame up to it are shown, in units of the stream.

    None for both where the file states no times.
    """

    pts: int | None
    key_pts: int | None


def frame_places(path: Path) -> list[FramePlace]:
    """The place of each frame, in display order, as it comes out of the decoder.

    Raises `VideoError` when the file is no video or cannot be decoded.
    """
    places: list[FramePlace] = []
    key_pts = None
    with opened(path) as container:
        stream = _one_thread(container)
        for frame in container.decode(stream):
            if frame.key_frame:
                key_pts = frame.pts
            known = frame.pts is not None and key_pts is not None
            places.append(FramePlace(frame.pts, key_pts) if known else FramePlace(None, None))

    stated = [place.pts for place in places]
    if None in stated or len(set(stated)) < len(stated):
        return [FramePlace(None, None)] * len(places)
    return places


def read_places(path: Path, places: Mapping[int, FramePlace]) -> dict[int, NDArray[np.uint8]]:
    """The frames at these positions, by position: uint8 [H, W, 3] RGB, upright.

    places: of each position, as `frame_places` told them. The pixels are those of `read_video`.
    Raises `VideoError` when the file is no longer the same.
    """
    if any(place.pts is None for place in places.values()):
        return _from_the_start(path, sorted(places))

    position_of = {place.pts: position for position, place in places.items()}
    by_key = groupby(sorted(places.values(), key=_times), key=lambda place: place.key_pts)
    found: dict[int, NDArray[np.uint8]] = {}
    with opened(path) as container:
        stream = _one_thread(container)
        for key_pts, group in by_key:
            container.seek(key_pts, stream=stream)
            wanted = {place.pts for place in group}
            for pts, image in _until_found(container.decode(stream), wanted):
                found[position_of[pts]] = image

    if len(found) < len(places):  # a container that does not find its key frames
        found |= _from_the_start(path, sorted(places.keys() - found.keys()))
    return found


def _until_found(
    frames: Iterable[Any], wanted: set[int | None]
) -> Iterable[tuple[int, NDArray[np.uint8]]]:
    """The wanted frames by their times, as far as they come; they come in the order of time."""
    last, missing = max(pts for pts in wanted if pts is not None), set(wanted)
    for frame in frames:
        if frame.pts is None or frame.pts > last:
            return
        if frame.pts in missing:
            missing.remove(frame.pts)
            yield frame.pts, upright(frame)
        if not missing:
            return


def _from_the_start(path: Path, positions: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    images, _ = read_video(path, frozenset(positions))
    found = dict(zip(positions, images, strict=False))
    if len(found) < len(positions):
        raise VideoError(path, _CHANGED)
    return found


def _times(place: FramePlace) -> tuple[int, int]:
    assert place.pts is not None
    assert place.key_pts is not None
    return place.key_pts, place.pts


def _one_thread(container: Any) -> Any:
    """The stream of pictures; starting threads takes longer than decoding a few small frames."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return stream
