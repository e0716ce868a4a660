"""The one fake dataset: any videos, whose frames a function draws; and the few that tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import torch

from support.random_frames import random_frames
from thbench.data.dataset import Video, find_video, videos_of
from thbench.data.synthetic import Synth, synth
from thbench.method import Frames
from thbench.pictures import Pictures

Draw = Callable[[Video, Sequence[int]], Frames]


def _nothing(video: Video, frames: Sequence[int]) -> Frames:
    raise AssertionError(f"nobody should read {video.key}")


def _no_times(video: Video) -> list[float] | None:
    return None


@dataclass(frozen=True)
class FakeDataset:
    """The `Dataset` protocol over any videos; without `draw` their frames cannot be read."""

    videos: Sequence[Video]
    draw: Draw = _nothing
    times_s: Callable[[Video], list[float] | None] = _no_times
    name: str = "fake"
    pictures: Pictures = "synthetic heads"
    size_px: int = 64
    sha256: str = "cc" * 32

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        return self.draw(video, frames)

    def frame_names(self, video: Video) -> list[str]:
        return [f"c/{index:04d}" for index in range(video.n_frames)]

    def frame_times_s(self, video: Video) -> list[float] | None:
        return self.times_s(video)


def held(dataset: FakeDataset) -> FakeDataset:
    """The same dataset with every frame drawn once and kept in memory."""
    whole = {video.key: dataset.read(video, range(video.n_frames)) for video in dataset.videos}
    return replace(dataset, draw=partial(_of_whole, whole))


def few_heads(n_frames: int = 12) -> FakeDataset:
    """Four synthetic persons with a video of 64 pixels each: three to train on, one to test on."""
    train = videos_of(_synth(64), "train")[::5][:3]
    test = videos_of(_synth(64), "test")[:1]
    videos = [replace(video, n_frames=n_frames) for video in (*train, *test)]
    sha256 = f"{_synth(64).sha256}-{n_frames}"
    return held(FakeDataset(videos, synthetic_heads, name="few-heads", sha256=sha256))


def four_heads() -> FakeDataset:
    """Four training videos of 16 frames, 32 pixels, spread over their whole length."""
    videos = [video for video in _synth(32).videos if video.video == "v0"][:4]
    draw = partial(synthetic_heads, size_px=32, step=6)
    return held(FakeDataset([replace(video, n_frames=16) for video in videos], draw, size_px=32))


def short_videos() -> FakeDataset:
    """Test persons of the synthetic heads with eight videos of eight frames, ten frames apart."""
    videos = [replace(video, n_frames=8) for video in videos_of(_synth(64), "test")[:15:2]]
    return FakeDataset(videos, partial(synthetic_heads, step=10))


def random_pictures() -> FakeDataset:
    """Three training videos of four frames, 32 pixels, of nothing in particular."""
    videos = [Video(f"person{index}", "video", "train", 4) for index in range(3)]
    whole = {video.key: random_frames(4, 32, seed) for seed, video in enumerate(videos)}
    return FakeDataset(videos, partial(_of_whole, whole), name="random", size_px=32)


def synthetic_heads(
    video: Video, frames: Sequence[int], size_px: int = 64, step: int = 1
) -> Frames:
    """Every `step`th frame of the synthetic video of that name."""
    heads = _synth(size_px)
    return heads.read(find_video(heads, video.key), [frame * step for frame in frames])


def flat_colours(video: Video, frames: Sequence[int]) -> Frames:
    """Frame i of the person "p<v>" is the flat colour (v, i, 0), 16 pixels."""
    images = torch.zeros(len(frames), 3, 16, 16, dtype=torch.uint8)
    images[:, 0] = int(video.person[1:])
    images[:, 1] = torch.tensor(list(frames), dtype=torch.uint8)[:, None, None]
    return Frames(images, torch.full((len(frames), 68, 2), 8.0))


def _of_whole(whole: Mapping[str, Frames], video: Video, frames: Sequence[int]) -> Frames:
    return whole[video.key][list(frames)]


@lru_cache(maxsize=4)
def _synth(size_px: int) -> Synth:
    return synth(size_px)
