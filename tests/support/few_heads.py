"""A dataset that a small network learns in seconds: synthetic heads of four persons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from thbench.data.dataset import Video
from thbench.data.synthetic.dataset import Synth
from thbench.method import Frames

_FRAMES = 16


class FewHeads:
    """Four training videos of 16 frames, 32 pixels, spread over their whole length."""

    name, size_px, sha256 = "few-heads", 32, "0" * 64

    def __init__(self) -> None:
        synth = Synth(self.size_px)
        whole = [video for video in synth.videos if video.video == "v0"][:4]
        self.videos: Sequence[Video] = [replace(video, n_frames=_FRAMES) for video in whole]

        gap = whole[0].n_frames // _FRAMES
        self._frames = {
            video.key: synth.read(video, range(0, _FRAMES * gap, gap)) for video in whole
        }

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        return self._frames[video.key][list(frames)]

    def frame_names(self, video: Video) -> list[str]:
        return [f"clip/{index}" for index in range(video.n_frames)]
