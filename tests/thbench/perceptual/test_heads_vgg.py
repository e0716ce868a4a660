from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.metrics.heads_net import load_heads_net
from thbench.perceptual.content import ContentLoss
from thbench.perceptual.heads_vgg import ASSET, load_heads_vgg


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    heads = synth(64)
    return (
        torch.cat(
            [heads.read(heads.videos[at], [30]).images for at in range(2000, 2300, 15)]
        ).float()
        / 127.5
        - 1
    )


def test_five_maps_of_mean_one_on_heads_it_never_saw(frames):
    maps = load_heads_vgg()(frames)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 64, 64),
        (32, 32, 32),
        (64, 16, 16),
        (128, 8, 8),
        (128, 4, 4),
    ]
    for feature in maps:
        assert feature.min() >= 0
        assert feature.mean().item() == pytest.approx(1, rel=0.35)
        assert (feature.amax((0, 2, 3)) > 0).float().mean() > 0.9  # few dead channels


def test_content_loss_orders_damage(frames):
    loss = ContentLoss([(load_heads_vgg(), 1.0)])
    slight, strong = (
        F.avg_pool2d(frames, size, 1, size // 2, count_include_pad=False) for size in (3, 7)
    )
    shifted = frames.roll(6, -1)
    assert loss(frames, frames) == 0
    assert 0 < loss(slight, frames) < loss(strong, frames)
    assert loss(slight, frames) < loss(shifted, frames)


def test_gradients_reach_the_picture_and_not_the_weights(frames):
    network = load_heads_vgg()
    x = frames[:2].clone().requires_grad_()
    sum(feature.mean() for feature in network(x)).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_it_shares_no_weights_with_the_metric_network():
    ours = {tuple(p.shape) for p in load_heads_vgg().parameters() if p.ndim == 4}
    metric = {tuple(p.shape) for p in load_heads_net().parameters() if p.ndim == 4}
    assert not ours & metric


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ThbenchError, match="heads-VGG") as caught:
        load_heads_vgg(tmp_path / "none.safetensors")
    assert "\n" not in str(caught.value)
    assert ASSET.stat().st_size < 2e6
