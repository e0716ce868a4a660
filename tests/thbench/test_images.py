"""Conversions between uint8 frames and what networks see."""

import pytest
import torch

from thbench.errors import ThbenchError
from thbench.images import to_signed, to_uint8


def test_every_grey_level_survives_the_way_there_and_back():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_uint8(to_signed(levels)), levels)


def test_values_outside_are_clamped_and_all_are_rounded():
    values = torch.tensor([-7.0, -1.0, 0.0, 0.9999, 1.0, 7.0]).reshape(1, 1, 1, 6)
    assert to_uint8(values).flatten().tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_never_a_pixel(value):
    images = torch.zeros(2, 3, 4, 4)
    images[1, 0, 2, 2] = value
    with pytest.raises(ThbenchError, match="1 of 96 values of the rendered frames are not finite"):
        to_uint8(images)
