"""Videos of uneven rate: their times are read as they are, and written with the sound in step."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from support.uneven_videos import cut_front, played, write_uneven

from thbench.data.sound import opened_sound
from thbench.data.timeline import Timeline
from thbench.data.video import VideoError, read_timeline, read_video, write_video
from thbench.errors import ThbenchError

# Two in the first 100 ms, then slower and slower: 2 s and a bit.
TIMES_MS = [0, 33, 67, 100, 133, 200, 400, 700, 1100, 1600, 2000]
LATE_MS = [time + 500 for time in TIMES_MS]


def pictures(count: int) -> torch.Tensor:
    greys = torch.arange(count, dtype=torch.uint8) * 10
    return greys.reshape(-1, 1, 1, 1).expand(-1, 3, 64, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_times_are_those_of_the_decoded_frames(tmp_path: Path, suffix: str, b_frames: int) -> None:
    write_uneven(tmp_path / f"in{suffix}", TIMES_MS, b_frames=b_frames)
    timeline = read_timeline(tmp_path / f"in{suffix}")

    assert [float(time) for time in timeline.times_s] == pytest.approx(
        np.array(TIMES_MS) / 1000, abs=0.001
    )
    assert len(list(read_video(tmp_path / f"in{suffix}")[0])) == len(timeline)
    assert 2.0 < timeline.duration_s <= 2.5


@pytest.mark.parametrize(
    ("codec", "name"),
    [("libx264", "in.avi"), ("mpeg4", "in.avi"), ("libvpx", "in.webm"), ("libvpx-vp9", "in.webm")],
)
def test_containers_of_a_constant_rate_are_read_as_such(
    tmp_path: Path, codec: str, name: str
) -> None:
    times = list(range(0, 400, 40))
    write_uneven(tmp_path / name, times, codec=codec, b_frames=2, time_base=Fraction(1, 25))
    timeline = read_timeline(tmp_path / name)

    assert [float(time) for time in timeline.times_s] == pytest.approx(np.array(times) / 1000)
    assert float(timeline.duration_s) == pytest.approx(0.4)
    assert float(timeline.mean_fps) == pytest.approx(25)


def test_frames_that_an_edit_list_cuts_are_not_counted(tmp_path: Path) -> None:
    write_uneven(tmp_path / "whole.mp4", TIMES_MS, b_frames=2, sound="aac")
    cut_front(tmp_path / "whole.mp4", tmp_path / "cut.mp4", 300)
    timeline = read_timeline(tmp_path / "cut.mp4")
    frames = list(read_video(tmp_path / "cut.mp4")[0])

    assert len(timeline) == len(frames) == len(played(tmp_path / "cut.mp4").frames)
    assert len(frames) < len(TIMES_MS)
    assert [float(pts * timeline.time_base) for pts in timeline.pts] == pytest.approx(
        played(tmp_path / "cut.mp4").frames
    )


SOURCES: dict[str, dict[str, Any]] = {
    "plain": {"times_ms": TIMES_MS},
    "b-frames": {"times_ms": TIMES_MS, "b_frames": 2},
    "late picture": {"times_ms": LATE_MS, "b_frames": 2},
    "late sound": {"times_ms": TIMES_MS, "sound_start_ms": 700, "sound_ms": 1000},
    "both late": {"times_ms": LATE_MS, "sound_start_ms": 800, "sound_ms": 1000},
}


@pytest.mark.parametrize("made", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    ("sound", "suffix", "out_suffix"),
    [
        ("aac", ".mp4", ".mp4"),
        ("aac", ".mp4", ".mkv"),
        ("aac", ".mkv", ".mp4"),
        ("libmp3lame", ".mp4", ".mp4"),
        ("libmp3lame", ".mkv", ".mp4"),
        ("pcm_u8", ".mkv", ".mp4"),  # which mp4 cannot hold
        ("", ".mp4", ".mp4"),
    ],
)
def test_pictures_and_sound_stay_in_step(
    tmp_path: Path, made: dict[str, Any], sound: str, suffix: str, out_suffix: str
) -> None:
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{out_suffix}"
    write_uneven(source, **made, sound=sound)
    timeline = read_timeline(source)
    write_video(out, pictures(len(timeline)), timeline, source)
    before, after = played(source), played(out)

    steps = np.diff(before.frames)
    assert np.diff(after.frames) == pytest.approx(steps, abs=0.0021)
    assert float(read_timeline(out).duration_s) == pytest.approx(
        float(timeline.duration_s), abs=max(steps)
    )
    assert (before.tone is None) == (after.tone is None) == (not sound)

    if before.tone and after.tone:
        offset, kept = (heard.tone[0] - heard.frames[0] for heard in (before, after))
        assert kept == pytest.approx(offset, abs=0.03)  # a frame at 30 fps


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_file_states_the_duration_of_its_source(tmp_path: Path, suffix: str) -> None:
    timeline = Timeline((*TIMES_MS, 3000), 3200, Fraction(1, 1000))
    write_video(tmp_path / f"out{suffix}", pictures(len(timeline)), timeline)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.duration / av.time_base == pytest.approx(3.2, abs=0.002)


def test_sound_of_a_cut_video_is_cut_too(tmp_path: Path) -> None:
    write_uneven(
        tmp_path / "whole.mp4", TIMES_MS, b_frames=2, sound="aac", sound_start_ms=700, sound_ms=1000
    )
    cut_front(tmp_path / "whole.mp4", tmp_path / "cut.mp4", 300)
    timeline = read_timeline(tmp_path / "cut.mp4")
    for suffix in (".mp4", ".mkv"):
        out = tmp_path / f"out{suffix}"
        write_video(out, pictures(len(timeline)), timeline, tmp_path / "cut.mp4")
        before, after = played(tmp_path / "cut.mp4"), played(out)

        assert before.tone is not None
        assert after.tone is not None
        offset, kept = (heard.tone[0] - heard.frames[0] for heard in (before, after))
        assert kept == pytest.approx(offset, abs=0.03)


def test_a_steady_timeline_gives_the_bytes_of_its_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "rate.mp4", pictures(12), 25)
    write_video(tmp_path / "times.mp4", pictures(12), Timeline.steady(12, 25))
    assert (tmp_path / "rate.mp4").read_bytes() == (tmp_path / "times.mp4").read_bytes()


def test_frames_and_times_must_be_as_many(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="12 frames cannot be shown at 11 times"):
        write_video(tmp_path / "out.mp4", pictures(12), Timeline.steady(11, 25))
    assert not list(tmp_path.iterdir())


def test_a_file_without_pictures_has_no_timeline(tmp_path: Path) -> None:
    write_uneven(tmp_path / "in.mp4", [], sound="aac")
    with pytest.raises(VideoError, match="holds no"):
        read_timeline(tmp_path / "in.mp4")


def test_sound_of_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="cannot be read"), opened_sound(tmp_path / "none.mp4"):
        pass
