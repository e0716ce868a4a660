"""Where generated heads look: what pupils in the landmark image buy.

    python benchmarks/gaze_study.py NAME=MODEL ... [--out benchmarks/results/gaze.json]

Each MODEL is a meta-learned model file for 64 pixels, used feed-forward: 8 shots of each test
person of the synthetic heads, 8 later frames of the same video drive. The gaze is measured in the
pictures, not in what drove them: the eye is cut out between the true corners of its lids, and the
centroid of what is dark in it tells where the iris is. One straight line for both eyes turns the
centroid into the place of the pupil; it is fitted to true frames of training persons. The row
"true frames" is the measure's own error, and "straight ahead" that of pupils where they are on
average. A picture whose eyes follow nothing is worse than that: its iris is somewhere else.

Errors are along the eye, from corner to corner, in hundredths of its width: up and down the lids
tell the gaze without pupils. Intervals are by person.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thbench.data.dataset import Video, videos_of
from thbench.data.synthetic import synth
from thbench.files import write_json
from thbench.method import Frames, MethodOptions, adapt, load_method, render
from thbench.metrics.statistics import difference_from_zero, video_mean

Floats = NDArray[np.float64]

SIZE_PX = 64
SHOTS, TARGETS = range(0, 48, 6), range(50, 96, 6)
CORNERS = ((36, 39), (42, 45))
COLUMNS, ROWS = 33, 13  # of the cut eye: one width, and 0.4 of it up and down in all
LONGEST_YAW = 35.0  # degrees: beyond it the far eye is hardly seen


@dataclass(frozen=True)
class Eyes:
    """Both eyes of N frames: where the pupil is and where it is dark, in eye widths from the middle
    between the corners, [N, 2]; NaN where lids hide the pupil.
    """

    pupil: Floats
    dark: Floats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("--persons", type=int, default=60)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()

    line, average = _line()
    heads = synth(SIZE_PX)
    videos = [video for video in videos_of(heads, "test") if video.video == "v0"][: asked.persons]
    truth = {video.key: heads.read(video, list(TARGETS)) for video in videos}

    tables = {"true frames": _errors(videos, truth, {}, line)}
    for spec in asked.models:
        name, _, file = spec.partition("=")
        made = {video.key: pixels for video, pixels in _made(Path(file), videos)}
        tables[name] = _errors(videos, truth, made, line)
    tables["straight ahead"] = _errors(videos, truth, {}, np.array([0.0, average]))

    persons = np.repeat([video.person for video in videos], len(TARGETS))
    found = {name: _summary(errors, persons) for name, errors in tables.items()}
    names = [spec.partition("=")[0] for spec in asked.models]
    for first, second in pairwise(names):
        gap = difference_from_zero(video_mean(tables[first] - tables[second], persons))
        found[f"{first} - {second}"] = {"error": gap.difference, "ci95": list(gap.ci95), "p": gap.p}

    print(json.dumps(found, indent=1))
    if asked.out:
        write_json(asked.out, {"persons": len(videos), "frames": len(persons), "found": found})


def cut_eyes(image: NDArray[np.uint8], landmarks: Floats) -> list[NDArray[np.float32]]:
    """The grey eyes [ROWS, COLUMNS] of uint8 [H, W, 3]; corners lie at the middle row's ends."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    cuts = []
    for first, last in CORNERS:
        start, along = landmarks[first], landmarks[last] - landmarks[first]
        across = np.array([-along[1], along[0]])
        u, v = np.meshgrid(np.linspace(0, 1, COLUMNS), np.linspace(-0.2, 0.2, ROWS))
        places = start + u[..., None] * along + v[..., None] * across
        x, y = np.moveaxis(places.astype(np.float32), -1, 0)
        cut = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cuts.append(np.asarray(cut, np.float32))
    return cuts


def dark_place(eye: NDArray[np.float32]) -> float:
    """The centroid of darkness along the eye, -0.5 .. 0.5, of its middle three fifths: the corners
    are dark in any gaze.
    """
    columns = np.linspace(-0.5, 0.5, COLUMNS)
    inner = np.abs(columns) <= 0.3
    darkness = np.maximum(np.quantile(eye, 0.9) - eye, 0).sum(0)
    weight = darkness[inner] - darkness[inner].min()
    return float((columns[inner] * weight).sum() / max(weight.sum(), 1e-6))


def eyes_of(images: torch.Tensor, frames: Frames) -> Eyes:
    """images: uint8 [N, 3, H, W], cut by the landmarks of the true frames."""
    assert frames.pupils is not None
    pupil, dark = np.empty((len(images), 2)), np.empty((len(images), 2))
    landmarks = frames.landmarks.numpy().astype(float)
    for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        cuts = cut_eyes(np.ascontiguousarray(image), landmarks[number])
        for eye, (first, last) in enumerate(CORNERS):
            start, along = landmarks[number, first], np.subtract(*landmarks[number, [last, first]])
            place = frames.pupils[number, eye].numpy() - start
            pupil[number, eye] = place @ along / (along @ along) - 0.5
            dark[number, eye] = dark_place(cuts[eye])
    return Eyes(pupil, dark)


def _line(persons: int = 100) -> tuple[Floats, float]:
    """Slope and offset from the centroid of darkness to the pupil, of training persons, and where
    their pupils are on average.
    """
    heads = synth(SIZE_PX)
    videos = [video for video in videos_of(heads, "train") if video.video == "v0"]
    found = []
    for video in videos[:: len(videos) // persons]:
        frames = heads.read(video, list(TARGETS))
        keep = _seen(video)
        eyes = eyes_of(frames.images[keep], frames[keep])
        found.append(np.stack([eyes.dark.ravel(), eyes.pupil.ravel()]))
    dark, pupil = np.concatenate(found, 1)
    known = np.isfinite(pupil)
    return np.polyfit(dark[known], pupil[known], 1), float(pupil[known].mean())


def _seen(video: Video) -> list[int]:
    """The places in TARGETS of frames that show both eyes."""
    _, _, motions = synth(SIZE_PX).truth(video, list(TARGETS))
    return [place for place, motion in enumerate(motions) if abs(motion.yaw) <= LONGEST_YAW]


def _errors(
    videos: Sequence[Video], truth: dict[str, Frames], made: dict[str, torch.Tensor], line: Floats
) -> Floats:
    """|measured - true| of each frame, the mean of both eyes; NaN where it cannot be told."""
    found = []
    for video in videos:
        frames = truth[video.key]
        eyes = eyes_of(made.get(video.key, frames.images), frames)
        error = np.abs(np.polyval(line, eyes.dark) - eyes.pupil).mean(1) * 100
        hidden = np.setdiff1d(np.arange(len(TARGETS)), _seen(video))
        error[hidden] = np.nan
        found.append(error)
    return np.concatenate(found)


def _made(file: Path, videos: Sequence[Video]) -> Iterator[tuple[Video, torch.Tensor]]:
    heads = synth(SIZE_PX)
    method = load_method("ours-ff", MethodOptions(checkpoint=file, size_px=SIZE_PX))
    for video in videos:
        head = adapt(method, heads.read(video, list(SHOTS)))
        yield video, render(method, head, heads.read(video, list(TARGETS)))


def _summary(errors: Floats, persons: NDArray[np.str_]) -> dict[str, object]:
    estimate = video_mean(errors, persons)
    return {
        "error": estimate.value,
        "ci95": list(estimate.interval()),
        "frames": int(np.isfinite(errors).sum()),
        "persons": len(estimate.videos),
    }


if __name__ == "__main__":
    main()
