"""A small dataset for runs: a few short videos of synthetic test persons."""

from dataclasses import dataclass

from thbench.data.dataset import Video
from thbench.data.synthetic import synth


@dataclass(frozen=True)
class ShortVideos:
    """Two synthetic test persons with three videos of eight frames each."""

    name: str = "short"
    pictures: str = "synthetic heads"
    size_px: int = 64
    sha256: str = "cc" * 32

    @property
    def videos(self):
        tested = [video for video in self._heads.videos if video.split == "test"]
        return [Video(video.person, video.video, "test", 8) for video in tested[:15:2]]

    @property
    def _heads(self):
        return synth(64)

    def read(self, video, frames):
        full = next(v for v in self._heads.videos if v.key == video.key)
        return self._heads.read(full, [frame * 10 for frame in frames])

    def frame_names(self, video):
        return [f"c/{index:03d}" for index in range(video.n_frames)]

    def frame_times_s(self, video):
        return None
