"""Frames decoded from videos are those that a lossless store of the same videos holds."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from support.clips_on_disk import NAMES, SAMPLES
from support.prepared_samples import contents

from cli import thbench
from thbench.data.open import open_dataset
from thbench.data.prepare.extract import Recipe
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.data.store.in_videos import StoreInVideos
from thbench.data.store.verify import verify
from thbench.data.video import read_timeline
from thbench.errors import ThbenchError

CHOICES = {
    "as-is": {"crop": "as-is", "size_px": 64},
    "per-clip": {"crop": "per-clip", "size_px": 100, "margin": 1.5},
    "per-frame": {"crop": "per-frame", "size_px": 64, "frames_per_clip": 9},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real clips, with a face that wanders through them and is gone now and then."""
    if not SAMPLES.exists():
        pytest.skip("the real sample clips are not here")
    root = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(NAMES):
        clip = root / f"source/{name}.mp4"
        clip.parent.mkdir(parents=True)
        shutil.copy(SAMPLES / f"{name}.mp4", clip)
        rng = np.random.default_rng(number)
        frames = len(read_timeline(clip))
        centres = 112 + np.cumsum(rng.uniform(-3, 3, (frames, 1, 2)), axis=0)
        faces = centres + rng.uniform(-40, 40, (1, 68, 2))
        faces[3::17] = np.nan
        points = root / f"landmarks/{name}.npy"
        points.parent.mkdir(parents=True)
        np.save(points, faces.astype(np.float32))
    return root


def made(source: Path, out: Path, choice: str, **more: bool) -> Path:
    landmarks = f"import:{source / 'landmarks'}"
    chosen = {**CHOICES[choice], **more}
    recipe = Recipe("vox-mp4", landmarks=landmarks, **chosen)  # type: ignore[arg-type]
    assert prepare(source / "source", out, recipe, SplitRule(("id90002",)))
    return out


@pytest.mark.parametrize("choice", list(CHOICES))
def test_frames_equal_those_of_the_lossless_store(
    source: Path, tmp_path: Path, choice: str
) -> None:
    kept = open_dataset(str(made(source, tmp_path / "kept", choice, lossless=True)))
    in_videos = open_dataset(str(made(source, tmp_path / "in-videos", choice, in_videos=True)))
    assert isinstance(in_videos, StoreInVideos)
    assert list(in_videos.videos) == list(kept.videos)
    assert not (tmp_path / "in-videos/shards").exists()

    rng = np.random.default_rng(0)
    for video in kept.videos:
        frames = rng.integers(0, video.n_frames, 7).tolist()
        mine, theirs = in_videos.read(video, frames), kept.read(video, frames)
        assert torch.equal(mine.images, theirs.images)
        assert torch.equal(mine.landmarks, theirs.landmarks)
        assert in_videos.frame_names(video) == kept.frame_names(video)
        assert in_videos.frame_times_s(video) == kept.frame_times_s(video)
    again = pickle.loads(pickle.dumps(in_videos))
    assert torch.equal(again.read(video, frames).images, mine.images)


def test_the_dataset_is_another_one_when_a_crop_a_size_or_a_video_changes(
    source: Path, tmp_path: Path
) -> None:
    digests = {
        open_dataset(str(made(source, tmp_path / choice, choice, in_videos=True))).sha256
        for choice in CHOICES
    }
    shutil.copytree(source, tmp_path / "changed")
    with open(tmp_path / f"changed/source/{NAMES[0]}.mp4", "ab") as clip:
        clip.write(b"\0\0\0\x08free")  # another file, which holds the same frames
    out = made(tmp_path / "changed", tmp_path / "new", "as-is", in_videos=True)
    digests.add(open_dataset(str(out)).sha256)
    assert len(digests) == 4


def test_a_store_and_its_videos_move_together(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "here")
    out = made(tmp_path / "here", tmp_path / "here/store", "as-is", in_videos=True)
    before = open_dataset(str(out)).read(open_dataset(str(out)).videos[0], [3])
    (tmp_path / "here").rename(tmp_path / "there")
    moved = open_dataset(str(tmp_path / "there/store"))
    assert torch.equal(moved.read(moved.videos[0], [3]).images, before.images)


def test_what_is_wrong_with_videos_is_told(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "here")
    out = made(tmp_path / "here", tmp_path / "store", "as-is", in_videos=True)
    assert "is whole" in verify(out)
    store = open_dataset(str(out))
    clip = tmp_path / f"here/source/{NAMES[0]}.mp4"
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(data)
    with pytest.raises(ThbenchError, match=rf"{NAMES[0]}\.mp4 is damaged"):
        verify(out)
    clip.write_bytes(data[:-100])
    with pytest.raises(ThbenchError, match="has changed since its landmarks were found"):
        store.read(store.videos[0], [0])
    clip.unlink()
    with pytest.raises(ThbenchError, match=r"\.mp4 is missing: .* decodes its frames from it"):
        store.read(store.videos[0], [0])
    shutil.rmtree(tmp_path / "here")
    with pytest.raises(ThbenchError, match=r"the videos of .*store are not at"):
        open_dataset(str(out))


def test_preparing_and_repairing_by_command(source: Path, tmp_path: Path) -> None:
    arguments = ["prepare", "vox-mp4", str(source / "source"), str(tmp_path / "store")]
    arguments += ["--in-videos", "--landmarks", f"import:{source / 'landmarks'}", "--quiet"]
    arguments += ["--frames-per-clip", "4", "--workers", "1"]
    ran = CliRunner().invoke(thbench, arguments)
    assert ran.exit_code == 0, ran.output
    assert "decoded from the videos" in ran.output

    whole = contents(tmp_path / "store")
    (tmp_path / "store/index/00001.parquet").unlink()
    repair = ["data", "repair", str(tmp_path / "store"), str(source / "source")]
    assert CliRunner().invoke(thbench, repair).exit_code == 0
    assert contents(tmp_path / "store") == whole

    with pytest.raises(ThbenchError, match="--in-videos needs videos"):
        CliRunner().invoke(
            thbench,
            ["prepare", "frames", str(source), str(tmp_path / "x"), "--in-videos"],
            catch_exceptions=False,
        )
