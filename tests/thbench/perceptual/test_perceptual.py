"""The content networks: layers, preprocessing, the three key layouts, against torchvision's own
VGG.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from thbench.errors import ThbenchError
from thbench.perceptual import vgg
from thbench.perceptual.vgg import (
    VGG19,
    VGGFACE16,
    VGGFeatures,
    VGGPlan,
    caffe_state,
    caffe_vgg19,
    random_vgg,
    random_vgg16,
    random_vgg19,
    vggface16,
)

SMALL19 = replace(VGG19, stages=tuple(tuple(4 for _ in stage) for stage in VGG19.stages))
SMALLFACE = replace(VGGFACE16, stages=tuple(tuple(4 for _ in stage) for stage in VGGFACE16.stages))
FACE_NAMES = [
    "conv1_1",
    "conv1_2",
    "conv2_1",
    "conv2_2",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "conv4_1",
    "conv4_2",
    "conv4_3",
    "conv5_1",
    "conv5_2",
    "conv5_3",
]


def images(seed: int = 0, size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(layers: nn.Sequential, pixels: Tensor, taps: list[int]) -> list[Tensor]:
    """torchvision's `features` run layer by layer, its outputs kept at the indices that the papers'
    code names.
    """
    kept = []
    for position, layer in enumerate(layers):
        pixels = layer(pixels)
        if position in taps:
            kept.append(pixels.clone())  # torchvision's ReLUs work in place
    return kept


@pytest.mark.slow
def test_full_vgg19_equals_torchvision_at_the_named_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg19(weights=None).eval()
    torch.save(
        {key: value for key, value in reference.state_dict().items() if key.startswith("features")},
        tmp_path / "vgg19.pth",
    )
    network = caffe_vgg19("max", tmp_path / "vgg19.pth")
    x = images()
    bgr = ((x + 1) / 2 * 255).flip(1) - torch.tensor([103.939, 116.779, 123.680]).view(1, 3, 1, 1)
    with torch.no_grad():
        ours, expected = network(x), by_hand(reference.features, bgr, [1, 6, 11, 20, 29])
    assert [f.shape[1] for f in ours] == [64, 128, 256, 512, 512]
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.slow
def test_full_vggface_equals_torchvision_and_takes_rgb(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16(weights=None).features.eval()
    state = {
        key.replace(
            key.split(".")[0], FACE_NAMES[convolutions(reference).index(int(key.split(".")[0]))]
        ): value
        for key, value in reference.state_dict().items()
    }
    torch.save(state | {"fc8.bias": torch.zeros(2622)}, tmp_path / "face.pth")
    network = vggface16("max", tmp_path / "face.pth")
    x = images()
    rgb = (x + 1) / 2 * 255 - torch.tensor([129.186279, 104.762383, 93.593964]).view(1, 3, 1, 1)
    with torch.no_grad():
        for a, b in zip(network(x), by_hand(reference, rgb, [1, 6, 11, 18, 25]), strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("layout", ["caffe", "torchvision", "bare"])
def test_every_key_layout_gives_the_same_network(layout: str) -> None:
    layers = random_vgg(SMALLFACE, 0).layers
    names = {
        "caffe": FACE_NAMES,
        "torchvision": [f"features.{i}" for i in convolutions(layers)],
        "bare": [str(i) for i in convolutions(layers)],
    }[layout]
    expected = layers.state_dict()
    state = {
        f"{name}.{part}": expected[f"{index}.{part}"]
        for index, name in zip(convolutions(layers), names, strict=False)
        for part in ("weight", "bias")
    }
    found = caffe_state(SMALLFACE, state | {"fc8.weight": torch.zeros(1)})
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def convolutions(layers: nn.Sequential) -> list[int]:
    return [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("plan", [SMALL19, SMALLFACE], ids=lambda plan: plan.name)
def test_average_pooling_is_the_default_and_differs_from_max(plan: VGGPlan) -> None:
    x = images()
    average, maximum = random_vgg(plan, 0), random_vgg(plan, 0, "max")
    assert any(isinstance(layer, nn.AvgPool2d) for layer in average.layers)
    with torch.no_grad():
        first, second = average(x), maximum(x)
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


def test_feature_maps_halve_five_times_and_are_after_the_relu() -> None:
    with torch.no_grad():
        features = random_vgg(SMALL19, 0)(images(size=64))
    assert [f.shape[-1] for f in features] == [64, 32, 16, 8, 4]
    assert all((f >= 0).all() for f in features)
    assert all(0.05 < float((f > 0).float().mean()) < 0.95 for f in features)


def test_gradients_reach_the_image_and_never_the_weights() -> None:
    network, x = random_vgg(SMALL19, 0), images().requires_grad_()
    sum(f.mean() for f in network(x)).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.train().training


def test_random_weights_follow_the_seed_and_leave_the_global_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = random_vgg(SMALL19, 0), random_vgg(SMALL19, 0), random_vgg(SMALL19, 1)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [network.state_dict()["layers.0.weight"] for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
@pytest.mark.parametrize("make", [random_vgg19, random_vgg16])
def test_full_random_networks_keep_the_magnitude_of_their_input(
    make: Callable[[], VGGFeatures],
) -> None:
    with torch.no_grad():
        scales = [float(f.pow(2).mean().sqrt()) for f in make()(images())]
    assert all(10 < scale < 1000 for scale in scales), scales


def test_weights_of_another_network_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vgg, "VGG19", SMALL19)
    path = tmp_path / "wrong.pth"
    for content in ({"features.0.weight": torch.zeros(4, 3, 3, 3)}, {"x": torch.zeros(1)}):
        torch.save(content, path)
        with pytest.raises(ThbenchError, match="these weights are not VGG19"):
            caffe_vgg19(path=path)
    torch.save(
        VGGFeatures(SMALL19).layers.state_dict() | {"5.weight": torch.zeros(9, 9, 3, 3)}, path
    )
    with pytest.raises(ThbenchError, match="cannot be loaded as VGG19"):
        caffe_vgg19(path=path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ThbenchError, match="cannot be loaded as VGG19"):
        caffe_vgg19(path=path)


def test_biases_with_extra_dimensions_are_flattened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vgg, "VGGFACE16", SMALLFACE)
    state = random_vgg(SMALLFACE, 0).layers.state_dict()
    torch.save(
        {key: value[None] if "bias" in key else value for key, value in state.items()},
        tmp_path / "face.pth",
    )
    assert vggface16(path=tmp_path / "face.pth").layers[0].bias.shape == (4,)


def test_missing_files_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(
        ThbenchError, match=r"vgg19-d01eb7cb.pth is missing .*thbench weights fetch vgg19-caffe"
    ):
        caffe_vgg19()
    with pytest.raises(
        ThbenchError, match=r"vgg_face_dag.pth is missing .*thbench weights fetch vggface16"
    ):
        vggface16()
