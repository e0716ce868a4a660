"""The networks of set metrics against other libraries' (reference/make.py) and their official
layouts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.seeded_networks import EMBEDDING, SMALL, layout, seeded_input, seeded_weights
from torch import Tensor, nn

from thbench.errors import ThbenchError
from thbench.metrics import clip_features, dinov2_features
from thbench.metrics.clip_net import ClipImageEncoder
from thbench.metrics.cmmd import cmmd
from thbench.metrics.dinov2_net import Dinov2
from thbench.metrics.fd_dinov2 import fd_dinov2
from thbench.metrics.fvd import logits
from thbench.metrics.i3d_net import I3D
from thbench.metrics.kid import kid_clip, kid_dinov2
from thbench.metrics.network_input import batched, resized, with_weights

REFERENCE = json.loads((Path(__file__).parent / "reference" / "outputs.json").read_text())


def seeded(network: nn.Module) -> nn.Module:
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    return with_weights(network, seeded_weights(shapes, 0), Path("seeded"))


@pytest.mark.parametrize(
    ("name", "network", "x"),
    [
        ("dinov2", Dinov2(SMALL), seeded_input(2, 3, 70, 70)),
        ("clip", ClipImageEncoder(SMALL, EMBEDDING), seeded_input(2, 3, 70, 70)),
        ("i3d", I3D(), seeded_input(1, 3, 16, 224, 224).clamp(-1, 1)),
    ],
)
def test_outputs_equal_those_of_another_library(name: str, network: nn.Module, x: Tensor) -> None:
    expected = np.array(REFERENCE[name]["output"])
    with torch.inference_mode():
        found = seeded(network)(x).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "build"), [("dinov2", Dinov2), ("clip", ClipImageEncoder), ("i3d", I3D)]
)
def test_names_and_shapes_of_all_weights_are_the_official_ones(
    name: str, build: type[nn.Module]
) -> None:
    with torch.device("meta"):
        assert layout(build().state_dict()) == REFERENCE[name]["layout"]


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution with a = -0.75."""
    x, a = np.abs(x), -0.75
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def test_positions_of_dinov2_are_read_between_the_learned_ones_as_its_authors_do() -> None:
    """Against the bicubic filter in float64, at the places that the authors' 0.1 gives."""
    network = seeded(Dinov2(SMALL))
    learned, side = SMALL.side, 3
    places = (np.arange(side) + 0.5) * learned / (side + 0.1) - 0.5
    rows = np.zeros((side, learned))
    for row, place in enumerate(places):
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            rows[row, np.clip(tap, 0, learned - 1)] += cubic(np.array(place - tap))

    grid = network.get_parameter("pos_embed")[0, 1:].double().numpy().reshape(learned, learned, -1)
    expected = np.einsum("ai,bj,ijd->abd", rows, rows, grid).reshape(side * side, -1)
    assert isinstance(network, Dinov2)
    found = network._positions(side)[0].numpy()
    np.testing.assert_allclose(found[1:], expected, atol=1e-5)
    np.testing.assert_array_equal(found[0], network.get_parameter("pos_embed")[0, 0].numpy())


def frames(n: int, seed: int = 0, size: int = 48) -> Tensor:
    smooth = nn.functional.interpolate(seeded_input(n, 3, 6, 6, seed=seed), size=size)
    return ((smooth * 40 + 128).clamp(0, 255)).round().to(torch.uint8)


def test_frames_become_smaller_as_pillow_does_it() -> None:
    images = frames(2, size=300)
    image = Image.fromarray(images[1].permute(1, 2, 0).numpy())
    expected = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) / np.float32(255)
    np.testing.assert_array_equal(resized(images, 224)[1].permute(1, 2, 0).numpy(), expected)
    assert resized(images[:0], 224).shape == (0, 3, 224, 224)


def test_features_do_not_depend_on_the_frames_beside_them() -> None:
    network, x = seeded(Dinov2(SMALL)), seeded_input(18, 3, 70, 70)
    together = batched(network, list(x), SMALL.width)
    np.testing.assert_allclose(
        batched(network, [x[17]], SMALL.width), together[17:], atol=1e-5 * np.abs(together).max()
    )
    assert batched(network, [], SMALL.width).shape == (0, SMALL.width)


@pytest.fixture
def official_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Small networks in files of the official layouts, mask token and text encoder included, in the
    places where the registry looks.
    """
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("thbench.metrics.dinov2_net.Dinov2.__init__.__defaults__", (SMALL,))
    monkeypatch.setattr(
        "thbench.metrics.clip_net.ClipImageEncoder.__init__.__defaults__", (SMALL, EMBEDDING)
    )
    monkeypatch.setattr(clip_features, "SIZE_PX", SMALL.image_px)
    more = {"mask_token": torch.zeros(1, SMALL.width)}
    text = {
        "logit_scale": torch.tensor(4.6),
        "text_model.final_layer_norm.weight": torch.ones(8),
        "vision_model.embeddings.position_ids": torch.arange(26)[None],
    }
    folder = tmp_path / "weights"
    folder.mkdir()
    dinov2, clip = seeded(Dinov2(SMALL)), seeded(ClipImageEncoder(SMALL, EMBEDDING))
    torch.save(dinov2.state_dict() | more, folder / "dinov2_vitl14_pretrain.pth")
    torch.save(clip.state_dict() | text, folder / "clip-vit-large-patch14-336.bin")
    yield folder
    dinov2_features._official.cache_clear()
    clip_features._official.cache_clear()


@pytest.mark.usefixtures("official_files")
def test_metrics_of_one_network_share_its_features_and_give_numbers() -> None:
    videos = np.repeat(["a", "b", "c"], 2)
    for first, second, width in ((fd_dinov2(), kid_dinov2(), 32), (cmmd(), kid_clip(), 24)):
        assert first.unavailable() is None
        assert first.feature_spec() == second.feature_spec()
        x, y = first.features(frames(6)), second.features(frames(6, seed=1))
        assert x.shape == (6, width)
        assert x.dtype == np.float32
        for metric in (first, second):
            estimate = metric.estimate(x, y, videos, videos)
            assert estimate.value != 0
            assert estimate.se > 0
            assert metric.estimate(x, x, videos, videos).value == pytest.approx(0, abs=1e-3)


def test_i3d_looks_at_whole_clips_in_order_at_224_pixels() -> None:
    """Each clip's logits are those of the network on it alone, scaled to [-1, 1]."""
    seen: list[Tensor] = []

    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.mean((1, 3, 4))[:, :1].expand(-1, 400)

    levels = torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
    rows = logits(Looking(), levels)
    assert rows.shape == (2, 400)
    (clips,) = seen
    assert clips.shape == (2, 3, 16, 224, 224)
    np.testing.assert_allclose(clips[1, 0, :, 0, 0], np.arange(16, 32) / 127.5 - 1, atol=1e-6)
    assert logits(Looking(), levels[:15]).shape == (0, 400)


def test_another_networks_file_is_named_and_refused(official_files: Path) -> None:
    other = official_files / "dinov2_vitl14_pretrain.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, other)
    dinov2_features._official.cache_clear()
    with pytest.raises(ThbenchError, match=f"{other.name} does not hold the weights"):
        fd_dinov2().features(frames(2))


@pytest.mark.parametrize(
    ("metric", "weights"),
    [
        (fd_dinov2(), "dinov2-vitl14"),
        (kid_dinov2(), "dinov2-vitl14"),
        (cmmd(), "clip-vitl14-336"),
        (kid_clip(), "clip-vitl14-336"),
    ],
)
def test_without_weights_the_command_that_fetches_them_is_named(
    metric: object, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert f"thbench weights fetch {weights}" in metric.unavailable()  # type: ignore[attr-defined]
