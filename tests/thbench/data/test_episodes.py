"""Episodes: the target is never among the shots, and any step can be drawn again."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import FakeDataset, flat_colours

from thbench.data.dataset import Video
from thbench.data.episodes import EpisodeBatches, EpisodeSampler, episode_loader
from thbench.errors import ThbenchError


def counting(*lengths: int) -> FakeDataset:
    """Training persons p0, p1, ... with a video of so many frames each, and a test person.

    Frame i of p<v> is the flat colour (v, i, 0).
    """
    videos = [Video(f"p{v}", "v", "train", length) for v, length in enumerate(lengths)]
    return FakeDataset([*videos, Video("tested", "v", "test", 100)], flat_colours, size_px=16)


@given(
    n=st.integers(2, 60),
    shots=st.integers(1, 40),
    seed=st.integers(0, 1000),
    step=st.integers(0, 10**6),
)
def test_target_frame_is_never_among_the_shots(n, shots, seed, step):
    sampler = EpisodeSampler(counting(n), shots, seed)
    _, video, (target, *drawn) = sampler.draw(step, 0)
    assert target not in drawn
    assert len(drawn) == shots
    assert all(0 <= frame < video.n_frames for frame in [target, *drawn])
    if n > shots:
        assert len(set(drawn)) == shots


def test_test_persons_are_never_drawn():
    sampler = EpisodeSampler(counting(5, 5, 5), 2, 0)
    assert {sampler.draw(step, 0)[1].person for step in range(200)} == {"p0", "p1", "p2"}


def test_videos_are_drawn_uniformly_whatever_their_length():
    sampler = EpisodeSampler(counting(3, 50), 2, 0)
    share = sum(sampler.draw(step, 0)[0] for step in range(2000)) / 2000
    assert share == pytest.approx(0.5, abs=0.05)


def test_targets_are_drawn_uniformly():
    sampler = EpisodeSampler(counting(4), 2, 0)
    counts = torch.bincount(torch.tensor([sampler.draw(step, 0)[2][0] for step in range(2000)]))
    assert counts.min() > 420


def test_videos_of_one_frame_are_left_out_and_counted():
    sampler = EpisodeSampler(counting(1, 4, 1), 2, 0)
    assert sampler.left_out == 2
    assert {sampler.draw(step, 0)[0] for step in range(50)} == {1}


def test_processes_share_the_videos_without_overlap():
    samplers = [EpisodeSampler(counting(*[4] * 7), 2, 0, rank, 3) for rank in range(3)]
    rows = [set(sampler.rows) for sampler in samplers]
    assert set.union(*rows) == set(range(7))
    assert sum(map(len, rows)) == 7


def test_a_dataset_without_training_videos_is_refused():
    with pytest.raises(ThbenchError, match="0 training videos"):
        EpisodeSampler(counting(), 2, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_from_any_step_equal_the_uninterrupted_stream(workers):
    dataset = counting(6, 7, 8)
    batches = EpisodeBatches(dataset, EpisodeSampler(dataset, 3, 0), 4)
    whole = list(episode_loader(batches, 0, 6, 0))
    rest = list(episode_loader(batches, 3, 6, workers))
    assert all(
        torch.equal(a.shots, b.shots)
        and torch.equal(a.target, b.target)
        and torch.equal(a.video, b.video)
        for a, b in zip(whole[3:], rest, strict=True)
    )
    assert whole[0].shots.shape == (4, 3, 3, 16, 16)
    assert whole[0].target_landmarks.shape == (4, 3, 16, 16)


def test_splitting_a_batch_keeps_its_episodes_in_order():
    dataset = counting(6, 7, 8)
    episodes = EpisodeBatches(dataset, EpisodeSampler(dataset, 3, 0), 4)[0]
    parts = episodes.split(2)
    assert torch.equal(torch.cat([part.video for part in parts]), episodes.video)
    assert torch.equal(torch.cat([part.shots for part in parts]), episodes.shots)
