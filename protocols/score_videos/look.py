"""A first look at the true clips: which frames are scored, and where the face is in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocols.progress import Progress
from protocols.score_videos.matching import FrameChoice, Match, frames_in_common
from protocols.score_videos.pairs import Pair
from thbench.data.clip_files import ClipFile, Image
from thbench.data.landmarks.detector import FrameKey, LandmarkDetector
from thbench.data.landmarks.load import load_detector
from thbench.engine import Engine
from thbench.errors import ThbenchError
from thbench.workers import each

_FRAMES_AT_ONCE = 32


@dataclass(frozen=True)
class View:
    """A true clip as it is scored.

    positions: its scored frames, all with a face; names and times_s are theirs. landmarks: float32
    [N, 68, 2] in pixels of the clip; sizes: (height, width) of each frame. shot: the position of
    the first frame with a face, which stands for the source. without_face: how many frames would
    have been scored.
    """

    positions: list[int]
    names: list[str]
    times_s: list[float] | None
    landmarks: NDArray[np.float32]
    sizes: list[tuple[int, int]]
    shot: int
    shot_name: str
    shot_time_s: float | None
    shot_landmarks: NDArray[np.float32]
    shot_size: tuple[int, int]
    without_face: int


def look(
    pairs: Sequence[Pair],
    choice: FrameChoice,
    match: Match,
    landmarks: str,
    workers: int | None,
    engine: Engine,
    progress: Progress,
) -> dict[str, View]:
    """Looks at the true clip of every pair, by key.

    Raises `ThbenchError` for a true clip that is damaged or shows no face in any scored frame.
    """
    begin = partial(_looker, choice, match, landmarks)
    with closing(each(begin, pairs, workers, engine)) as seen:
        views = {pair.key: view for pair, view in progress(seen, len(pairs), "find faces")}
    return {pair.key: views[pair.key] for pair in pairs}


def _looker(choice: FrameChoice, match: Match, landmarks: str) -> Callable[[Pair], View]:
    return partial(_look_at, choice, match, load_detector(landmarks))


def _look_at(choice: FrameChoice, match: Match, detector: LandmarkDetector, pair: Pair) -> View:
    real = ClipFile(pair.real)
    fakes = _usable(pair.fakes.values()) if match == "common" else []
    scored = choice.positions(frames_in_common(real, fakes, match))
    wanted = sorted({0, *scored})

    faces: dict[int, NDArray[np.float32]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for part, images in _in_parts(wanted, real.read(wanted)):
        found = detector.detect(images, [FrameKey(pair.real.name, place) for place in part])
        for place, image, of_frame in zip(part, images, found, strict=True):
            sizes[place] = (image.shape[0], image.shape[1])
            if of_frame:
                faces[place] = of_frame[0].landmarks

    shown = [place for place in scored if place in faces]
    if not shown:
        raise ThbenchError(
            f"{pair.real}: no face found in any of {len(scored)} frames; take it out, or name "
            "the pairs that count with --pairs"
        )
    times_s, shot = real.times_s, min(faces)
    return View(
        shown,
        [real.frame_name(place) for place in shown],
        None if times_s is None else [times_s[place] for place in shown],
        np.stack([faces[place] for place in shown]),
        [sizes[place] for place in shown],
        shot,
        real.frame_name(shot),
        None if times_s is None else times_s[shot],
        faces[shot],
        sizes[shot],
        len(scored) - len(shown),
    )


def _usable(paths: Iterable[Path]) -> list[ClipFile]:
    """The results that can be opened; what cannot fails later, as a unit of its method."""
    usable = []
    for path in paths:
        try:
            usable.append(ClipFile(path))
        except ThbenchError:
            continue
    return usable


def _in_parts(
    positions: Sequence[int], frames: Iterator[Image]
) -> Iterator[tuple[Sequence[int], list[Image]]]:
    for start in range(0, len(positions), _FRAMES_AT_ONCE):
        part = positions[start : start + _FRAMES_AT_ONCE]
        yield part, list(islice(frames, len(part)))
