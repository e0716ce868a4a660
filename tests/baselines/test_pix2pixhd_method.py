"""Pix2pixHD behind the contract: few-shot learning is deterministic, follows the settings and
learns.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from support.random_frames import random_frames
from torchvision.models.vgg import cfgs, make_layers

from baselines.pix2pixhd import method
from baselines.pix2pixhd.content import content_loss
from baselines.pix2pixhd.method import Pix2pixHD
from baselines.pix2pixhd.network import PRESETS, Pix2pixHDConfig, build, initialise
from baselines.pix2pixhd.training import Pix2pixHDTraining, mirrored
from thbench.errors import ThbenchError
from thbench.images import to_signed
from thbench.method import MethodOptions
from thbench.training.checkpoints import prefixed, save_model

THIN = Pix2pixHDConfig(size_px=32, ngf=4, n_down=2, n_blocks=1, ndf=4)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator, discriminator = build(THIN)
    initialise(generator)
    config = Pix2pixHDTraining(THIN, content="none", flip=False, fine_tuning_epochs=3)
    save_model(
        tmp_path / "model.safetensors",
        {
            **prefixed("generator", generator.state_dict()),
            **prefixed("discriminator", discriminator.state_dict()),
        },
        {"kind": "pix2pixhd", "step": 9, "dataset": {"name": "some"}, "config": asdict(config)},
    )
    return tmp_path


def loaded(model: Path, seed: int = 0, **settings: Any) -> Pix2pixHD:
    return Pix2pixHD(MethodOptions(checkpoint=model, size_px=32, seed=seed, settings=settings))


def rendered(found: Pix2pixHD, T: int = 2) -> torch.Tensor:
    return found.adapt(random_frames(T, 32)).render(random_frames(3, 32, seed=1))


def test_few_shot_learning_depends_on_shots_and_seed_only(model: Path) -> None:
    found = loaded(model, flip=True)
    first = rendered(found, T=9)
    torch.rand(5)
    found.adapt(random_frames(3, 32, seed=5))
    assert torch.equal(rendered(found, T=9), first)
    assert torch.equal(rendered(loaded(model, flip=True), T=9), first)
    assert not torch.equal(rendered(loaded(model, seed=1, flip=True), T=9), first)


def test_the_global_random_state_is_left_alone(model: Path) -> None:
    found = loaded(model)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    rendered(found)
    assert torch.equal(torch.rand(4), expected)


def test_the_driving_images_are_not_looked_at(model: Path) -> None:
    found, drive = loaded(model), random_frames(3, 32, seed=1)
    head = found.adapt(random_frames(2, 32))
    assert found.drives_with == "landmarks"
    assert torch.equal(head.render(drive), head.render(drive.without_images()))


def test_more_epochs_come_nearer_to_the_shot(model: Path) -> None:
    shots = random_frames(1, 32)
    errors = [
        (loaded(model, epochs=epochs).adapt(shots).render(shots).float() - shots.images)
        .abs()
        .mean()
        for epochs in (0, 15, 60)
    ]
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(("T", "steps"), [(1, 40), (8, 40), (32, 160)])
def test_forty_epochs_in_batches_of_eight_as_the_paper_counts(
    model: Path, monkeypatch: pytest.MonkeyPatch, T: int, steps: int
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(method, "compute_losses", lambda *args: sizes.append(len(args[-1])))
    monkeypatch.setattr(method, "take_gradients", lambda losses, *networks: ([], []))
    monkeypatch.setattr(method, "apply_gradients", lambda *args: None)
    loaded(model, epochs=method.FineTuning().epochs).adapt(random_frames(T, 32))
    assert sizes == [min(T, 8)] * steps


def test_the_models_own_settings_hold_unless_changed(model: Path) -> None:
    assert loaded(model).fine_tuning == method.FineTuning(epochs=3, content="none", flip=False)
    changed = loaded(model, epochs=1, content="random")
    assert changed.provenance["config"]["fine_tuning"]["content"] == "random"
    assert "trained with content = none" in changed.provenance["notes"]
    with pytest.raises(ThbenchError, match=r"has the unknown key.*epochs"):
        loaded(model, epoch=1)


def test_a_missing_vgg_is_never_left_out_in_silence(
    model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(ThbenchError, match=r"vgg19-dcbb9e9d\.pth is missing"):
        loaded(model, content="vgg19")
    with pytest.raises(ThbenchError, match="content is 'vgg', not one of"):
        loaded(model, content="vgg")


def test_the_random_vgg_term_follows_the_authors_layers() -> None:
    loss: Any = content_loss("random", torch.device("cpu"))
    reference = make_layers(cfgs["E"])[:30]
    reference.load_state_dict(loss.features.network.layers.state_dict())
    x, expected = to_signed(random_frames(1, 32).images), []
    with torch.no_grad():
        for index, layer in enumerate(reference):
            x = layer(x)
            expected += [x.clone()] if index in (1, 6, 11, 20, 29) else []
        maps = loss.features(to_signed(random_frames(1, 32).images))
    for ours, theirs in zip(maps, expected, strict=True):
        # Scaling to 0..255 and back costs a few ulp of the input.
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_authors_two_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "paper", THIN)
    generator, discriminator = build(THIN)
    torch.save(
        {**generator.state_dict(), "model.2.running_mean": torch.zeros(4)},
        tmp_path / "latest_net_G.pth",
    )
    with pytest.raises(ThbenchError, match=r"latest_net_D\.pth missing"):
        loaded(tmp_path / "latest_net_G.pth", content="none")
    torch.save(discriminator.state_dict(), tmp_path / "latest_net_D.pth")
    found = loaded(tmp_path / "latest_net_G.pth", content="none")
    assert torch.equal(
        found.generator.state_dict()["model.1.weight"], generator.state_dict()["model.1.weight"]
    )
    assert torch.equal(
        found.discriminator.state_dict()["scale1_layer0.0.weight"],
        discriminator.state_dict()["scale1_layer0.0.weight"],
    )


def test_no_checkpoint_and_other_sizes_are_refused(model: Path) -> None:
    with pytest.raises(ThbenchError, match="needs a trained model"):
        Pix2pixHD(MethodOptions())
    with pytest.raises(ThbenchError, match="trained at 32 pixels, these frames have 64"):
        Pix2pixHD(MethodOptions(checkpoint=model, size_px=64))
    with pytest.raises(ThbenchError, match="made at 32"):
        loaded(model).adapt(random_frames(1, 64))


def test_about_half_of_the_pairs_are_mirrored_together() -> None:
    pairs = torch.arange(200.0).view(200, 1, 1, 1) + torch.tensor([0.0, 0.5]).view(1, 1, 1, 2)
    first, second = mirrored(pairs, pairs + 1000, torch.Generator().manual_seed(0))
    assert torch.equal(first + 1000, second)
    flipped = first[:, 0, 0, 0] != pairs[:, 0, 0, 0]
    assert torch.equal(first[flipped], pairs[flipped].flip(-1))
    assert 60 < flipped.sum() < 140
