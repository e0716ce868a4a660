"""Kinds of protocols: each has its own values, and says so where another one is given them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from typing import get_args

import pytest

from protocols.definition import definition_names, load_definition, parse_definition, parse_stored
from protocols.kinds import KINDS
from protocols.kinds.base import OF_ONE_KIND, Definition
from thbench.errors import ThbenchError
from thbench.records.run import Kind
from thbench.records.split import DrawnVideo

TOML = 'name = "mine"\nkind = "{}"\nversion = 1\nsource = "here"\nT = [1]\n'


def test_a_run_can_name_every_kind() -> None:
    assert list(KINDS) == list(get_args(Kind)) == list(OF_ONE_KIND)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_for_a_value_that_a_kind_lacks_is_its_default_elsewhere(kind: Kind) -> None:
    common = {field.name for field in fields(Definition)}
    own = {field.name: field.default for field in fields(KINDS[kind]) if field.name not in common}
    own = {name: own[name] for name in own if name != "driven_by"}  # which has no default
    assert own == {name: value for name, value in OF_ONE_KIND[kind].items() if name != "driven_by"}


def test_every_kind_is_stored_with_the_same_keys_in_the_same_order() -> None:
    keys = [list(load_definition(name).described()) for name in definition_names()]
    assert all(found == keys[0] for found in keys)


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("self-reenactment", "iterations = 3", 'iterations and warmup belong to kind = "timing"'),
        (
            "self-reenactment",
            "drivers = 2",
            'rank_by and adapt_landmarks belong to kind = "cross-reenactment"',
        ),
        ("timing", 'driven_by = "same-person"', 'belong to kind = "cross-reenactment"'),
        ("cross-reenactment", "T = [2]", "lacks driven_by"),
    ],
)
def test_a_value_of_another_kind_is_refused(kind: str, line: str, message: str) -> None:
    text = TOML.format(kind).replace("T = [1]\n", "" if line.startswith("T ") else "T = [1]\n")
    with pytest.raises(ThbenchError, match=message) as caught:
        parse_definition(text + line, "my.toml")
    assert "\n" not in str(caught.value)


def test_a_value_of_another_kind_that_says_nothing_is_let_pass() -> None:
    stored = load_definition("self-reenactment").described()
    assert (stored["drivers"], stored["iterations"]) == (1, 100)
    assert parse_stored(stored) == load_definition("self-reenactment")
    with pytest.raises(ThbenchError, match="belong to kind"):
        parse_stored({**stored, "drivers": 5})


def test_rules_that_came_later_change_an_identity_only_where_they_are_others() -> None:
    plain = load_definition("self-reenactment")
    assert plain.with_values(drive_rule="spread", shot_rule="spread").sha256 == plain.sha256
    one_shot = plain.with_values(T=(1,))
    others = [
        one_shot.with_values(drive_rule="consecutive"),
        one_shot.with_values(shot_rule="first-frame"),
        one_shot.with_values(identity="shots"),
    ]
    assert len({one_shot.sha256, *(other.sha256 for other in others)}) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shot_rule": "first-frame"}, r"one shot of each video, and T = \[1, 8, 32\]"),
        ({"drive_rule": "even"}, 'needs shot_rule = "first-frame"'),
        ({"names": "mine.json"}, 'names needs shot_rule = "first-frame"'),
        ({"drive_rule": "consecutive", "holdout_rule": "interleaved"}, "hold out a part"),
        ({"drive_rule": "consecutive", "holdout_rule": "clip"}, "hold out a part"),
    ],
)
def test_rules_that_contradict_each_other_are_told(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ThbenchError, match=message):
        load_definition("self-reenactment").with_values(**changes)


def test_a_split_of_other_frames_is_not_one_of_the_first_frame() -> None:
    protocol = load_definition("first-frame")
    video = DrawnVideo("p", "v", [0], [1, 2, 3], [4, 5, 6], ["a"], ["b", "c", "d"], None)
    assert protocol.check(video) is None
    assert "do not follow each other" in str(protocol.check(replace(video, holdout=[1, 3, 4])))
    assert "first frame" in str(protocol.check(replace(video, shots=[7])))


def test_only_what_measures_time_is_repeated() -> None:
    with pytest.raises(ThbenchError, match='iterations and warmup belong to kind = "timing"'):
        load_definition("self-reenactment").with_values(iterations=3)


@pytest.mark.parametrize(
    ("changes", "warmup"),
    [({"iterations": 3}, 3), ({"iterations": 200}, 10), ({"iterations": 3, "warmup": 7}, 7)],
)
def test_no_more_repetitions_warm_up_than_are_measured(
    changes: dict[str, int], warmup: int
) -> None:
    changed = load_definition("table2-timing").with_values(**changes)
    assert (changed.described()["iterations"], changed.described()["warmup"]) == (
        changes["iterations"],
        warmup,
    )


def test_protocols_are_known_without_pytorch() -> None:
    code = (
        "import sys; from protocols.definition import load_definition; "
        "load_definition('puppeteering'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_identities_of_the_bundled_protocols_stay() -> None:
    """As they stand in runs that exist; a new version of a protocol may change its own."""
    found = {name: load_definition(name).sha256[:12] for name in definition_names()}
    assert found == IDENTITIES


IDENTITIES = {
    "ablation": "c8b282421be3",
    "dagan-cross": "7eebc8186efd",
    "demo": "29f6165dc314",
    "first-frame": "6ba86374038e",
    "fomm-vox1": "7fe578cacb10",
    "hdtf": "64597b289b0b",
    "puppeteering": "328c08ffb8b1",
    "self-reenactment": "c8b282421be3",
    "selfies": "5a567dd9f928",
    "table1-vox1": "c8b282421be3",
    "table1-vox2": "c8b282421be3",
    "table2-timing": "f59be46d970f",
    "th1kh": "619965cf8180",
    "vfhq": "ab38c9f54821",
    "vfhq-cross": "67ef264f72f3",
}
