"""Videos in and out: frames survive, truncated files are errors, audio is copied bit by bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from thbench.data.video import VideoError, read_timeline, read_video, write_video
from thbench.errors import ThbenchError

VOX2 = Path(__file__).parents[3] / "../shared/data/vox2-sample/mp4"
needs_vox2 = pytest.mark.skipif(not VOX2.is_dir(), reason="the VoxCeleb2 sample is not here")


def moving_square(frames: int = 12, size: int = 64) -> torch.Tensor:
    video = torch.zeros(frames, 3, size, size, dtype=torch.uint8)
    for position in range(frames):
        video[position, 0, :, position * 4 : position * 4 + 8] = 200
        video[position, 2] = 90
    return video


def add_sound(source: Path, target: Path, seconds: float) -> None:
    """A copy of a video with a sine tone beside it."""
    with av.open(str(source)) as video, av.open(str(target), "w") as out:
        pictures = out.add_stream_from_template(video.streams.video[0])
        sound = out.add_stream("aac", rate=16000)
        wave = (8000 * np.sin(np.arange(int(seconds * 16000)) * 0.1)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate = 16000
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            out.mux(packet)
        for packet in video.demux(video.streams.video[0]):
            if packet.dts is not None:
                packet.stream = pictures
                out.mux(packet)


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [
            bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size
        ]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, moving_square(), 25)
    return path


def test_written_frames_are_read_back(clip: Path) -> None:
    frames, fps = read_video(clip)
    read = torch.from_numpy(np.stack(list(frames))).permute(0, 3, 1, 2)
    assert fps == 25
    assert read.shape == (12, 3, 64, 64)
    assert (read.float() - moving_square().float()).abs().mean() < 4
    assert len(read_timeline(clip)) == 12


def test_wanted_positions_are_the_same_frames(clip: Path) -> None:
    every = list(read_video(clip)[0])
    wanted = list(read_video(clip, {3, 7})[0])
    assert len(wanted) == 2
    assert np.array_equal(wanted[0], every[3])
    assert np.array_equal(wanted[1], every[7])


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, moving_square(), 29.97)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (63, 65)])
def test_odd_sizes_are_kept(tmp_path: Path, height: int, width: int) -> None:
    write_video(tmp_path / "odd.mp4", torch.zeros(3, 3, height, width, dtype=torch.uint8), 25)
    assert next(read_video(tmp_path / "odd.mp4")[0]).shape == (height, width, 3)


def test_audio_is_copied_unchanged_and_cut_at_the_end(clip: Path, tmp_path: Path) -> None:
    add_sound(clip, tmp_path / "loud.mp4", seconds=2)
    write_video(tmp_path / "out.mp4", moving_square(), 25, tmp_path / "loud.mp4")
    copied, original = audio_packets(tmp_path / "out.mp4"), audio_packets(tmp_path / "loud.mp4")
    assert 5 <= len(copied) < len(original)  # 12 frames last 0.48 s, the tone 2 s
    assert copied == original[: len(copied)]


def test_a_silent_source_gives_a_silent_video(clip: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "out.mp4", moving_square(), 25, clip)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio
    assert len(read_timeline(tmp_path / "out.mp4")) == 12


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_phone_held_upright_gives_upright_frames(
    clip: Path, tmp_path: Path, degrees: int
) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(clip)) as source, av.open(str(turned), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    upright = np.rot90(
        next(read_video(clip)[0]), degrees // 90
    )  # counter-clockwise, as the file's matrix says
    assert np.array_equal(next(read_video(turned)[0]), upright)


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_truncated_mp4_is_an_error(clip: Path, tmp_path: Path, share: float) -> None:
    data = clip.read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ThbenchError, match=r"broken\.mp4 is truncated.*copy it again"):
        read_timeline(broken)


def test_truncated_after_its_header_is_an_error(clip: Path, tmp_path: Path) -> None:
    with (
        av.open(str(clip)) as source,
        av.open(str(tmp_path / "front.mp4"), "w", options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = (tmp_path / "front.mp4").read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data[:-200])
    with pytest.raises(VideoError, match="is truncated"):
        list(read_video(broken)[0])


def test_what_is_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(VideoError, match="truncated or not a video"):
        read_video(tmp_path / "text.mp4")
    with pytest.raises(ThbenchError, match="does not exist"):
        read_video(tmp_path / "none.mp4")


def test_unknown_suffix_and_empty_video_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match=r"should end in \.mp4"):
        write_video(tmp_path / "out.gif", moving_square(), 25)
    with pytest.raises(ThbenchError, match="no frames"):
        write_video(tmp_path / "out.mp4", moving_square()[:0], 25)
    assert not list(tmp_path.iterdir())


def test_video_errors_cross_processes(tmp_path: Path) -> None:
    error = VideoError(tmp_path / "x.mp4", "is truncated")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@needs_vox2
def test_a_real_clip_has_its_frames() -> None:
    path = VOX2 / "id90003/clip00000000/00001.mp4"
    frames, fps = read_video(path)
    shapes = {frame.shape for frame in frames}
    assert (fps, shapes, len(read_timeline(path))) == (25, {(224, 224, 3)}, 66)
