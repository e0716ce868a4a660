"""Which frames of a clip are taken: moments evenly spaced in time, whatever the camera's rate."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thbench.data.prepare.clips import sampled_positions
from thbench.data.timeline import Timeline
from thbench.errors import ThbenchError


def seconds(milliseconds: list[int]) -> list[Fraction]:
    return [Fraction(time, 1000) for time in milliseconds]


@pytest.mark.parametrize(
    ("n_frames", "clip_fps", "fps", "per_clip", "expected"),
    [
        (5, None, None, None, [0, 1, 2, 3, 4]),
        (100, 25.0, 1.0, None, [0, 25, 50, 75]),
        (10, 25.0, 50.0, None, list(range(10))),
        (100, None, None, 4, [12, 37, 62, 87]),
        (100, 25.0, None, 4, [12, 37, 62, 87]),
        (100, 25.0, 1.0, 2, [25, 75]),
        (3, None, None, 8, [0, 1, 2]),
    ],
)
def test_sampling(
    n_frames: int,
    clip_fps: float | None,
    fps: float | None,
    per_clip: int | None,
    expected: list[int],
) -> None:
    times = Timeline.steady(n_frames, clip_fps).times_s if clip_fps else None
    assert sampled_positions(n_frames, times, fps, per_clip) == expected


def test_a_camera_that_slows_down_is_sampled_evenly_in_time() -> None:
    # 30 frames in the first second, then one each quarter of a second.
    fast = [round(frame / 30 * 1000) for frame in range(30)]
    times = seconds([*fast, *range(1000, 3000, 250)])
    taken = [float(times[position]) for position in sampled_positions(len(times), times, 4, None)]
    assert taken == pytest.approx([0.0, 0.267, 0.5, 0.767, *(1 + 0.25 * n for n in range(8))])


def test_frames_per_clip_are_evenly_spaced_in_time() -> None:
    times = seconds([*range(0, 1000, 10), 1500, 2000, 2500, 3000, 3500])
    taken = sampled_positions(len(times), times, None, 4)
    assert [float(times[position]) for position in taken] == pytest.approx(
        [0.44, 1.0, 2.0, 3.0], abs=0.5
    )


def test_times_that_a_container_rounded_lose_no_frame() -> None:
    times = seconds([round(frame / 30 * 1000) for frame in range(30)])
    assert sampled_positions(30, times, 15, None) == list(range(0, 30, 2))


def test_images_have_no_rate() -> None:
    with pytest.raises(ThbenchError, match="image files carry no rate"):
        sampled_positions(3, None, 5.0, None)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=60),
    st.integers(1, 60),
    st.one_of(st.none(), st.floats(0.1, 60)),
)
def test_positions_rise_and_are_as_many_as_asked_for(
    steps: list[int], count: int, fps: float | None
) -> None:
    times = seconds([sum(steps[:frame]) for frame in range(len(steps))])
    every = sampled_positions(len(times), times, fps, None)
    taken = sampled_positions(len(times), times, fps, count)

    assert taken == sorted(set(taken))
    assert set(taken) <= set(every)
    assert len(taken) == min(count, len(every))
