"""The folder of a training: what may change when it is resumed, and which lines stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thbench.errors import ThbenchError
from thbench.training.folder import TrainingFolder


def lines(*steps: int) -> str:
    return "".join(json.dumps({"step": step, "cnt": 1.0}) + "\n" for step in steps)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (lines(1, 2, 3, 4), lines(1, 2, 3)),
        (lines(3, 4, 5), lines(3)),  # of a process that joined later
        (lines(7, 8), ""),
        (lines(1, 2) + '{"step": 3, "c', lines(1, 2)),
        (lines(1, 2), lines(1, 2)),
    ],
)
def test_steps_after_a_checkpoint_are_dropped(tmp_path: Path, text: str, kept: str) -> None:
    folder = TrainingFolder(tmp_path, 1)
    folder.losses.write_text(text)
    folder.times.write_text(text)
    folder.drop_after(3)
    assert folder.losses.read_text() == folder.times.read_text() == kept


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path, 0)
    folder.losses.write_text(lines(1) + '{"step": 2, "c')
    assert folder.logged() == [{"step": 1, "cnt": 1.0}]


def test_a_training_is_resumed_by_other_processes_but_not_with_other_settings(
    tmp_path: Path,
) -> None:
    folder = TrainingFolder(tmp_path, 0)
    began = {"kind": "ours", "seed": 0, "processes": 8, "accumulate": 1}
    folder.write_description(began, steps=10)
    assert folder.check_description({**began, "processes": 2, "accumulate": 4}, resume=True) == 10
    with pytest.raises(ThbenchError, match="started with another seed; resume"):
        folder.check_description({**began, "seed": 1}, resume=True)
