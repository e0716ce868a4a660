"""vincent-ft: what his fine-tuning does, on a random file of his layout at a small size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from support.random_frames import random_frames
from support.vincent_files import imported
from torch import Tensor

from baselines.vincent import method, network
from baselines.vincent.finetune import FineTuneConfig, _batches, content_loss
from baselines.vincent.importer import import_vincent
from baselines.vincent.method import VincentFF, VincentFT, VincentHead
from thbench.errors import ThbenchError
from thbench.method import MethodOptions

pytestmark = pytest.mark.slow
SETTINGS = {"content": "random", "most_steps": 2}
DRIVE = random_frames(2, seed=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "PADDED_PX", 64)
    monkeypatch.setattr(method, "FRAME_PX", 48)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported(tmp_path_factory.mktemp("vincent"), "april-2020")[1]


def options(model: Path, seed: int = 0, **settings: Any) -> MethodOptions:
    return MethodOptions(checkpoint=model, seed=seed, settings=settings)


def content_of(head: VincentHead, tuned: VincentFT) -> float:
    """The content loss of a head on two shots that it was made from."""
    x, y = tuned.model.inputs(random_frames(2))
    with torch.no_grad():
        made = head.generator(y, head.adaptive.expand(2, -1))
        return float(content_loss("random", torch.device("cpu"))(made, x))


def test_fine_tuning_brings_the_frames_nearer_to_the_shots(model: Path) -> None:
    shots = random_frames(2)
    tuned = VincentFT(options(model, **{**SETTINGS, "most_steps": 8}))
    before = VincentFF(options(model)).adapt(shots)
    after = tuned.adapt(shots)
    assert content_of(after, tuned) < 0.95 * content_of(before, tuned)
    assert torch.equal(after.adaptive, before.adaptive)  # psi' is not trained, as in his code


def test_a_head_repeats_and_leaves_model_and_other_heads_alone(model: Path) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    tuned = VincentFT(options(model, **SETTINGS))
    one, other = tuned.adapt(random_frames(2)), tuned.adapt(random_frames(3, seed=5))
    pictures = one.render(DRIVE)
    again = VincentFT(options(model, **SETTINGS)).adapt(random_frames(2))

    assert torch.equal(pictures, again.render(DRIVE))
    assert torch.equal(pictures, one.render(DRIVE))
    assert not torch.equal(pictures, other.render(DRIVE))
    assert storages(one).isdisjoint(storages(other))
    assert hashlib.sha256(model.read_bytes()).hexdigest() == digest


def storages(head: VincentHead) -> set[int]:
    tensors: list[Tensor] = [*head.generator.state_dict().values(), head.adaptive]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def test_draws_are_of_any_shot_in_batches_of_two() -> None:
    batches = _batches(5, FineTuneConfig(), seed=3)
    assert [len(batch) for batch in batches[:3]] == [2, 2, 1]
    assert len(batches) == 40 * 3
    draws = torch.cat(batches)
    assert len(draws) == 40 * 5
    assert set(draws.tolist()) == set(range(5))
    assert [len(batch) for batch in _batches(1, FineTuneConfig(), seed=3)] == [1] * 40


def test_a_model_without_discriminator_is_for_vincent_ff_alone(tmp_path: Path) -> None:
    states, _ = imported(tmp_path, "april-2020")
    states["D_state_dict"]["res.in1.weight"] = torch.ones(512)  # as in his first versions
    torch.save(states, tmp_path / "first.tar")
    out = tmp_path / "first.safetensors"
    assert not import_vincent(tmp_path / "first.tar", out).fine_tunable

    VincentFF(options(out))
    with pytest.raises(ThbenchError, match="holds no discriminator to fine-tune with"):
        VincentFT(options(out, **SETTINGS))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"content": "caffe"}, "content"),
        ({"content": "random", "epoch": 3}, "epoch"),
        ({"content": "random", "epochs": "many"}, "epochs"),
    ],
)
def test_a_wrong_setting_is_told(model: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ThbenchError, match=told):
        VincentFT(options(model, **settings))
    with pytest.raises(ThbenchError, match="learns nothing from shots"):
        VincentFF(options(model, **settings))


def test_missing_perceptual_weights_are_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ThbenchError, match="vgg19-imagenet"):
        VincentFT(options(model))
