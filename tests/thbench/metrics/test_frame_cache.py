"""The cache of per-frame results computes each content once and forgets the oldest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.frame_cache import FrameCache


class Counting:
    """Doubles frames, and counts how many it was asked for."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self.frames, self.computed = frames, 0

    def __call__(self, positions: list[int]) -> NDArray[np.int64]:
        self.computed += len(positions)
        return self.frames[positions].astype(np.int64).sum((1, 2)) * 2


def frames(*levels: int) -> NDArray[np.uint8]:
    return np.stack([np.full((2, 2), level, np.uint8) for level in levels])


def test_equal_frames_are_computed_once_in_whatever_order_they_come() -> None:
    cache = FrameCache()
    first = Counting(frames(1, 2, 1))
    assert cache.rows((first.frames,), first).tolist() == [8, 16, 8]
    assert first.computed == 2
    second = Counting(frames(3, 2, 1))
    assert cache.rows((second.frames,), second).tolist() == [24, 16, 8]
    assert second.computed == 1


def test_every_input_counts() -> None:
    cache = FrameCache()
    images = frames(1)
    for landmarks in (np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2), np.float32)):
        counting = Counting(images)
        cache.rows((images, landmarks), counting)
        assert counting.computed == 1


def test_oldest_rows_are_forgotten_and_a_large_request_is_still_whole() -> None:
    cache = FrameCache(limit=2)
    large = Counting(frames(1, 2, 3, 4))
    assert cache.rows((large.frames,), large).tolist() == [8, 16, 24, 32]
    again = Counting(frames(4, 3, 2, 1))
    cache.rows((again.frames,), again)
    assert again.computed == 2
