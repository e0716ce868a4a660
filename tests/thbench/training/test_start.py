"""From a name and settings to a training."""

import pytest

from thbench.errors import ThbenchError
from thbench.training.start import _default_steps, _steps_taken, start_training
from thbench.training.trainer import load_trainer


def test_half_a_line_of_a_killed_training_does_not_count(tmp_path):
    (tmp_path / "losses.rank0.jsonl").write_text(
        '{"step": 1, "cnt": 2.0}\n{"step": 2, "cnt": 2.0}\n{"step": 3, "c'
    )
    assert _steps_taken(tmp_path) == 2
    (tmp_path / "losses.rank0.jsonl").write_text('{"st')
    with pytest.raises(ThbenchError, match="not taken a step"):
        _steps_taken(tmp_path)


def test_only_ours_has_variants(tmp_path):
    with pytest.raises(ThbenchError, match="x2face has no variant 'ff'"):
        start_training("x2face", "synth", tmp_path, preset="small", variant="ff")


def test_pix2pixhd_takes_as_many_steps_as_ours_and_x2face_its_own():
    ours = load_trainer("ours").configure("paper")
    videos = 22_496
    expected = _default_steps(ours, "paper", videos)
    assert expected == 35_150  # 75 epochs of 22,496 episodes in batches of 48
    assert _default_steps(load_trainer("pix2pixhd").configure("paper"), "paper", videos) == expected
    x2face = load_trainer("x2face").configure("paper")
    assert _default_steps(x2face, "paper", videos) == 75 * videos // x2face.batch
