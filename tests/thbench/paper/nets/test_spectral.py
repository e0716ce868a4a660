"""Spectral normalisation, against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from thbench.paper.nets.spectral import EPS, spectral_norm

Shape = tuple[int, int, int]  # channels out, channels in, kernel
SHAPES = [(8, 4, 3), (16, 32, 1), (3, 5, 3)]


def two_layers(shape: Shape) -> tuple[nn.Conv2d, nn.Conv2d]:
    """The same layer, normalised by PyTorch and by this project."""
    out, inside, kernel = shape
    torch.manual_seed(0)
    theirs = nn.Conv2d(inside, out, kernel)
    parametrizations.spectral_norm(theirs, eps=EPS)
    torch.manual_seed(0)
    ours = nn.Conv2d(inside, out, kernel)
    spectral_norm(ours)
    return theirs, ours


@pytest.mark.parametrize("shape", SHAPES)
def test_it_starts_as_pytorchs_does_with_the_same_names(shape: Shape) -> None:
    theirs, ours = two_layers(shape)

    assert list(theirs.state_dict()) == list(ours.state_dict())
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name])


@pytest.mark.parametrize("shape", SHAPES)
def test_values_gradients_and_power_iterations_are_pytorchs(shape: Shape) -> None:
    gradients = []
    for layer in two_layers(shape):
        # Two forwards before one backward, as when a discriminator sees fake and real.
        first, second = layer.weight, layer.weight
        direction = torch.linspace(-1, 1, first.numel()).view_as(first)
        (first * direction + second.square() * direction).sum().backward()
        gradients.append((first.detach(), second.detach(), dict(layer.named_parameters())))

    (first, second, theirs), (own_first, own_second, ours) = gradients
    torch.testing.assert_close(own_first, first)
    torch.testing.assert_close(own_second, second)
    of_weight = "parametrizations.weight.original"
    torch.testing.assert_close(ours[of_weight].grad, theirs[of_weight].grad, atol=1e-5, rtol=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    layer = two_layers((4, 3, 3))[1].double().eval()
    (norm,) = layer.parametrizations.weight  # type: ignore[misc]
    original = layer.parametrizations.weight.original

    assert torch.autograd.gradcheck(norm, original)  # type: ignore[arg-type]


def test_evaluation_takes_no_power_iteration() -> None:
    layer = two_layers((8, 4, 3))[1]
    before = {name: value.clone() for name, value in layer.state_dict().items()}

    layer.eval().weight.sum().backward()

    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_norm_keeps_its_precision_beside_products_in_bf16() -> None:
    layer = two_layers((16, 32, 1))[1].eval()

    with torch.autocast("cpu", torch.bfloat16):
        inside = layer.weight

    assert inside.dtype == torch.float32
    assert torch.equal(inside, layer.weight)
