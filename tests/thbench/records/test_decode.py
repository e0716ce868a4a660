"""Records from JSON: right ones come back as they were, wrong ones are told in one line with their
place.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as some

from thbench.errors import ThbenchError
from thbench.records.decode import REST, decode


@dataclass(frozen=True)
class Part:
    name: str
    pair: tuple[int, float] = (0, 0.0)


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    count: int
    share: float | None
    parts: dict[str, list[Part]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("has an unlucky count")


class Place(NamedTuple):
    video: str
    position: int


@dataclass(frozen=True)
class Path:
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Open:
    name: str
    more: dict[str, Any] = field(default_factory=dict, metadata=REST)


GOOD = {"kind": "a", "count": 1, "share": 0.5, "parts": {"x": [{"name": "n", "pair": [1, 2]}]}}


def test_a_right_record_is_read_whole():
    assert decode(Whole, GOOD, "f.json", "do") == Whole("a", 1, 0.5, {"x": [Part("n", (1, 2.0))]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "c"}, "f.json: kind is 'c', not one of 'a', 'b'; do"),
        ({"count": True}, "f.json: count is True, not a whole number; do"),
        ({"count": 2**63}, "f.json: count is 9223372036854775808, which is too large; do"),
        ({"count": 13}, "f.json has an unlucky count; do"),
        ({"share": "x"}, "f.json: share is 'x', not a number; do"),
        ({"share": float("inf")}, "f.json: share is inf, not a finite number; do"),
        ({"parts": []}, "f.json: parts is [], not an object; do"),
        ({"parts": {"x": [{}]}}, "f.json: parts.x[0] lacks name; do"),
        (
            {"parts": {"x": [{"name": "a\0"}]}},
            r"f.json: parts.x[0].name is 'a\x00', which holds a null character; do",
        ),
        (
            {"parts": {"x": [{"name": "n", "pair": [1]}]}},
            "f.json: parts.x[0].pair is [1], not a list of 2; do",
        ),
        ({"counts": 1}, "f.json has the unknown key 'counts' (did you mean 'count'?); do"),
    ],
)
def test_a_wrong_record_is_told_in_one_line_with_its_place(change, told):
    with pytest.raises(ThbenchError) as caught:
        decode(Whole, GOOD | change, "f.json", "do")
    assert str(caught.value) == told


def test_a_named_tuple_is_a_list_in_the_file():
    path = Path((Place("p/v", 3),))
    stored = json.loads(json.dumps(asdict(path)))
    assert stored == {"places": [["p/v", 3]]}
    assert decode(Path, stored, "f.json", "do") == path
    with pytest.raises(ThbenchError, match=r"places\[0\] is \[3\], not a list of 2"):
        decode(Path, {"places": [[3]]}, "f.json", "do")


def test_a_record_may_take_what_others_add():
    assert decode(Open, {"name": "n", "x": 1}, "f.json", "do") == Open("n", {"x": 1})


ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@given(ANYTHING)
def test_any_json_value_is_a_record_or_an_error_in_one_line(value):
    told = ""
    try:
        decode(Whole, value, "f.json", "do")
    except ThbenchError as error:
        told = str(error)
    assert "\n" not in told


PARTS = some.builds(
    Part,
    some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    some.tuples(some.integers(-(2**62), 2**62), some.floats(allow_nan=False, allow_infinity=False)),
)
WHOLES = some.builds(
    Whole,
    some.sampled_from(["a", "b"]),
    some.integers(14, 2**62),
    some.none() | some.floats(allow_nan=False, allow_infinity=False),
    some.dictionaries(some.sampled_from("xyz"), some.lists(PARTS, max_size=3)),
)


@given(WHOLES)
def test_what_a_record_holds_comes_back(whole):
    plain = asdict(whole)
    for parts in plain["parts"].values():
        for part in parts:
            part["pair"] = list(part["pair"])
    assert decode(Whole, plain, "f.json", "do") == whole
