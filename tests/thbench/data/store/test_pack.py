"""Packing: the store gives back the dataset's own pixels, landmarks and split, whole or resumed."""

from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch
from support.datasets import FakeDataset, synthetic_heads
from support.prepared_samples import contents, with_one_index

from thbench.data.dataset import Video, videos_of
from thbench.data.store.pack import pack
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.resized import Resized
from thbench.data.store.verify import verify
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.files import read_json, write_json


def times_s(video: Video) -> list[float] | None:
    """Nobody knows when the test person was recorded."""
    return None if video.split == "test" else [index / 25 for index in range(video.n_frames)]


# One training and one test person of the synthetic heads, two videos of six frames each.
TWO_PERSONS = FakeDataset(
    [
        replace(video, n_frames=6)
        for split in ("train", "test")
        for video in videos_of(synth(64), split)[:2]
    ],
    synthetic_heads,
    times_s,
)


def test_a_packed_dataset_reads_the_same(tmp_path):
    pack(TWO_PERSONS, tmp_path / "store")
    store, dataset = PreparedStore(tmp_path / "store"), TWO_PERSONS
    assert list(store.videos) == dataset.videos
    for video in dataset.videos:
        kept, own = store.read(video, range(6)), dataset.read(video, range(6))
        assert torch.equal(kept.images, own.images)
        torch.testing.assert_close(kept.landmarks, own.landmarks)
        assert store.frame_names(video) == dataset.frame_names(video)
        assert store.frame_times_s(video) == dataset.frame_times_s(video)


def test_pupils_are_packed_where_they_are_known(tmp_path):
    blind = replace(
        TWO_PERSONS,
        draw=lambda video, frames: replace(synthetic_heads(video, frames), pupils=None),
    )
    pack(TWO_PERSONS, tmp_path / "seeing")
    pack(blind, tmp_path / "blind")
    pack(Resized(TWO_PERSONS, 32), tmp_path / "small")
    seeing, without, small = (
        PreparedStore(tmp_path / name) for name in ("seeing", "blind", "small")
    )
    for video in seeing.videos:
        own = synthetic_heads(video, [4, 1]).pupils
        assert own is not None
        torch.testing.assert_close(seeing.read(video, [4, 1]).pupils, own, equal_nan=True)
        assert without.read(video, [4, 1]).pupils is None
        smaller = small.read(video, [4, 1]).pupils
        torch.testing.assert_close(smaller, own / 2 - 0.25, equal_nan=True)
    assert seeing.read(seeing.videos[0], []).pupils.shape == (0, 2, 2)
    assert seeing.sha256 != without.sha256
    assert "is whole" in verify(tmp_path / "seeing")


def test_a_store_of_before_times_were_recorded_has_none_and_is_whole(tmp_path):
    pack(TWO_PERSONS, tmp_path / "store")
    now = PreparedStore(tmp_path / "store")
    expected = [now.read(video, [5, 0, 3]) for video in now.videos]
    names = [now.frame_names(video) for video in now.videos]
    with_one_index(tmp_path / "store", without="time_s")
    store = PreparedStore(tmp_path / "store")
    assert list(store.videos) == list(now.videos)
    for video, frames in zip(store.videos, expected, strict=True):
        read = store.read(video, [5, 0, 3])
        assert torch.equal(read.images, frames.images)
        assert torch.equal(read.landmarks, frames.landmarks)
    assert [store.frame_names(video) for video in store.videos] == names
    assert store.frame_times_s(store.videos[0]) is None
    assert "is whole" in verify(tmp_path / "store")


def test_the_one_index_of_an_old_store_is_checked(tmp_path):
    pack(TWO_PERSONS, tmp_path / "store")
    with_one_index(tmp_path / "store")
    index = tmp_path / "store/index.parquet"
    table = pq.read_table(index)
    pq.write_table(table.set_column(4, "split", [["train"] * len(table)]), index)
    with pytest.raises(ThbenchError, match=r"index\.parquet does not hold what was prepared"):
        verify(tmp_path / "store")


def test_fewer_videos_and_frames_are_evenly_spaced(tmp_path):
    pack(TWO_PERSONS, tmp_path / "store", videos=1, frames=3)
    store = PreparedStore(tmp_path / "store")
    assert [(video.video, video.n_frames) for video in store.videos] == [("v0", 3), ("v0", 3)]
    assert store.frame_names(store.videos[0]) == ["c/0001", "c/0003", "c/0005"]


def test_packing_again_is_refused_for_other_data_and_free_for_the_same(tmp_path):
    pack(TWO_PERSONS, tmp_path / "store", videos=1, frames=2)
    before = contents(tmp_path / "store")
    pack(TWO_PERSONS, tmp_path / "store", videos=1, frames=2)
    assert contents(tmp_path / "store") == before
    with pytest.raises(ThbenchError, match="begun with another dataset"):
        pack(TWO_PERSONS, tmp_path / "store", videos=2, frames=2)


def test_a_smaller_store_has_the_averaged_pixels_and_scaled_landmarks(tmp_path):
    pack(Resized(TWO_PERSONS, 32), tmp_path / "store")
    store, dataset = PreparedStore(tmp_path / "store"), TWO_PERSONS
    video = dataset.videos[0]
    small, large = store.read(video, range(6)), dataset.read(video, range(6))
    halved = torch.nn.functional.avg_pool2d(large.images.float(), 2)
    assert store.size_px == 32
    assert (small.images - halved).abs().max() <= 0.5
    # The centre of the first large pixel lies a quarter of a small pixel left of the small one's.
    torch.testing.assert_close(small.landmarks, large.landmarks / 2 - 0.25)
    assert store.frame_times_s(video) == dataset.frame_times_s(video)


@pytest.mark.parametrize("size_px", [15, 64, 128])
def test_a_size_that_is_not_smaller_is_refused(size_px):
    with pytest.raises(ThbenchError, match="choose a --size from 16 to 63"):
        Resized(TWO_PERSONS, size_px)


def test_a_packed_copy_is_of_the_same_pictures(tmp_path):
    for pictures in ("synthetic heads", "photographs"):
        pack(replace(TWO_PERSONS, pictures=pictures), tmp_path / pictures)
        assert PreparedStore(tmp_path / pictures).pictures == pictures


def test_synthetic_heads_packed_before_the_field_are_known_by_their_digest(tmp_path):
    heads = replace(TWO_PERSONS, name="synth", sha256=synth(64).sha256)
    pack(heads, tmp_path / "store")
    pack(replace(heads, sha256="ee" * 32), tmp_path / "namesake")
    for name in ("store", "namesake"):
        info = read_json(tmp_path / name / "dataset.json")
        del info["recipe"]["pictures"]
        write_json(tmp_path / name / "dataset.json", info)
    assert PreparedStore(tmp_path / "store").pictures == "synthetic heads"
    assert PreparedStore(tmp_path / "namesake").pictures == "photographs"


def test_a_store_of_unknown_pictures_is_refused(tmp_path):
    drawings = replace(TWO_PERSONS, pictures="drawings")  # type: ignore[arg-type]
    pack(drawings, tmp_path / "store")
    with pytest.raises(ThbenchError, match="pictures is 'drawings', photographs or synthetic"):
        PreparedStore(tmp_path / "store")
