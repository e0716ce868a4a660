"""Convolutions that halve or double: the same as the two steps, in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from thbench.paper.nets.blocks import conv
from thbench.paper.nets.resampling import convolve_and_halve, double, double_and_convolve, halve

# Maps of two frames. Halved, those of 32 x 32 have 512 positions, from which one convolution
# replaces two steps, and those of 30 x 34 have 510; doubled, 16 x 16 and 15 x 17. Some are odd.
SIDES = [(4, 4), (15, 17), (16, 16), (30, 34), (32, 32), (7, 7), (33, 64), (64, 33)]


def layers(*kernels):
    torch.manual_seed(0)
    for kernel in kernels:
        for bias in (True, False):
            yield conv(5, 3, kernel, bias).double().eval()


@pytest.mark.parametrize("side", SIDES)
def test_halving_within_the_convolution_is_pooling_after_it(side):
    for layer in layers(3, 1):
        same_with_gradients(layer, side, convolve_and_halve, lambda one, x: halve(one(x)))


@pytest.mark.parametrize("side", SIDES)
def test_doubling_within_the_convolution_is_doubling_before_it(side):
    for layer in layers(3):
        same_with_gradients(layer, side, double_and_convolve, lambda one, x: one(double(x)))


def same_with_gradients(layer, side, at_once, in_steps):
    results = []
    for function in (at_once, in_steps):
        layer.zero_grad()
        random = torch.Generator().manual_seed(1)
        x = torch.randn(2, 5, *side, dtype=torch.float64, generator=random, requires_grad=True)
        y = function(layer, x)
        (y * torch.sin(torch.arange(y.numel()).view_as(y))).sum().backward()
        results.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_larger_maps_are_convolved_once_and_never_kept_before_halving():
    """The map that would be pooled, 3 x 64 x 64, is not among what the gradient needs."""
    kept = []
    x = torch.randn(1, 5, 64, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        convolve_and_halve(nn.Conv2d(5, 3, 3, padding=1), x)
    assert (1, 3, 64, 64) not in kept


@pytest.mark.parametrize("function", [convolve_and_halve, double_and_convolve])
def test_in_bf16_the_weights_are_summed_in_float32(function):
    """Against bf16 of sums that are exact, and not of weights that were rounded before."""
    torch.manual_seed(0)
    layer, x = nn.Conv2d(5, 3, 3, padding=1), torch.randn(2, 5, 64, 64)
    seen = []

    def kernel_of(original):
        return lambda *arguments, **options: (
            seen.append(arguments[1]) or original(*arguments, **options)
        )

    with pytest.MonkeyPatch.context() as patch:
        for name in ("conv2d", "conv_transpose2d"):
            patch.setattr(f"torch.nn.functional.{name}", kernel_of(getattr(F, name)))
        with torch.autocast("cpu", torch.bfloat16):
            assert function(layer, x).dtype == torch.bfloat16

    assert seen[0].dtype == torch.float32


def test_each_call_takes_one_power_iteration():
    """A normalised weight that is read twice in training mode would move its norm twice."""
    torch.manual_seed(0)
    one, other = conv(4, 4, 3), conv(4, 4, 3)
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 4, 64, 64)

    convolve_and_halve(one, x)
    double_and_convolve(one, x)
    halve(other(x))
    other(double(x))

    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_pooling_an_even_size_is_plain_average_pooling():
    x = torch.randn(2, 3, 16, 8)
    assert torch.equal(halve(x), nn.functional.avg_pool2d(x, 2))
