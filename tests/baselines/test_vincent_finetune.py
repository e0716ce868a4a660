"""vincent-ft: what his fine-tuning does, on a random file of his layout at a small size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.random_frames import random_frames
from support.vincent_files import imported
from torch import Tensor

from baselines.vincent import method, network
from baselines.vincent.finetune import FineTuneConfig, _batches
from baselines.vincent.importer import import_vincent
from baselines.vincent.method import VincentFF, VincentFT, VincentHead
from thbench.errors import ThbenchError
from thbench.method import MethodOptions

STEPS = 1
DRIVE = random_frames(2, seed=1)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "PADDED_PX", 64)
        patch.setattr(method, "FRAME_PX", 48)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    return imported(tmp_path_factory.mktemp("vincent"), "april-2020")


def options(model: Path, **settings: Any) -> MethodOptions:
    return MethodOptions(checkpoint=model, settings={"content": "random", **settings})


def storages(head: VincentHead) -> set[int]:
    tensors: list[Tensor] = [*head.generator.state_dict().values(), head.adaptive]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


@pytest.mark.slow
def test_heads_come_nearer_to_their_shots_repeat_and_share_nothing(
    file: tuple[dict[str, Any], Path],
) -> None:
    model, shots = file[1], random_frames(1)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    tuned = VincentFT(options(model, most_steps=STEPS))
    before, after = VincentFF(MethodOptions(checkpoint=model)).adapt(shots), tuned.adapt(shots)

    x, y = tuned.model.inputs(shots)
    with torch.no_grad():
        losses = [
            float(tuned.content(head.generator(y, head.adaptive), x)) for head in (before, after)
        ]
    assert losses[1] < losses[0]
    assert torch.equal(after.adaptive, before.adaptive)  # psi' is not trained, as in his code

    pictures = after.render(DRIVE)
    other = tuned.adapt(random_frames(1, seed=5))
    assert torch.equal(pictures, after.render(DRIVE))
    assert torch.equal(pictures, tuned.adapt(shots).render(DRIVE))
    assert not torch.equal(pictures, other.render(DRIVE))
    assert storages(after).isdisjoint(storages(other))
    assert hashlib.sha256(model.read_bytes()).hexdigest() == digest


@pytest.mark.slow
def test_a_model_without_discriminator_is_for_vincent_ff_alone(
    file: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    older = dict(file[0]["D_state_dict"], **{"res.in1.weight": torch.ones(512)})  # of 2019
    torch.save({**file[0], "D_state_dict": older}, tmp_path / "older.tar")
    out = tmp_path / "older.safetensors"
    assert not import_vincent(tmp_path / "older.tar", out).fine_tunable
    with pytest.raises(ThbenchError, match="holds no discriminator to fine-tune with"):
        VincentFT(options(out))


def test_draws_are_of_any_shot_in_batches_of_two() -> None:
    batches = _batches(5, FineTuneConfig(), seed=3)
    assert [len(batch) for batch in batches[:3]] == [2, 2, 1]
    assert len(batches) == 40 * 3
    draws = torch.cat(batches)
    assert len(draws) == 40 * 5
    assert set(draws.tolist()) == set(range(5))
    assert [len(batch) for batch in _batches(1, FineTuneConfig(), seed=3)] == [1] * 40


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"content": "caffe"}, "content"), ({"epoch": 3}, "epoch"), ({"epochs": "many"}, "epochs")],
)
def test_a_wrong_setting_is_told_before_anything_is_read(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ThbenchError, match=told):
        VincentFT(options(Path("no-such-file"), **settings))
    with pytest.raises(ThbenchError, match="learns nothing from shots"):
        VincentFF(options(Path("no-such-file"), **settings))


def test_missing_perceptual_weights_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ThbenchError, match="vgg19-imagenet"):
        VincentFT(options(Path("no-such-file"), content="vgg"))
