"""Losses against hand computations."""

import pytest
import torch
from torch import nn

from thbench.paper.losses import discriminator_hinge, feature_matching, match, realism
from thbench.perceptual.content import ContentLoss


class Doubler(nn.Module):
    def forward(self, x):
        return [1 * x, 2 * x]


def test_hinge_pushes_real_above_one_and_fake_below_minus_one():
    assert discriminator_hinge(
        torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])
    ).item() == pytest.approx(1.0)
    assert discriminator_hinge(torch.tensor([1.0]), torch.tensor([-1.0])).item() == 0


def test_realism_is_minus_the_score():
    assert realism(torch.tensor([1.0, 3.0])).item() == -2


def test_content_sums_weighted_mean_differences_and_reaches_the_fake_only():
    loss = ContentLoss([(Doubler(), 0.5), (Doubler(), 2.0)])
    fake, real = (
        torch.zeros(1, 3, 4, 4, requires_grad=True),
        torch.ones(1, 3, 4, 4, requires_grad=True),
    )
    value = loss(fake, real)
    assert value.item() == pytest.approx(0.5 * 3 + 2 * 3)
    value.backward()
    assert fake.grad.abs().sum() > 0
    assert real.grad is None


def test_feature_matching_sums_over_blocks_and_detaches_the_real_side():
    fake = [torch.zeros(2, 3, requires_grad=True), torch.zeros(2, requires_grad=True)]
    real = [torch.ones(2, 3, requires_grad=True), torch.full((2,), 3.0, requires_grad=True)]
    feature_matching(fake, real).backward()
    assert feature_matching(fake, real).item() == 4
    assert all(feature.grad is None for feature in real)


def test_match_covers_all_k_embeddings_and_trains_only_the_embedder():
    embeddings = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]], requires_grad=True)
    row = torch.zeros(1, 2, requires_grad=True)
    loss = match(embeddings, row)
    assert loss.item() == pytest.approx(2.5)
    loss.backward()
    assert (embeddings.grad != 0).all()
    assert row.grad is None
