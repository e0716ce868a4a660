from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.study.forms import RatedTriplet, balanced_forms, equitable_colouring
from thbench.errors import ThbenchError

PAPER_VIDEOS, PAPER_ROWS, PAPER_PER_ROW = 50, 15, 320


def spread(values: Counter[int], out_of: int) -> int:
    """The largest minus the smallest count over 0..out_of-1."""
    counts = [values[key] for key in range(out_of)]
    return max(counts) - min(counts)


@settings(max_examples=60, deadline=None)
@given(
    edges=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=120),
    colours=st.integers(1, 12),
    seed=st.integers(0, 100),
)
def test_any_two_colours_differ_by_at_most_one_at_every_vertex_and_overall(
    edges: list[tuple[int, int]], colours: int, seed: int
) -> None:
    left, right = zip(*edges, strict=True)
    found = equitable_colouring(left, right, colours, np.random.default_rng(seed))
    assert set(found) <= set(range(colours))
    assert spread(Counter(found.tolist()), colours) <= 1
    for ends in (left, right):
        for vertex in set(ends):
            assert (
                spread(
                    Counter(int(c) for c, end in zip(found, ends, strict=True) if end == vertex),
                    colours,
                )
                <= 1
            )


@pytest.fixture(scope="module")
def paper_triplets() -> list[RatedTriplet]:
    """4800 triplets: 320 in each of 15 rows over 50 videos of 50 persons."""
    triplets = [
        RatedTriplet(number % PAPER_VIDEOS, number % PAPER_VIDEOS, row)
        for row in range(PAPER_ROWS)
        for number in range(row * PAPER_PER_ROW, (row + 1) * PAPER_PER_ROW)
    ]
    assert len(triplets) == 4800
    return triplets


def test_the_papers_study_becomes_480_forms_of_50_with_perfect_balance(
    paper_triplets: list[RatedTriplet],
) -> None:
    forms = balanced_forms(paper_triplets, 5, 50, np.random.default_rng(0))
    assert len(forms) == 480
    assert {len(form) for form in forms} == {50}
    assert set(Counter(trial.triplet for form in forms for trial in form).values()) == {5}
    assert all(len({trial.triplet for trial in form}) == 50 for form in forms)
    assert all(len({paper_triplets[trial.triplet].video for trial in form}) == 50 for form in forms)
    rows = {
        count
        for form in forms
        for count in Counter(paper_triplets[t.triplet].row for t in form).values()
    }
    assert rows == {3, 4}
    assert all(spread(Counter(trial.fake_position for trial in form), 3) == 1 for form in forms)


def test_positions_are_balanced_over_the_ratings_of_every_triplet(
    paper_triplets: list[RatedTriplet],
) -> None:
    forms = balanced_forms(paper_triplets, 5, 50, np.random.default_rng(1))
    positions: dict[int, Counter[int]] = {}
    for form in forms:
        for trial in form:
            positions.setdefault(trial.triplet, Counter())[trial.fake_position] += 1
    assert {spread(counts, 3) for counts in positions.values()} == {1}


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(
        st.lists(st.integers(0, 4), min_size=2, max_size=6), min_size=1, max_size=5
    ).filter(lambda rows: sum(map(sum, rows)) > 0),
    ratings=st.integers(1, 4),
    length=st.integers(1, 8),
    seed=st.integers(0, 20),
)
def test_uneven_studies_keep_every_promise(
    counts: list[list[int]], ratings: int, length: int, seed: int
) -> None:
    triplets = [
        RatedTriplet(video, video // 2, row)
        for row, videos in enumerate(counts)
        for video, number in enumerate(videos)
        for _ in range(number)
    ]
    forms = balanced_forms(triplets, ratings, length, np.random.default_rng(seed))
    assert Counter(trial.triplet for form in forms for trial in form) == dict.fromkeys(
        range(len(triplets)), ratings
    )
    assert max(map(len, forms)) <= length
    assert max(map(len, forms)) - min(map(len, forms)) <= 1
    for form in forms:
        assert len({triplets[trial.triplet].video for trial in form}) == len(form)
    for row in range(len(counts)):
        in_form = [sum(triplets[trial.triplet].row == row for trial in form) for form in forms]
        assert max(in_form) - min(in_form) <= 1


def test_no_person_comes_twice_in_a_form_where_the_numbers_allow_it() -> None:
    triplets = [
        RatedTriplet(video, video // 2, row)
        for row in range(4)
        for video in range(20)
        for _ in range(3)
    ]
    forms = balanced_forms(triplets, 5, 10, np.random.default_rng(0))
    for form in forms:
        assert len({triplets[trial.triplet].person for trial in form}) == len(form)


def test_the_same_seed_gives_the_same_forms() -> None:
    triplets = [RatedTriplet(video, video, row) for row in range(3) for video in range(7)]
    first, second, other = (
        balanced_forms(triplets, 5, 7, np.random.default_rng(seed)) for seed in (4, 4, 5)
    )
    assert first == second != other


def test_an_empty_study_is_refused() -> None:
    with pytest.raises(ThbenchError, match="at least one triplet"):
        balanced_forms([], 5, 50, np.random.default_rng(0))
