"""Frames read one by one are those of the whole video, whatever its key frames are like."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from thbench.data.video import VideoError, read_video
from thbench.data.video_seek import FramePlace, frame_places, read_places

FORMS = {
    "one-key-frame": ("mp4", "libx264", {"g": "250", "bf": "2"}),
    "many-key-frames": ("mp4", "libx264", {"g": "8", "bf": "3"}),
    "open-groups": ("mp4", "libx264", {"g": "8", "bf": "3", "x264-params": "open-gop=1"}),
    "no-key-frames-after-the-first": ("mp4", "libx264", {"g": "12", "intra-refresh": "1"}),
    "key-frames-only": ("mkv", "libx264", {"g": "1"}),
    "webm": ("webm", "libvpx-vp9", {"g": "8", "deadline": "realtime", "cpu-used": "8"}),
    "avi-without-times": ("avi", "mpeg4", {"g": "6"}),
    "mpeg-with-b-frames": ("avi", "mpeg4", {"g": "6", "bf": "2"}),
}
FRAMES = 40


def moving_noise() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (96, 96, 3), np.uint8)
    return [np.roll(still, (3 * n, 2 * n), (0, 1))[:64, :64] for n in range(FRAMES)]


@pytest.fixture(scope="module", params=list(FORMS))
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suffix, codec, options = FORMS[request.param]
    path = tmp_path_factory.mktemp("seek") / f"{request.param}.{suffix}"
    with av.open(str(path), "w") as container:
        stream = cast("VideoStream", container.add_stream(codec, rate=25, options=options))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for image in moving_noise():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15
)
@given(st.sets(st.integers(0, FRAMES - 1), min_size=1, max_size=6))
def test_any_frames_are_those_of_the_whole_video(video: Path, positions: set[int]) -> None:
    whole = list(read_video(video)[0])
    places = frame_places(video)
    assert len(places) == len(whole) == FRAMES
    read = read_places(video, {position: places[position] for position in positions})
    assert read.keys() == positions
    for position, image in read.items():
        assert np.array_equal(image, whole[position])


def test_only_the_group_of_a_frame_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "8", "bf": "0"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for image in moving_noise():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    places = frame_places(path)
    monkeypatch.setattr("thbench.data.video_seek.read_video", None)  # from the start
    seen = []
    monkeypatch.setattr(
        "thbench.data.video_seek.upright", lambda frame: seen.append(frame.pts) or frame.pts
    )
    read = read_places(path, {37: places[37], 2: places[2]})
    assert read == {2: places[2].pts, 37: places[37].pts}
    assert [place.key_pts for place in (places[2], places[37])] == [places[0].pts, places[32].pts]


def test_a_video_that_is_no_longer_the_same_is_told(video: Path) -> None:
    times = FramePlace(10**9, 10**9)
    with pytest.raises(VideoError, match="does not hold the frames that it held"):
        read_places(video, {FRAMES + 3: times})
