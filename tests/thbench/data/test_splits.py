"""Test persons: the official lists, the named, the seeded; never both sides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thbench.data.splits import (
    VOXCELEB1_TEST_IDS,
    VOXCELEB1_TEST_NAMES,
    VOXCELEB2_TEST_IDS,
    SplitRule,
    choose_test_persons,
)
from thbench.errors import ThbenchError


def test_official_lists_have_their_published_sizes() -> None:
    assert len(VOXCELEB1_TEST_IDS) == len(VOXCELEB1_TEST_NAMES) == 40
    assert {"id10270", "id10309"} <= VOXCELEB1_TEST_IDS
    assert all(name.startswith("E") for name in VOXCELEB1_TEST_NAMES)
    assert len(VOXCELEB2_TEST_IDS) == 118
    assert all(re.fullmatch(r"id0\d{4}", person) for person in VOXCELEB2_TEST_IDS)


@pytest.mark.parametrize(
    ("layout", "persons", "expected"),
    [
        ("vox1-frames", ["Eartha_Kitt", "Adam_West", "Emma_Nobody"], {"Eartha_Kitt"}),
        ("vox-mp4", ["id10270", "id10001", "id00017", "id00012"], {"id10270", "id00017"}),
    ],
)
def test_official_test_persons_are_used_where_they_are(
    layout: str, persons: list[str], expected: set[str]
) -> None:
    test, how = choose_test_persons(SplitRule(), layout, persons)
    assert test == expected
    assert how["rule"] == "official VoxCeleb test persons"


def test_other_layouts_are_split_by_seed() -> None:
    test, how = choose_test_persons(
        SplitRule(test_fraction=0.5), "videos", ["Eartha_Kitt", "b", "c", "d"]
    )
    assert len(test) == 2
    assert how == {"rule": "seeded", "seed": 0, "test_fraction": 0.5}


@given(
    st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=40),
    st.floats(0, 1),
    st.integers(0, 9),
)
def test_a_seeded_split_is_stable_and_of_the_size_asked_for(
    persons: set[str], fraction: float, seed: int
) -> None:
    rule = SplitRule(test_fraction=fraction, seed=seed)
    test, _ = choose_test_persons(rule, "frames", sorted(persons))
    assert test == choose_test_persons(rule, "frames", sorted(persons, reverse=True))[0]
    assert test <= persons
    least = 1 if fraction > 0 and len(persons) > 1 else 0
    assert len(test) == max(least, round(fraction * len(persons)))


def test_seeds_choose_different_persons() -> None:
    persons = [f"p{number}" for number in range(50)]
    assert (
        len({choose_test_persons(SplitRule(seed=seed), "frames", persons)[0] for seed in range(5)})
        == 5
    )


def test_named_persons_win_and_must_exist() -> None:
    assert choose_test_persons(SplitRule(("b",)), "vox1-frames", ["Eartha_Kitt", "b"])[0] == {"b"}
    with pytest.raises(ThbenchError, match=r"--test-persons names 'x'.*persons: a, b"):
        choose_test_persons(SplitRule(("x",)), "frames", ["b", "a"])
