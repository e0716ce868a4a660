"""What a training says of its phases and of other steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.tiny import TINY, trainer

from thbench.training.plan import Phase, begins, phases_text, resumed_text

TWO = [Phase(1, "warm-up"), Phase(101, "all losses")]


@pytest.mark.parametrize(
    ("step", "steps", "text"),
    [
        (0, 300, "steps 1 to 100: warm-up; steps 101 to 300: all losses"),
        (40, 300, "steps 41 to 100: warm-up; steps 101 to 300: all losses"),
        (100, 300, "steps 101 to 300: all losses"),
        (0, 80, "steps 1 to 80: warm-up"),
        (0, 100, "steps 1 to 100: warm-up"),
        (300, 300, ""),
    ],
)
def test_the_phases_to_come_are_told_with_their_steps(step: int, steps: int, text: str) -> None:
    assert phases_text(TWO, step, steps) == text


def test_a_phase_begins_with_its_first_step() -> None:
    assert begins(TWO, 101) == TWO[1]
    assert begins(TWO, 1) is None
    assert begins(TWO, 102) is None


def test_ours_tells_the_step_at_which_its_losses_change() -> None:
    config = replace(TINY, warmup_steps=2)
    training, batches = trainer(config)
    losses = [set(training.step([batches[step]])) for step in range(4)]
    first = training.phases()[1].first

    assert [phase.first for phase in training.phases()] == [1, 3]
    assert losses[first - 2] != losses[first - 1]
    assert losses[0] == losses[first - 2]


def test_ours_without_a_warm_up_has_one_phase() -> None:
    assert [phase.first for phase in trainer(TINY)[0].phases()] == [1]


def test_other_steps_are_told() -> None:
    assert resumed_text(50, 200, 200) == "goes on after step 50 of 200"
    assert resumed_text(50, 200, None) == "goes on after step 50 of 200"
    assert "begun with --steps 100: it ends 100 steps later" in resumed_text(50, 200, 100)
    assert "it ends 20 steps earlier" in resumed_text(50, 80, 100)
    assert (
        resumed_text(100, 80, 100)
        == "100 steps are taken already and --steps is 80: nothing is left to do"
    )
