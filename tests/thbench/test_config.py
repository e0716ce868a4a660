"""Settings from text: checked by name and type, and applied together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from thbench.config import override, parse_settings
from thbench.errors import ThbenchError
from thbench.paper.config import ours_config
from thbench.paper.nets.config import NetConfig


@dataclass(frozen=True)
class Inner:
    width: int = 8
    twice: int = 16

    def __post_init__(self) -> None:
        if self.twice != 2 * self.width:
            raise ThbenchError("twice must be twice the width")


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    rate: float | None = 0.5
    flip: bool = True
    kind: Literal["a", "b"] = "a"


def test_settings_that_fit_only_together_are_applied_together() -> None:
    changed = override(Outer(), {"inner.width": "4", "inner.twice": "8", "rate": "none"})
    assert changed == Outer(Inner(4, 8), rate=None)


def test_the_width_of_the_networks_can_be_set() -> None:
    config = override(
        ours_config("small"),
        {"net.channels": "8", "net.max_channels": "64", "net.embedding": "64", "batch": "4"},
    )
    assert (config.net.channels, config.net.embedding, config.batch) == (8, 64, 4)
    assert isinstance(config.net, NetConfig)


def test_settings_that_do_not_fit_are_refused_by_the_configuration() -> None:
    with pytest.raises(ThbenchError, match="twice must be twice the width"):
        override(Outer(), {"inner.width": "4"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner.widht": "4"}, "no setting 'inner.widht': did you mean 'width'"),
        ({"rate.x": "4"}, "no setting 'rate.x': rate is one value"),
        ({"inner": "4"}, "no setting 'inner' by itself: choose among inner.width, inner.twice"),
        ({"inner.width": "four"}, "setting inner.width is 'four', not a whole number"),
        ({"kind": "c"}, "kind is 'c', not one of 'a', 'b'"),
        ({"flip": "yes"}, "flip is 'yes', not true or false"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ThbenchError, match=message):
        override(Outer(), settings)


def test_settings_are_read_as_name_and_value():
    assert parse_settings(["batch=16", "inner.width=4", "title=a=b", "title=c"]) == {
        "batch": "16",
        "inner.width": "4",
        "title": "c",
    }
    with pytest.raises(ThbenchError, match="--set 'batch': write NAME=VALUE"):
        parse_settings(["batch"])
