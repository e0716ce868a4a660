"""The prepared store: what goes in comes out, whatever reads it and however."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.prepared_samples import make_frames, noise, points, recipe

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.data.open import open_dataset
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.data.store.format import SCHEMA
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.verify import verify
from thbench.errors import ThbenchError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    make_frames(root)
    return root


@pytest.fixture(scope="module")
def store(source: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    out = tmp_path_factory.mktemp("out") / "data"
    prepare(source / "frames", out, recipe(source), SplitRule(("p1",)))
    return PreparedStore(out)


def seed_of(video: Video, frame: int) -> int:
    return (int(video.person[1:]) * 2 + int(video.video[1:])) * 4 + frame


def test_every_frame_and_landmark_comes_back(store: PreparedStore) -> None:
    assert [video.key for video in store.videos] == [
        "p0/v0",
        "p0/v1",
        "p1/v0",
        "p1/v1",
        "p2/v0",
        "p2/v1",
    ]
    for video in store.videos:
        frames = store.read(video, range(video.n_frames))
        for frame in range(video.n_frames):
            assert np.array_equal(
                frames.images[frame].permute(1, 2, 0).numpy(), noise(seed_of(video, frame))
            )
            assert np.array_equal(frames.landmarks[frame].numpy(), points(seed_of(video, frame)))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
@given(st.integers(0, 5), st.lists(st.integers(0, 3), max_size=9))
def test_any_positions_in_any_order(store: PreparedStore, video: int, positions: list[int]) -> None:
    chosen = store.videos[video]
    frames = store.read(chosen, positions)
    assert len(frames) == len(positions)
    for slot, position in enumerate(positions):
        assert np.array_equal(
            frames.images[slot].permute(1, 2, 0).numpy(), noise(seed_of(chosen, position))
        )
        assert np.array_equal(frames.landmarks[slot].numpy(), points(seed_of(chosen, position)))


def test_splits_are_of_persons(store: PreparedStore) -> None:
    assert {video.person for video in videos_of(store, "test")} == {"p1"}
    assert {video.person for video in videos_of(store, "train")} == {"p0", "p2"}


def test_frame_names_are_clip_and_frame(store: PreparedStore) -> None:
    assert store.frame_names(store.videos[0]) == [f"frames/{frame}" for frame in range(4)]


def test_tar_tools_read_the_shards_at_the_index_offsets(store: PreparedStore) -> None:
    rows = pq.read_table(Path(str(store.place)) / "index")
    assert rows.schema.equals(SCHEMA)
    for row in rows.to_pylist():
        with tarfile.open(Path(str(store.place)) / f"shards/{row['shard']:05d}.tar") as tar:
            member = tar.getmember(
                f"{row['person']}/{row['video']}/{row['clip']}/{row['frame']}.png"
            )
            assert (member.offset_data, member.size) == (row["offset"], row["size"])


def test_pickles_small_and_reads_the_same(store: PreparedStore) -> None:
    data = pickle.dumps(store)
    assert len(data) < 500
    video = store.videos[3]
    assert torch.equal(
        pickle.loads(data).read(video, [2, 0]).images, store.read(video, [2, 0]).images
    )


def test_threads_read_together(store: PreparedStore) -> None:
    store = PreparedStore(str(store.place))  # of which nothing has been read yet

    def check(number: int) -> bool:
        video = store.videos[number % 6]
        return np.array_equal(
            store.read(video, [number % 4]).landmarks[0].numpy(), points(seed_of(video, number % 4))
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(200)))


def test_forked_processes_read_together(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opened store itself is inherited; pickled, it would be opened again."""
    store = PreparedStore(str(store.place))
    store.read(store.videos[0], [0])
    monkeypatch.setitem(_INHERITED, "store", store)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert all(pool.map(_reads_right, range(60), chunksize=1))
        pool.close()
        pool.join()


_INHERITED: dict[str, PreparedStore] = {}


def _reads_right(number: int) -> bool:
    store = _INHERITED["store"]
    video, frame = store.videos[number % 6], number % 4
    read, seed = store.read(video, [frame]), seed_of(video, frame)
    image = read.images[0].permute(1, 2, 0).numpy()
    return np.array_equal(read.landmarks[0].numpy(), points(seed)) and np.array_equal(
        image, noise(seed)
    )


def test_a_store_is_a_dataset_by_path_and_by_name(
    store: PreparedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_path: Dataset = open_dataset(str(Path(str(store.place))))
    monkeypatch.setenv("THBENCH_DATA", str(Path(str(store.place)).parent))
    assert open_dataset("data").sha256 == by_path.sha256 == store.sha256


@pytest.mark.parametrize("change", ["pixel", "landmark", "split"])
def test_the_sha256_tells_every_change(
    source: Path, store: PreparedStore, tmp_path: Path, change: str
) -> None:
    make_frames(tmp_path)
    rule = SplitRule(("p1",))
    if change == "pixel":
        image = noise(3)
        image[0, 0, 0] ^= 1
        Image.fromarray(image).save(tmp_path / "frames/p0/v0/3.png")
    elif change == "landmark":
        np.save(tmp_path / "landmarks/p0/v0/3.npy", points(3) + np.float32(0.001))
    else:
        rule = SplitRule(("p2",))
    prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), rule)
    assert PreparedStore(tmp_path / "out").sha256 != store.sha256


def test_jpeg_frames_are_what_opencv_decodes(source: Path, tmp_path: Path) -> None:
    prepare(
        source / "frames", tmp_path / "out", recipe(source, lossless=False, quality=90), SplitRule()
    )
    store = PreparedStore(tmp_path / "out")
    written = cv2.imencode(".jpg", noise(1)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    expected = np.asarray(Image.open(io.BytesIO(written.tobytes())))
    assert np.array_equal(
        store.read(store.videos[0], [1]).images[0].permute(1, 2, 0).numpy(), expected
    )


def test_verify_names_the_damaged_frame(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source / "frames", out, recipe(source), SplitRule())
    assert "is whole: 24 frames in 6 shards" in verify(out)
    row = pq.read_table(out / "index").slice(5, 1).to_pylist()[0]
    with open(out / f"shards/{row['shard']:05d}.tar", "r+b") as shard:
        shard.seek(row["offset"] + row["size"] // 2)
        shard.write(b"\0\0\0\0")
    with pytest.raises(
        ThbenchError,
        match=r"shards/00001\.tar is damaged at p0/v1/frames/1: run `thbench data repair",
    ):
        verify(out)


def test_verify_notices_an_edited_index(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source / "frames", out, recipe(source), SplitRule())
    file = out / "index/00003.parquet"
    index = pq.read_table(file)
    pq.write_table(index.set_column(4, "split", [["train"] * len(index)]), file)
    with pytest.raises(ThbenchError, match=r"index/00003\.parquet is damaged"):
        verify(out)


def test_bad_stores_end_in_one_line(
    source: Path, store: PreparedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THBENCH_DATA", raising=False)
    with pytest.raises(ThbenchError, match=r"no dataset at none .*thbench prepare LAYOUT SRC none"):
        open_dataset("none")
    with pytest.raises(ThbenchError, match="is not a prepared dataset"):
        open_dataset(str(tmp_path))
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(ThbenchError, match="is not finished: run the same `thbench prepare` again"):
        open_dataset(str(tmp_path))
    (tmp_path / "dataset.json").write_text('{"format": 99}')
    with pytest.raises(ThbenchError, match="has format 99"):
        open_dataset(str(tmp_path))
    with pytest.raises(ThbenchError, match="p0/v0 has frames 0 to 3, asked for 4 to 4"):
        store.read(store.videos[0], [4])
    with pytest.raises(ThbenchError, match="p0/v0 has frames 0 to 3, asked for -1 to 2"):
        store.read(store.videos[0], [2, -1])
    with pytest.raises(ThbenchError, match="has no video 'x/y'"):
        store.read(Video("x", "y", "train", 1), [0])


def test_a_cut_shard_is_told_when_its_frame_is_read(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(source / "frames", out, recipe(source), SplitRule())
    store = PreparedStore(out)
    shard = out / "shards/00000.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(
        ThbenchError, match=r"frame 3 of p0/v0 in .* is damaged: run `thbench data verify"
    ):
        store.read(store.videos[0], [3])
    shard.unlink()
    with pytest.raises(ThbenchError, match=r"cannot read .*00000\.tar"):
        store.read(store.videos[0], [0])
