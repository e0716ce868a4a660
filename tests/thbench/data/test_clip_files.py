"""Clips as other programs leave them: names, formats, order, and parts of frames."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.clips_on_disk import write_mp4, write_pngs

from thbench.data.clip_files import ClipFile, clips_below, keep_part
from thbench.errors import ThbenchError


def ramp(frames: int = 5, size_px: int = 32) -> torch.Tensor:
    """Frames of one grey each, far enough apart to be told after coding."""
    greys = torch.linspace(20, 220, frames).to(torch.uint8)
    return greys[:, None, None, None].expand(frames, 3, size_px, size_px).contiguous()


def coded(file: Path, codec: str, pixels: str) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 32
        stream.pix_fmt = pixels
        for image in ramp().permute(0, 2, 3, 1).numpy():
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.mkv", "ffv1", "bgr0"),
        ("a.avi", "mpeg4", "yuv420p"),
    ],
)
def test_each_format_gives_its_frames_in_any_order(
    name: str, codec: str, pixels: str, tmp_path: Path
) -> None:
    coded(tmp_path / name, codec, pixels)
    clip = ClipFile(tmp_path / name)
    assert clip.n_frames == 5
    assert clip.fps == pytest.approx(10, rel=0.01)
    greys = [float(image.mean()) for image in clip.read([3, 0, 3])]
    assert greys == pytest.approx([170, 20, 170], abs=20)


def test_names_are_paths_without_suffix_and_doubles_are_refused(tmp_path: Path) -> None:
    write_mp4(tmp_path / "id1" / "a.b.mp4", ramp())
    write_pngs(tmp_path / "id1" / "c", ramp())
    assert sorted(clips_below(tmp_path)) == ["id1/a.b", "id1/c"]
    assert list(clips_below(tmp_path / "id1" / "c")) == ["."]
    assert ClipFile(tmp_path / "id1" / "c").n_frames == 5

    write_pngs(tmp_path / "id1" / "a.b", ramp())
    with pytest.raises(ThbenchError, match="have the same name"):
        clips_below(tmp_path)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    write_pngs(tmp_path / "c", ramp())
    (tmp_path / "c" / "0002.png").write_bytes(b"no")
    with pytest.raises(ThbenchError, match="frame 2 is damaged"):
        list(ClipFile(tmp_path / "c").read([0, 2]))


def test_links_in_a_circle_pipes_and_names_that_nothing_can_print_are_told(tmp_path: Path) -> None:
    write_pngs(tmp_path / "a" / "c", ramp())
    for name in ("x", "y"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a", target_is_directory=True)
    with pytest.raises(ThbenchError, match="a link to a folder that it lies in"):
        clips_below(tmp_path)

    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ThbenchError, match="neither a file nor a folder"):
        ClipFile(tmp_path / "pipe.mp4")

    for odd in (b"b\xff.mp4", b"b\n.mp4"):
        folder = tmp_path / odd[1:2].hex()
        folder.mkdir()
        Path(os.fsdecode(os.fsencode(folder) + b"/" + odd)).touch()
        with pytest.raises(ThbenchError, match="control or undecodable"):
            clips_below(folder)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 6))
def test_columns_put_together_again_are_the_frame(count: int, width: int, height: int) -> None:
    image = np.arange(height * width * count * 3, dtype=np.uint8).reshape(height, -1, 3)
    parts = [keep_part(f"{index}/{count}").cut(image) for index in range(1, count + 1)]
    assert np.array_equal(np.concatenate(parts, axis=1), image)


def test_halves_are_where_their_names_say() -> None:
    image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(keep_part("right-half").cut(image), image[:, 2:])
    assert np.array_equal(keep_part("top-half").cut(image), image[:2])
    assert keep_part("all").cut(image) is not None
    with pytest.raises(ThbenchError, match="not a whole number"):
        keep_part("1/3").cut(image)


@pytest.mark.parametrize("name", ["", "half", "3/2", "0/2", "right", "1/0"])
def test_other_parts_are_refused(name: str) -> None:
    with pytest.raises(ThbenchError, match="choose all"):
        keep_part(name)
