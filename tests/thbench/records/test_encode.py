"""Records to JSON: in the order of their fields, with what they took from others at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thbench.records.decode import REST, decode, read_record
from thbench.records.encode import WHERE_SAID, encode, write_record


@dataclass(frozen=True)
class Inner:
    pair: tuple[int, float]


@dataclass(frozen=True, kw_only=True)
class Outer:
    note: str = ""
    parts: Mapping[str, list[Inner]]
    more: Mapping[str, Any] = field(default_factory=dict, metadata=REST)
    scored: Mapping[str, str] = field(default_factory=dict, metadata=WHERE_SAID)


OUTER = Outer(parts={"x": [Inner((1, 0.5))]}, more={"b": (1, 2), "a": None})


def test_keys_come_in_the_order_of_the_fields_and_then_those_of_others() -> None:
    plain = encode(OUTER)
    assert json.dumps(plain) == (
        '{"note": "", "parts": {"x": [{"pair": [1, 0.5]}]}, "b": [1, 2], "a": null}'
    )


def test_a_value_that_is_written_where_it_is_said_is_left_out_at_its_default() -> None:
    assert "scored" not in encode(OUTER)
    said = Outer(parts={}, scored={"f": "00"})
    assert encode(said)["scored"] == {"f": "00"}


def test_what_is_written_is_read_back(tmp_path: Any) -> None:
    outer = Outer(parts=OUTER.parts, more={"b": [1, 2], "a": None}, scored={"f": "00"})
    write_record(tmp_path / "f.json", outer)
    assert read_record(tmp_path / "f.json", Outer, "") == outer
    assert decode(Outer, encode(outer), "f.json", "") == outer
