"""What not every method and head can do is asked for, never guessed from a name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from thbench import method as contract
from thbench.errors import ThbenchError
from thbench.method import (
    DrivesWith,
    Frames,
    KeepableHead,
    MethodOptions,
    adapt,
    load_method,
    parts_s,
    provenance,
    render,
    seed_for,
    trainer_of,
)


class PlainHead:
    def render(self, drive: Frames) -> Tensor:
        return drive.images


class TimedAndKept(PlainHead):
    size_px = 8

    def __init__(self) -> None:
        self.parts_s = {"data_s": 0.5}

    def save(self, path: Path) -> None:
        path.write_bytes(b"")


class Renamed:
    """A method whose name says nothing of the trainer whose models it loads."""

    name = "renamed-ft"
    trainer = "ours"
    drives_with: DrivesWith = "landmarks"

    def __init__(self, options: MethodOptions) -> None:
        self.options = options

    def adapt(self, shots: Frames) -> PlainHead:
        return PlainHead()


def frames(value: int) -> Frames:
    return Frames(torch.full((1, 3, 8, 8), value, dtype=torch.uint8), torch.zeros(1, 68, 2))


def test_a_method_says_itself_whose_models_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = {"renamed-ft": Renamed, "x2face-ft": lambda options: Renamed(options)}
    monkeypatch.setattr(contract, "load_plugin", lambda group, name, what: registered[name])
    assert trainer_of("renamed-ft") == "ours"
    assert trainer_of("renamed-ft:argument") == "ours"
    assert trainer_of("x2face-ft") is None


def test_an_unknown_method_has_no_trainer() -> None:
    with pytest.raises(ThbenchError, match="did you mean 'ours-ft'"):
        trainer_of("ours-fd")


def test_the_argument_of_a_spec_reaches_the_method_with_all_other_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contract, "load_plugin", lambda group, name, what: Renamed)
    found = load_method("renamed-ft:a:b", MethodOptions(seed=3, size_px=8, settings={"x": 1}))
    assert isinstance(found, Renamed)
    assert found.options == MethodOptions("a:b", seed=3, size_px=8, settings={"x": 1})


def test_a_head_tells_its_times_and_can_be_kept_only_if_it_says_so() -> None:
    assert parts_s(TimedAndKept()) == {"data_s": 0.5}
    assert parts_s(PlainHead()) == parts_s(torch.zeros(1)) == {}
    assert isinstance(TimedAndKept(), KeepableHead)
    assert not isinstance(PlainHead(), KeepableHead)


def test_a_method_without_a_description_tells_what_drives_it() -> None:
    assert provenance(Renamed(MethodOptions())) == {"drives_with": "landmarks"}


def test_few_shot_learning_is_seeded_by_the_run_and_the_shots() -> None:
    assert seed_for(1, frames(5)) == seed_for(1, frames(5))
    assert len({seed_for(1, frames(5)), seed_for(2, frames(5)), seed_for(1, frames(6))}) == 3


def test_a_method_that_drives_with_landmarks_sees_black_pictures() -> None:
    method = Renamed(MethodOptions())
    head = adapt(method, frames(5))
    assert render(method, head, frames(7)).max() == 0

    method.drives_with = "image"
    assert render(method, head, frames(7)).min() == 7


def test_nobody_learns_from_no_shot() -> None:
    with pytest.raises(ThbenchError, match="renamed-ft learns from one shot or more"):
        adapt(Renamed(MethodOptions()), frames(5)[:0])


@pytest.mark.parametrize(
    ("rendered", "told"),
    [
        (torch.zeros(1, 3, 8, 8), r"torch.float32 \[1, 3, 8, 8\]"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"torch.uint8 \[2, 3, 8, 8\]"),
        (None, "NoneType"),
    ],
)
def test_what_a_head_must_not_render_is_told(
    rendered: Tensor | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainHead, "render", lambda self, drive: rendered)
    expected = r"uint8 \[1, 3, 8, 8\] expected"
    with pytest.raises(ThbenchError, match=f"renamed-ft rendered {told}, {expected}"):
        render(Renamed(MethodOptions()), PlainHead(), frames(7))
