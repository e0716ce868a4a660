"""Bundled models: halved, and with what was chosen after training in their headers."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from support.tiny import TINY

from baselines.x2face.training import x2face_training
from thbench.errors import ThbenchError
from thbench.training.checkpoints import load_model, read_description, save_model
from thbench.training.trainer import TrainingConfig


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    file = Path(__file__).parents[2] / "tools" / "bundle_models.py"
    spec = importlib.util.spec_from_file_location("bundle_models", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(folder: Path, kind: str, config: TrainingConfig) -> Path:
    description = {"kind": kind, "config": asdict(config), "step": 7}
    save_model(folder / "model.safetensors", {"w": torch.tensor([1 / 3, 2.0])}, description)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    trained(tmp_path / "ft", "ours", TINY)
    trained(tmp_path / "ff", "ours", replace(TINY, variant="ff"))
    trained(tmp_path / "x2", "x2face", x2face_training("small"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def config_of(models: Path, name: str) -> dict[str, object]:
    config: dict[str, object] = read_description(models / f"{name}.safetensors")["config"]
    return config


def test_a_model_is_copied_halved_with_its_header(
    tool: ModuleType, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.main([f"ours-ft={tmp_path / 'ft'}"], models)
    tensors, description, _ = load_model(models / "ours-ft.safetensors", "ours")
    assert torch.equal(tensors["w"], torch.tensor([1 / 3, 2.0]).half().float())
    assert description == read_description(tmp_path / "ft/model.safetensors")
    assert capsys.readouterr().out.startswith(f"{models / 'ours-ft.safetensors'}: 0.00 MB")


def test_settings_go_to_all_models_or_to_one(
    tool: ModuleType, models: Path, tmp_path: Path
) -> None:
    sources = [f"ours-ft={tmp_path / 'ft'}", f"ours-ff={tmp_path / 'ff'}"]
    both = ["--set", "fine_tuning_batch=3", "--set", "net.upsample=end"]
    tool.main([*sources, *both, "--set", "ours-ft:fine_tuning_lr=none"], models)

    ft, ff = config_of(models, "ours-ft"), config_of(models, "ours-ff")
    before = asdict(TINY)
    net = {**before["net"], "upsample": "end"}
    assert ft == {**before, "fine_tuning_batch": 3, "fine_tuning_lr": None, "net": net}
    assert ff == {**before, "fine_tuning_batch": 3, "variant": "ff", "net": net}


def test_the_header_of_a_bundled_model_changes_and_its_tensors_do_not(
    tool: ModuleType, models: Path, tmp_path: Path
) -> None:
    tool.main([f"ours-ft={tmp_path / 'ft'}"], models)
    before = load_model(models / "ours-ft.safetensors", "ours")[0]
    tool.main(["ours-ft", "--set", "fine_tuning_epochs=20"], models)
    assert config_of(models, "ours-ft") == {**asdict(TINY), "fine_tuning_epochs": 20}
    assert torch.equal(load_model(models / "ours-ft.safetensors", "ours")[0]["w"], before["w"])


def test_what_an_older_header_does_not_say_stays_unsaid(
    tool: ModuleType, models: Path, tmp_path: Path
) -> None:
    older = {key: value for key, value in asdict(TINY).items() if key != "row_start"}
    file = tmp_path / "old/model.safetensors"
    save_model(file, {}, {"kind": "ours", "config": older, "step": 7})
    tool.main([f"old={tmp_path / 'old'}", "--set", "fine_tuning_batch=1"], models)
    assert config_of(models, "old") == {**older, "fine_tuning_batch": 1}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("learning_rat=1", "did you mean 'learning_rate'"),
        ("batch=many", "not a whole number"),
        ("fine_tuning_batch", "write NAME=VALUE"),
        ("ours-fd:fine_tuning_batch=1", "'ours-fd' is not among the models named"),
        ("x2face:fine_tuning_batch=1", "no setting 'fine_tuning_batch'"),
    ],
)
def test_a_wrong_setting_is_refused(
    tool: ModuleType, models: Path, tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(ThbenchError, match=message):
        tool.main([f"x2face={tmp_path / 'x2'}", "--set", setting], models)
    assert not list(models.iterdir())
