"""X2Face against numbers made by its authors' code (../shared/fixtures), and the mistakes that must
not pass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.x2face import network
from baselines.x2face.network import PRESETS, X2FaceNet, build, parameter_counts

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(
    not FIXTURES.exists(), reason="the authors' fixtures are not on this machine"
)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(FIXTURES / "x2face_small.pt", weights_only=True)
    return loaded


@pytest.fixture
def net(reference: dict[str, Any]) -> X2FaceNet:
    """The fixture's network in float64, so that only the fixture's own rounding remains."""
    loaded = X2FaceNet(ngf=4, depth=5, bottleneck=8)
    loaded.load_state_dict(reference["state_dict"], strict=True)
    return loaded.double().eval()


def error(net: X2FaceNet, reference: dict[str, Any], T: int) -> float:
    drive, sources = (
        reference["input"]["drive"].double(),
        reference["input"]["sources"][:, :T].double(),
    )
    with torch.no_grad():
        return float((net(drive, sources) - reference["cases"][T]["output"]).abs().max())


@pytest.mark.parametrize("T", [1, 3, 8])
def test_output_is_the_authors_for_every_number_of_sources(
    net: X2FaceNet, reference: dict[str, Any], T: int
) -> None:
    assert error(net, reference, T) < 1e-5


def test_float32_output_is_the_authors(net: X2FaceNet, reference: dict[str, Any]) -> None:
    with torch.no_grad():
        out = net.float()(reference["input"]["drive"], reference["input"]["sources"])
    torch.testing.assert_close(out, reference["cases"][8]["output"], rtol=0, atol=2e-5)


def test_two_sgd_steps_end_in_the_authors_weights(
    net: X2FaceNet, reference: dict[str, Any]
) -> None:
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    drive, sources = (
        reference["input"]["drive"].double(),
        reference["input"]["sources"][:, :1].double(),
    )
    for expected in reference["train_losses"]:
        optimiser.zero_grad()
        loss = F.l1_loss(net(drive, sources), drive)
        assert loss.item() == pytest.approx(expected, abs=1e-5)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(
            tensor,
            reference["train_state_dict_after_2_steps"][name].to(tensor.dtype),
            rtol=0,
            atol=1e-5,
        )


def test_more_sources_than_fit_at_once_change_nothing(
    net: X2FaceNet, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_SOURCES_AT_ONCE", 3)
    assert error(net, reference, 8) < 1e-5


def test_upsampling_without_aligned_corners_is_caught(
    net: X2FaceNet, reference: dict[str, Any]
) -> None:
    for module in net.modules():
        if isinstance(module, nn.Upsample):
            module.align_corners = False
    assert error(net, reference, 1) > 0.1
    assert error(net, reference, 8) > 0.1


def test_sampling_without_aligned_corners_is_caught(
    net: X2FaceNet, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = F.grid_sample

    def not_aligned(images: Tensor, grid: Tensor, **options: Any) -> Tensor:
        return sample(images, grid, **{**options, "align_corners": False})

    monkeypatch.setattr(F, "grid_sample", not_aligned)
    assert error(net, reference, 1) > 0.1


def test_border_padding_is_caught(
    net: X2FaceNet, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = F.grid_sample

    def padded(images: Tensor, grid: Tensor, **options: Any) -> Tensor:
        return sample(images, grid, **{**options, "padding_mode": "border"})

    monkeypatch.setattr(F, "grid_sample", padded)
    assert error(net, reference, 1) > 0.1


def test_a_single_tanh_in_the_driving_path_is_caught(
    net: X2FaceNet, reference: dict[str, Any]
) -> None:
    driver = net.get_submodule("pix2pixSampler.netG.model.up")
    assert isinstance(driver, nn.Sequential)
    assert isinstance(driver[3], nn.Tanh)
    driver[3] = nn.Identity()
    assert error(net, reference, 1) > 0.1


def test_full_size_layout_is_the_authors_entry_for_entry() -> None:
    lines = (FIXTURES / "x2face_full_state_dict.txt").read_text().splitlines()
    expected = [tuple(line.split("\t")) for line in lines if not line.startswith("#")]
    with torch.device("meta"):
        state = X2FaceNet().state_dict()
    assert [
        (name, str(tuple(tensor.shape)), str(tensor.dtype)) for name, tensor in state.items()
    ] == expected
    assert len(expected) == 162


def test_checkpoints_of_torch_02_without_batch_counters_load_strictly(
    reference: dict[str, Any],
) -> None:
    old = {
        name: tensor
        for name, tensor in reference["state_dict"].items()
        if "num_batches_tracked" not in name
    }
    assert len(old) < len(reference["state_dict"])
    X2FaceNet(ngf=4, depth=5, bottleneck=8).load_state_dict(old, strict=True)


def test_parameter_counts_at_full_size() -> None:
    assert parameter_counts(PRESETS["paper"]) == {
        "embedding": 39157760,
        "driving": 25614080,
        "total": 64771840,
    }


def test_initialisation_is_the_authors() -> None:
    torch.manual_seed(0)
    net = build(PRESETS["small"])
    net.initialise()
    norm = net.get_submodule("pix2pixUnwrapped.netG.model.submodule.submodule.submodule.down.2")
    conv = net.get_submodule("pix2pixUnwrapped.netG.model.submodule.submodule.submodule.down.1")
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(conv, nn.Conv2d)
    assert 0.02 <= norm.weight.min() < 0.15 < 0.85 < norm.weight.max() <= 1
    assert norm.bias.abs().max() == 0
    fan_in, fan_out = conv.in_channels * 16, conv.out_channels * 16
    assert conv.weight.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.05)
