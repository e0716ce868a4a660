"""Watching a training on persons that it never sees: the same few, every so many steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.data.episodes import Episodes
from thbench.data.landmarks.image import drawn
from thbench.images import to_uint8
from thbench.method import Frames
from thbench.metrics.base import is_frame_metric, load_metric
from thbench.pictures import Pictures

TARGETS = 4  # frames of each person that are reconstructed
PERSONS_PER_WATCHED = 10  # at most one of so many training persons is held out


@dataclass(frozen=True)
class TrainingPart:
    """A dataset without its held-out persons: what is trained on."""

    whole: Dataset
    held_out: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.whole.name

    @property
    def size_px(self) -> int:
        return self.whole.size_px

    @property
    def sha256(self) -> str:
        return self.whole.sha256

    @property
    def pictures(self) -> Pictures:
        return self.whole.pictures

    @property
    def videos(self) -> Sequence[Video]:
        return [video for video in self.whole.videos if video.person not in self.held_out]

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        return self.whole.read(video, frames)

    def frame_names(self, video: Video) -> list[str]:
        return self.whole.frame_names(video)

    def frame_times_s(self, video: Video) -> list[float] | None:
        return self.whole.frame_times_s(video)


@dataclass(frozen=True)
class WatchedPerson:
    """K shots from the first part of a video, and `TARGETS` true frames from its last quarter."""

    episodes: Episodes  # one for each target, with the same shots
    true: Frames


def held_out_persons(dataset: Dataset, persons: int) -> tuple[str, ...]:
    """Training persons to hold out, evenly spaced: as many as asked for, but never over a tenth of
    them.
    """
    names = sorted({video.person for video in videos_of(dataset, "train")})
    count = min(persons, len(names) // PERSONS_PER_WATCHED)
    return tuple(names[index * len(names) // count] for index in range(count))


def watched(
    dataset: Dataset, persons: Sequence[str], shots: int, pupils: bool = False
) -> list[WatchedPerson]:
    """The first video of each person that has frames enough for targets apart from shots.

    pupils: whether landmark images show them.
    """
    found = []
    for person, videos in groupby(videos_of(dataset, "train"), key=lambda video: video.person):
        long_enough = [video for video in videos if video.n_frames >= 4 * TARGETS]
        if person in persons and long_enough:
            found.append(_watched(dataset, long_enough[0], shots, pupils))
    return found


def watch(
    persons: Sequence[WatchedPerson],
    metrics: Sequence[str],
    reconstruct: Callable[[Episodes], Tensor],
) -> dict[str, float]:
    """The mean of each metric over persons, as "held-out/NAME", and "held-out/quality" of all of
    them together.

    reconstruct: episodes -> [B, 3, S, S] in [-1, 1]. A metric that finds a face in no frame is left
    out, and counts as 0 (or as 1 where lower is better) in the quality.
    """
    values: dict[str, float] = {}
    quality = 0.0
    generated = [to_uint8(reconstruct(person.episodes)).cpu() for person in persons]

    for name in metrics:
        metric = load_metric(name, "cpu")
        assert is_frame_metric(metric)
        scores = np.concatenate(
            [
                metric.score(ours, person.true)
                for ours, person in zip(generated, persons, strict=True)
            ]
        )
        scored = scores[np.isfinite(scores)]
        if len(scored):
            values[f"held-out/{name}"] = float(scored.mean())
        sign, worst = (1, 0.0) if metric.card.higher_is_better else (-1, 1.0)
        quality += sign * values.get(f"held-out/{name}", worst)

    return {**values, "held-out/quality": quality}


def watching_metrics(dataset: Dataset) -> list[str]:
    """SSIM, landmark error, and the identity metric that means something on these pictures; what
    can run here.
    """
    identity = "csim-heads" if dataset.pictures == "synthetic heads" else "csim-dlib"
    return [
        name for name in ("ssim", identity, "nme") if load_metric(name, "cpu").unavailable() is None
    ]


def best_quality(lines: Sequence[Mapping[str, float]]) -> float:
    """The highest held-out quality among the logged steps; minus infinity where there is none."""
    return max(
        (line["held-out/quality"] for line in lines if "held-out/quality" in line),
        default=-float("inf"),
    )


def _watched(dataset: Dataset, video: Video, shots: int, pupils: bool) -> WatchedPerson:
    last_quarter = video.n_frames - video.n_frames // 4
    shown = dataset.read(video, _spread(0, last_quarter - TARGETS, shots))
    true = dataset.read(video, _spread(last_quarter, video.n_frames, TARGETS))

    y = drawn(shown, pupils)
    episodes = Episodes(
        shown.images.expand(TARGETS, *shown.images.shape),
        y.expand(TARGETS, *y.shape),
        true.images,
        drawn(true, pupils),
        torch.zeros(TARGETS, dtype=torch.int64),
    )
    return WatchedPerson(episodes, true)


def _spread(first: int, end: int, count: int) -> list[int]:
    """count positions in [first, end), evenly spaced; repeated where there are fewer."""
    return [first + (2 * index + 1) * (end - first) // (2 * count) for index in range(count)]
