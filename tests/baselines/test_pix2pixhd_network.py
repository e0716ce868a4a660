"""Pix2pixHD against numbers made by its authors' code (../shared/fixtures), and the mistakes that
must not pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.pix2pixhd.losses import (
    VGGLoss,
    adam,
    apply_gradients,
    compute_losses,
    take_gradients,
)
from baselines.pix2pixhd.network import (
    PRESETS,
    GlobalGenerator,
    MultiscaleDiscriminator,
    build,
    initialise,
    parameter_counts,
    without_running_statistics,
)

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(
    not FIXTURES.exists(), reason="the authors' fixtures are not on this machine"
)


class FixtureVgg(nn.Module):
    """The fixture's thin VGG-19, in the authors' five slices."""

    SLICES = ((0, 2), (2, 7), (7, 12), (12, 21), (21, 30))
    POOLS = (4, 9, 18, 27)

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.weights = {name.split(".", 1)[1]: tensor.double() for name, tensor in weights.items()}

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for first, last in self.SLICES:
            for index in range(first, last):
                if index in self.POOLS:
                    x = nn.functional.max_pool2d(x, 2)
                elif f"{index}.weight" in self.weights:
                    x = nn.functional.conv2d(
                        x, self.weights[f"{index}.weight"], self.weights[f"{index}.bias"], padding=1
                    )
                else:
                    x = x.relu()
            maps.append(x)
        return maps


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(FIXTURES / "pix2pixhd_small.pt", weights_only=True)
    return loaded


@pytest.fixture
def nets(reference: dict[str, Any]) -> tuple[GlobalGenerator, MultiscaleDiscriminator]:
    """The fixture's networks in float64, so that only the fixture's own rounding remains."""
    generator, discriminator = GlobalGenerator(8, n_down=2, n_blocks=2), MultiscaleDiscriminator(8)
    generator.load_state_dict(reference["netG"], strict=True)
    discriminator.load_state_dict(reference["netD"], strict=True)
    return generator.double(), discriminator.double()


@pytest.fixture
def batch(reference: dict[str, Any]) -> tuple[Tensor, Tensor]:
    return reference["input"]["label"].double(), reference["input"]["image"].double()


Nets = tuple[GlobalGenerator, MultiscaleDiscriminator]
Batch = tuple[Tensor, Tensor]


def discriminator_error(
    discriminator: MultiscaleDiscriminator, batch: Batch, reference: dict[str, Any]
) -> float:
    maps = discriminator(torch.cat(batch, 1))
    if [[m.shape for m in scale] for scale in maps] != [
        [m.shape for m in scale] for scale in reference["D_output"]
    ]:
        return float("inf")
    return max(
        float((a - b).detach().abs().max())
        for ours, theirs in zip(maps, reference["D_output"], strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def test_generator_output_is_the_authors(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    torch.testing.assert_close(nets[0](batch[0]).float(), reference["G_output"], rtol=0, atol=1e-5)


def test_all_ten_discriminator_maps_are_the_authors(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    assert discriminator_error(nets[1], batch, reference) < 1e-5


def test_swapped_scales_are_caught(nets: Nets, batch: Batch, reference: dict[str, Any]) -> None:
    swapped = {
        name.replace("scale0", "scaleX")
        .replace("scale1", "scale0")
        .replace("scaleX", "scale1"): tensor
        for name, tensor in reference["netD"].items()
    }
    nets[1].load_state_dict(swapped, strict=True)
    assert discriminator_error(nets[1], batch, reference) > 0.1


def test_zero_padding_in_the_generator_is_caught(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    nets[0].model[0] = nn.ZeroPad2d(3)
    assert (nets[0](batch[0]) - reference["G_output"]).abs().max() > 0.1


def test_vgg_distance_is_the_authors(batch: Batch, reference: dict[str, Any]) -> None:
    features = FixtureVgg(reference["vgg"])
    for ours, theirs in zip(features(batch[1]), reference["vgg_features"], strict=True):
        torch.testing.assert_close(ours.float(), theirs, rtol=0, atol=1e-5)
    loss = VGGLoss(features)(reference["G_output"].double(), batch[1])
    assert loss.item() == pytest.approx(10 * reference["vgg_loss"], rel=1e-4)


def test_losses_and_weights_of_two_training_steps_are_the_authors(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    content = VGGLoss(FixtureVgg(reference["vgg"]))
    optimisers = adam(nets[0]), adam(nets[1])
    for step in reference["train_steps"]:
        losses = compute_losses(*nets, content, *batch)
        found = {
            "G_GAN": losses.gan,
            "G_GAN_Feat": losses.feature_matching,
            "G_VGG": losses.content,
            "D_real": losses.real,
            "D_fake": losses.fake,
        }
        for name, value in step["losses"].items():
            assert found[name].item() == pytest.approx(value, rel=1e-4), name
        assert losses.generator.item() == pytest.approx(step["loss_G"], rel=1e-4)
        assert losses.discriminator.item() == pytest.approx(step["loss_D"], rel=1e-4)
        for optimiser, net, gradients in zip(
            optimisers, nets, take_gradients(losses, *nets), strict=True
        ):
            apply_gradients(optimiser, net, gradients)
    assert agreement(nets[0], reference["netG_after"]) > 0.97
    assert agreement(nets[1], reference["netD_after"]) > 0.99


def test_gradients_of_the_first_step_are_the_authors(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    losses = compute_losses(*nets, VGGLoss(FixtureVgg(reference["vgg"])), *batch)
    for net, gradients, norms in zip(
        nets, take_gradients(losses, *nets), ("gradnorm_G", "gradnorm_D"), strict=True
    ):
        for (name, _), gradient in zip(net.named_parameters(), gradients, strict=True):
            expected = reference["train_steps"][0][norms][name]
            assert gradient.norm().item() == pytest.approx(expected, rel=1e-4, abs=1e-5), name


def test_updating_one_network_after_the_other_is_caught(
    nets: Nets, batch: Batch, reference: dict[str, Any]
) -> None:
    content = VGGLoss(FixtureVgg(reference["vgg"]))
    optimisers = adam(nets[0]), adam(nets[1])
    for _ in reference["train_steps"]:
        for optimiser, part in zip(optimisers, ("generator", "discriminator"), strict=True):
            optimiser.zero_grad()
            getattr(compute_losses(*nets, content, *batch), part).backward()
            optimiser.step()
    assert agreement(nets[1], reference["netD_after"]) < 0.9


def agreement(net: nn.Module, expected: dict[str, Tensor]) -> float:
    """The share of elements within 1e-5 of the authors', in the weight tensor where it is smallest.

    Adam divides each gradient by its own size, so where a gradient is near zero its rounding noise
    (the authors ran in float32) becomes a step of full size. That holds for about 2 % of G's
    weights and for every bias that an instance norm cancels, which are left out.
    """
    cancelled = {name for name in expected if name.endswith("bias")} - {
        "model.19.bias",
        *(f"scale{scale}_layer{layer}.0.bias" for scale in (0, 1) for layer in (0, 4)),
    }
    return min(
        float(((tensor - expected[name]).abs() < 1e-5).double().mean())
        for name, tensor in net.state_dict().items()
        if name not in cancelled
    )


@pytest.mark.parametrize(
    ("listing", "index"), [("pix2pixHD_full_netG_global.txt", 0), ("pix2pixHD_full_netD.txt", 1)]
)
def test_full_size_layout_is_the_authors_entry_for_entry(listing: str, index: int) -> None:
    lines = [
        line for line in (FIXTURES / listing).read_text().splitlines() if not line.startswith("#")
    ]
    with torch.device("meta"):
        state = build(PRESETS["paper"])[index].state_dict()
    assert [
        (name, str(tuple(tensor.shape)), str(tensor.dtype)) for name, tensor in state.items()
    ] == [tuple(line.split("\t")) for line in lines]


def test_checkpoints_with_instance_norm_statistics_load_after_filtering(
    reference: dict[str, Any],
) -> None:
    old = {
        **reference["netG"],
        "model.2.running_mean": torch.zeros(8),
        "model.2.running_var": torch.ones(8),
    }
    GlobalGenerator(8, n_down=2, n_blocks=2).load_state_dict(
        without_running_statistics(old), strict=True
    )


def test_parameter_counts_at_full_size() -> None:
    assert parameter_counts(PRESETS["paper"]) == {"generator": 182443267, "discriminator": 5535618}


def test_initialisation_is_the_authors() -> None:
    torch.manual_seed(0)
    generator, _ = build(PRESETS["small"])
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    initialise(generator)
    after = generator.state_dict()
    assert after["model.4.weight"].std().item() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(after["model.4.bias"], before["model.4.bias"])
