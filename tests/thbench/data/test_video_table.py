"""The table of videos is the list that it stands for, in a fraction of the memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import FakeDataset, synthetic_heads

from thbench.data.dataset import Video, videos_of
from thbench.data.episodes import EpisodeSampler
from thbench.data.store.format import VIDEOS_SCHEMA
from thbench.data.video_table import VideoTable, frame_counts

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)


def table_of(videos: Sequence[Video]) -> VideoTable:
    columns = {
        "person": [video.person for video in videos],
        "video": [video.video for video in videos],
        "split": [video.split for video in videos],
        "shard": [0] * len(videos),
        "first_row": [0] * len(videos),
        "n_frames": [video.n_frames for video in videos],
    }
    return VideoTable(pa.table(columns, VIDEOS_SCHEMA))


@given(
    st.lists(
        st.builds(Video, NAMES, NAMES, st.sampled_from(["train", "test"]), st.integers(1, 9)),
        unique_by=lambda video: (video.person, video.video),
        max_size=12,
    )
)
def test_a_table_holds_what_the_list_holds(videos: list[Video]) -> None:
    table = table_of(videos)
    assert list(table) == videos
    assert [table[place] for place in range(-len(videos), len(videos))] == videos + videos
    assert list(table[1::2]) == videos[1::2]
    assert frame_counts(table).tolist() == frame_counts(videos).tolist()
    assert [table.row_of(video) for video in videos] == list(range(len(videos)))
    for split in ("train", "test"):
        of_split = [video for video in videos if video.split == split]
        assert list(table.of_split(split)) == of_split
    assert table.row_of(Video("none of these", "", "train", 1)) is None


def test_the_sampler_draws_the_same_from_a_table_and_a_list() -> None:
    rng = np.random.default_rng(0)
    videos = [
        Video(f"p{n:03d}", "v", "test" if n % 5 == 0 else "train", int(rng.integers(1, 30)))
        for n in range(100)
    ]
    listed = FakeDataset(videos, synthetic_heads)
    columned = FakeDataset(table_of(videos), synthetic_heads)
    one, other = EpisodeSampler(listed, 4, 7, 1, 2), EpisodeSampler(columned, 4, 7, 1, 2)
    assert one.left_out == other.left_out > 0
    draws = [(step, slot) for step in range(20) for slot in range(2)]
    assert [one.draw(*draw) for draw in draws] == [other.draw(*draw) for draw in draws]


def test_a_hundred_thousand_videos_and_their_sampler_take_under_a_hundred_bytes_each() -> None:
    count = 100_000
    names = [f"{n:011d}" for n in range(count)]
    table = pa.table(
        [
            pa.array([name[:7] for name in names]),
            pa.array(names),
            pa.array(["train"] * count),
            *(pa.array(np.full(count, value, np.int32)) for value in (0, 0, 9)),
        ],
        VIDEOS_SCHEMA,
    )
    arrow_before = pa.total_allocated_bytes()
    tracemalloc.start()
    videos = VideoTable(table)
    dataset = FakeDataset(videos, synthetic_heads)
    sampler = EpisodeSampler(dataset, 8, 0)
    assert videos.row_of(videos[77]) == 77
    held = tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes() - arrow_before
    tracemalloc.stop()
    assert len(sampler.rows) == len(videos_of(dataset, "train")) == count
    assert held / count < 100
