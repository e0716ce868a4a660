"""Splits: disjoint, nested, stable, checked."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import FakeDataset

from protocols.definition import load_definition
from protocols.split import Rules, draw_split
from protocols.stored_split import read_split, read_split_for
from thbench.data.dataset import Video
from thbench.errors import ThbenchError
from thbench.records.encode import encode, write_record
from thbench.runs import nested_shots


def listing(lengths: Sequence[int], per_person: int = 3) -> FakeDataset:
    """Test videos of so many frames, `per_person` of each person, and one to train on."""
    videos = [
        Video(f"p{index // per_person}", f"v{index}", "test", length)
        for index, length in enumerate(lengths)
    ]
    trained = Video("trained", "v", "train", 1000)
    return FakeDataset([*videos, trained], times_s=at_25_hz, name="listing")


def at_25_hz(video: Video) -> list[float]:
    return [index / 25 for index in range(video.n_frames)]


RULES = (Rules("part"), Rules("interleaved"))

# What the split of before drew of three videos with 96 frames, with seed 0.
OLD_DRAW = ("p0/v2", [52, 83, 15, 62], [9, 32, 36, 93], [3, 54, 66, 69])


@given(
    st.integers(1, 10),
    st.integers(1, 10),
    st.integers(0, 40),
    st.integers(0, 99),
    st.sampled_from(RULES),
)
def test_shots_and_holdout_are_disjoint_and_inside_the_video(shots, holdout, spare, seed, rule):
    dataset = listing([shots + holdout + spare] * 4)
    for video in draw_split(dataset, 2, shots, holdout, seed, rule).videos:
        frames = [*video.shots, *video.holdout]
        assert len(set(frames)) == shots + holdout
        assert all(0 <= frame < shots + holdout + spare for frame in frames)
        assert video.holdout == sorted(video.holdout)
        assert len(video.floor) == holdout
        assert not set(video.floor) & set(video.holdout)
        assert video.holdout_names == [f"c/{frame:04d}" for frame in video.holdout]
        assert video.holdout_times_s == [frame / 25 for frame in video.holdout]
        assert video.shot_times_s == [frame / 25 for frame in video.shots]


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 40), st.integers(0, 99))
def test_by_the_rule_part_no_holdout_frame_lies_between_shots(shots, holdout, spare, seed):
    dataset = listing([shots + holdout + spare] * 4)
    for video in draw_split(dataset, 2, shots, holdout, seed, Rules()).videos:
        first = max(video.shots) < min(video.holdout)
        assert first or max(video.holdout) < min(video.shots)
        on_their_side = [
            frame < min(video.holdout) if first else frame > max(video.holdout)
            for frame in video.floor
        ]
        assert all(on_their_side)


@given(st.integers(1, 10), st.integers(1, 10), st.integers(0, 40), st.integers(0, 99))
def test_consecutive_holdout_frames_lie_apart_from_the_shots(shots, holdout, spare, seed):
    dataset = listing([shots + holdout + spare] * 4)
    for video in draw_split(dataset, 2, shots, holdout, seed, Rules(drive="consecutive")).videos:
        start = video.holdout[0]
        assert video.holdout == list(range(start, start + holdout))
        assert len(set(video.shots)) == shots
        assert max(video.shots) < start or min(video.shots) > video.holdout[-1]
        assert len(video.floor) == holdout
        others = [*video.shots, *video.floor]
        assert max(others) < start or min(others) > video.holdout[-1]
        assert max(others) < shots + holdout + spare


@given(st.integers(1, 10), st.integers(0, 40), st.integers(0, 99))
def test_the_floor_of_consecutive_frames_is_consecutive_where_there_is_room(holdout, spare, seed):
    dataset = listing([1 + holdout + spare] * 4)
    rules = Rules(drive="consecutive", shots="first-frame")
    for video in draw_split(dataset, 2, 1, holdout, seed, rules).videos:
        follows = video.floor == list(range(video.floor[0], video.floor[0] + holdout))
        assert follows == (spare >= holdout or holdout == 1)


def test_consecutive_frames_begin_anywhere_in_either_end_of_a_video():
    videos = draw_split(listing([96] * 40), 40, 8, 8, 0, Rules(drive="consecutive")).videos
    ends = [min(video.holdout) > max(video.shots) for video in videos]
    assert 5 <= sum(ends) <= 35  # a fair coin leaves these bounds once in 10^7
    assert len({video.holdout[0] for video in videos}) > 20


@given(st.integers(1, 10), st.integers(0, 40), st.integers(0, 99))
def test_a_video_is_reconstructed_from_its_first_frame(holdout, spare, seed):
    dataset = listing([1 + holdout + spare] * 4)
    rules = Rules(drive="consecutive", shots="first-frame")
    for video in draw_split(dataset, 2, 1, holdout, seed, rules).videos:
        assert (video.shots, video.holdout) == ([0], list(range(1, holdout + 1)))
        assert len(video.floor) == holdout
        assert not set(video.floor) & set(video.holdout)
        assert max(video.floor) <= holdout + spare


@given(st.integers(1, 10), st.integers(0, 40), st.integers(0, 99))
def test_frames_may_be_spread_over_all_that_follow_the_first(holdout, spare, seed):
    dataset = listing([1 + holdout + spare] * 4)
    for video in draw_split(dataset, 2, 1, holdout, seed, Rules(shots="first-frame")).videos:
        assert video.shots == [0]
        stretches = np.array_split(np.arange(1, 1 + holdout + spare), holdout)
        assert all(frame in part for frame, part in zip(video.holdout, stretches, strict=True))


def test_by_the_rule_part_either_end_of_a_video_may_be_held_out():
    videos = draw_split(listing([96] * 40), 40, 8, 8, 0, Rules()).videos
    ends = [min(video.holdout) > max(video.shots) for video in videos]
    assert 5 <= sum(ends) <= 35  # a fair coin leaves these bounds once in 10^7


def test_interleaved_holdout_frames_lie_nearer_to_their_shots():
    def gap(rule):
        videos = draw_split(listing([640] * 9), 9, 32, 32, 0, rule).videos
        return np.mean(
            [
                min(abs(frame - shot) for shot in video.shots)
                for video in videos
                for frame in video.holdout
            ]
        )

    # Stretches of 10 frames: a neighbour is about 10 away, the middle of the other half 160.
    assert gap(Rules("interleaved")) < 20
    assert gap(Rules("part")) > 100


def test_an_interleaved_split_is_the_one_that_was_drawn_before_there_were_rules():
    video = draw_split(listing([96] * 3), 1, 4, 4, 0, Rules("interleaved")).videos[0]
    assert (video.key, video.shots, video.holdout, video.floor) == OLD_DRAW


def test_one_shot_lies_among_eight_and_eight_among_thirty_two():
    video = draw_split(listing([96] * 3), 1, 32, 32, 0, Rules()).videos[0]
    one, eight, all_shots = (set(nested_shots(video.shots, T)) for T in (1, 8, 32))
    assert one < eight < all_shots == set(video.shots)


def test_T_shots_are_the_first_T_in_the_order_drawn():
    """As the run folder numbers them, and as the gap to the nearest shot counts them."""
    assert nested_shots([52, 83, 15, 62], 2) == [52, 83]
    assert nested_shots([52, 83, 15, 62], 4) == [52, 83, 15, 62]
    for T in (0, 5):
        with pytest.raises(ThbenchError, match="choose T from 1 to 4"):
            nested_shots([52, 83, 15, 62], T)


def test_frames_are_spread_over_the_video():
    video = draw_split(listing([640] * 3), 1, 32, 32, 0, Rules()).videos[0]
    frames = sorted([*video.shots, *video.holdout])
    assert all(10 * stratum <= frame < 10 * stratum + 10 for stratum, frame in enumerate(frames))


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    dataset = listing([80] * 9)
    assert draw_split(dataset, 5, 8, 8, 3, Rules()) == draw_split(dataset, 5, 8, 8, 3, Rules())
    assert draw_split(dataset, 5, 8, 8, 3, Rules()) != draw_split(dataset, 5, 8, 8, 4, Rules())


def test_a_videos_frames_do_not_depend_on_the_other_videos():
    few = draw_split(listing([80] * 9), 9, 8, 8, 0, Rules())
    more = draw_split(listing([80] * 30), 30, 8, 8, 0, Rules())
    frames = {video.key: video.holdout for video in more.videos}
    assert all(frames[video.key] == video.holdout for video in few.videos)


def test_training_persons_are_never_tested():
    split = draw_split(listing([80] * 6), 6, 8, 8, 0, Rules())
    assert "trained" not in {video.person for video in split.videos}


def test_triplets_come_from_two_other_recordings_of_the_person():
    for video in draw_split(listing([80] * 9), 9, 8, 8, 0, Rules()).videos:
        assert len(video.others) == 8
        for first, second in video.others:
            assert len({video.key, first[0], second[0]}) == 3
            assert all(
                key.startswith(f"{video.person}/") and 0 <= frame < 80
                for key, frame in (first, second)
            )


def test_a_person_with_two_recordings_makes_no_triplets():
    assert all(
        video.others is None
        for video in draw_split(listing([80] * 4, per_person=2), 4, 8, 8, 0, Rules()).videos
    )


def test_too_few_eligible_videos_says_how_many_there_are():
    with pytest.raises(
        ThbenchError, match=r"50 test videos with 32 \+ 32 frames asked .* has 2 such among 3"
    ):
        draw_split(listing([64, 100, 63]), 50, 32, 32, 0, Rules())


@pytest.mark.parametrize(
    ("lengths", "asked", "way"),
    [
        ([64, 100, 63], (50, 32, 32), r"--videos 2$"),
        ([50, 100, 50], (3, 32, 32), r"--videos 1, or --holdout 18, or --T 18 at the most$"),
        ([20, 30], (3, 32, 32), r"--videos 1 with --T 15 --holdout 15 or less$"),
        ([], (1, 1, 1), r"prepare more or longer test videos$"),
    ],
)
def test_too_few_eligible_videos_names_values_that_work(lengths, asked, way):
    with pytest.raises(ThbenchError, match=way):
        draw_split(listing(lengths), *asked, 0, Rules())


def test_a_stored_split_comes_back(tmp_path):
    dataset = listing([80] * 9)
    split = draw_split(dataset, 5, 8, 8, 3, Rules())
    write_record(tmp_path / "split.json", split)
    again = read_split(tmp_path / "split.json", dataset)
    assert again == split


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["videos"][0].update(video="nothing"), "not tested in listing"),
        (
            lambda raw: raw["videos"][0]["holdout"].__setitem__(0, raw["videos"][0]["shots"][0]),
            "overlap",
        ),
        (lambda raw: raw["videos"][0]["holdout"].__setitem__(0, 5000), "leave its 80 frames"),
        (lambda raw: raw["videos"][0]["shots"].pop(), "7 shots"),
        (lambda raw: raw["videos"][0]["shot_names"].__setitem__(0, "c/9999"), "export the split"),
        (lambda raw: raw.update(holdout=7), "1 to 7 expected"),
        (
            lambda raw: raw["videos"][0].update(floor=raw["videos"][0]["holdout"]),
            "real-vs-real frames",
        ),
        (lambda raw: raw["videos"][0]["others"][0].__setitem__(0, ["p9/none", 0]), "a triplet of"),
        (lambda raw: raw.pop("seed"), "not a split file"),
    ],
)
def test_an_edited_split_is_refused(tmp_path, change, message):
    dataset = listing([80] * 9)
    raw = encode(draw_split(dataset, 5, 8, 8, 3, Rules()))
    change(raw)
    (tmp_path / "split.json").write_text(json.dumps(raw))
    with pytest.raises(ThbenchError, match=message):
        read_split(tmp_path / "split.json", dataset)


def test_on_another_copy_a_split_is_what_is_left_of_it_by_name(tmp_path):
    whole = listing([80] * 9)
    split = draw_split(whole, 5, 8, 8, 3, Rules())
    write_record(tmp_path / "split.json", split)
    gone = {split.videos[1].key, split.videos[3].key}
    copy = replace(
        whole,
        videos=[video for video in whole.videos if video.key not in gone],
        sha256="ab" * 32,
        name="copy",
    )
    left = read_split(tmp_path / "split.json", copy)

    assert [video.key for video in left.videos] == [
        video.key for video in split.videos if video.key not in gone
    ]
    assert str(left.listed).startswith("split: 3 of 5 videos (found: ")
    assert left.dataset_sha256 == copy.sha256
    for video in left.videos:
        places = [key for pair in video.others or [] for key, _ in pair]
        assert not gone & set(places)
        (own,) = (each for each in split.videos if each.key == video.key)
        assert (video.shots, video.holdout, video.floor) == (own.shots, own.holdout, own.floor)

    # The lab that has everything, in other bytes, has all of it.
    other_bytes = replace(whole, sha256="cd" * 32)
    assert read_split(tmp_path / "split.json", other_bytes).videos == split.videos


def test_a_split_of_left_videos_is_that_of_its_protocol(tmp_path):
    protocol = load_definition("self-reenactment").with_values(videos=5, holdout=8, T=(8,))
    whole = listing([80] * 9)
    split = protocol.draw(whole)
    write_record(tmp_path / "split.json", split)
    gone = split.videos[2].key
    kept = [video for video in whole.videos if video.key != gone]
    copy = replace(whole, videos=kept, sha256="ab" * 32)
    assert len(read_split_for(protocol, tmp_path / "split.json", copy, None).videos) == 4


def test_a_copy_whose_frames_have_other_names_is_refused(tmp_path):
    """As where a detector dropped a frame: all that follow it stand one place earlier."""

    class Shifted(FakeDataset):
        def frame_names(self, video: Video) -> list[str]:
            return [f"c/{index + (index >= 5):04d}" for index in range(video.n_frames)]

    whole = listing([80] * 9)
    write_record(tmp_path / "split.json", draw_split(whole, 5, 8, 8, 3, Rules()))
    shifted = Shifted(whole.videos, name="shifted", sha256="ab" * 32)
    with pytest.raises(ThbenchError, match=r"frame \d+ of p\d/v\d is c/.* in shifted, and c/"):
        read_split(tmp_path / "split.json", shifted)

    fewer = [replace(video, n_frames=20) for video in whole.videos]
    with pytest.raises(ThbenchError, match="leave its 20 frames"):
        read_split(tmp_path / "split.json", replace(whole, videos=fewer, sha256="ab" * 32))


def test_another_dataset_altogether_is_refused(tmp_path):
    write_record(tmp_path / "split.json", draw_split(listing([80] * 9), 5, 8, 8, 3, Rules()))
    others = [Video("somebody", f"w{index}", "test", 80) for index in range(9)]
    with pytest.raises(ThbenchError, match="another dataset: none of its 5 videos is tested"):
        read_split(tmp_path / "split.json", FakeDataset(others, sha256="ab" * 32))
