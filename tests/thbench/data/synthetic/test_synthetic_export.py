from __future__ import annotations

import cv2
import numpy as np
import pytest

from thbench.data.prepare.listing import list_source
from thbench.data.synthetic import synth
from thbench.data.synthetic.export import export_synth
from thbench.data.video import read_video
from thbench.errors import ThbenchError


def test_vox1_layout_is_read_back_as_vox1(tmp_path):
    assert export_synth("vox1", tmp_path / "out", persons=3, videos=2, frames=4, size_px=64) == 24
    listing = list_source("vox1-frames", tmp_path / "out")
    assert not listing.dropped
    assert [video.person for video in listing.videos[::2]] == [
        "Synth_p000",
        "Synth_p230",
        "Synth_p459",
    ]
    files = sorted((tmp_path / "out/unzippedFaces/Synth_p230/1.6/v1").iterdir())
    assert [file.name for file in files] == [
        "0000000.jpg",
        "0000064.jpg",
        "0000126.jpg",
        "0000190.jpg",
    ]
    heads = synth(64)
    true = heads.read(heads.videos[230 * 5 + 1], [0, 32, 63, 95]).images.permute(0, 2, 3, 1).numpy()
    for file, image in zip(files, true, strict=True):
        assert np.abs(cv2.imread(str(file))[..., ::-1].astype(float) - image).mean() < 4


def test_vox2_layout_is_read_back_as_mp4(tmp_path):
    assert export_synth("vox2", tmp_path / "out", persons=2, videos=1, frames=5, size_px=64) == 10
    listing = list_source("vox-mp4", tmp_path / "out")
    assert not listing.dropped
    assert [(video.person, video.video) for video in listing.videos] == [
        ("id90000", "v0"),
        ("id90459", "v0"),
    ]
    frames, rate = read_video(tmp_path / "out/mp4/id90459/v0/00001.mp4")
    drawn = list(frames)
    assert rate == 12.5
    heads = synth(64)
    true = heads.read(heads.videos[459 * 5], range(5)).images.permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack(drawn).astype(float) - true).mean() < 8


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ThbenchError, match="exists"):
        export_synth("vox1", tmp_path, persons=1, videos=1, frames=1, size_px=64)
    assert (tmp_path / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("option", "value"), [("persons", 461), ("videos", 6), ("frames", 97), ("persons", 0)]
)
def test_more_than_there_is_is_refused_before_anything_is_written(tmp_path, option, value):
    asked = {"persons": 1, "videos": 1, "frames": 1, option: value}
    with pytest.raises(ThbenchError, match=f"--{option}"):
        export_synth("vox2", tmp_path / "out", size_px=64, **asked)
    assert not list(tmp_path.iterdir())
