"""Pupils in landmark images: where they are, what they hide, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_frames import random_frames

from thbench.data.landmarks.image import drawn, landmark_images
from thbench.errors import ThbenchError
from thbench.method import Frames, joined

NOWHERE = torch.full((1, 68, 2), -50.0)
places = st.floats(8, 50, width=32)


@given(x=places, y=places, size_px=st.sampled_from([64, 256]))
@settings(max_examples=40, deadline=None)
def test_the_middle_of_the_white_is_the_pupil_to_a_tenth_of_a_pixel(x, y, size_px):
    hidden = [float("nan"), float("nan")]
    image = landmark_images(NOWHERE, size_px, torch.tensor([[[x, y], hidden]]))[0].double()
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])

    rows, columns = torch.meshgrid(torch.arange(size_px), torch.arange(size_px), indexing="ij")
    total = image[0].sum()
    assert abs((columns * image[0]).sum() / total - x) < 0.1
    assert abs((rows * image[0]).sum() / total - y) < 0.1
    radius_px = max(1, 4 * size_px / 256)
    assert total / 255 == pytest.approx(np.pi * radius_px**2, rel=0.25)


@pytest.mark.parametrize("place", [[-1.0, 30.0], [63.8, 63.8], [30.0, -200.0], [1e6, 5.0]])
def test_a_pupil_at_or_past_the_edge_is_cut_off(place):
    eyes = torch.tensor([[place, [20.0, 20.0]]])
    image = landmark_images(NOWHERE, 64, eyes)[0]
    alone = landmark_images(NOWHERE, 64, torch.tensor([[[20.0, 20.0], [float("nan")] * 2]]))[0]
    assert torch.equal(image[:, 15:26, 15:26], alone[:, 15:26, 15:26])


def test_without_pupils_the_image_is_the_papers_and_hidden_ones_leave_it_so():
    frames = random_frames(3, 64, 0)
    shut = Frames(frames.images, frames.landmarks, torch.full((3, 2, 2), float("nan")))
    plain = landmark_images(frames.landmarks, 64)
    assert torch.equal(drawn(shut, True), plain)
    assert torch.equal(drawn(frames, False), plain)


def test_frames_without_pupils_are_refused_where_pupils_are_drawn():
    with pytest.raises(ThbenchError, match=r"these frames have none.*landmarks of 70 points"):
        drawn(random_frames(2, 64, 0), True)


def test_frames_keep_their_pupils_when_they_are_chosen_blanked_and_joined():
    plain = random_frames(3, 64, 0)
    eyes = torch.arange(12.0).reshape(3, 2, 2)
    frames = Frames(plain.images, plain.landmarks, eyes)
    for found, expected in (
        (frames[[2, 0]], eyes[[2, 0]]),
        (frames.without_images(), eyes),
        (joined([frames, frames[:1]]), torch.cat([eyes, eyes[:1]])),
    ):
        torch.testing.assert_close(found.pupils, expected, rtol=0, atol=0)
    assert joined([frames, plain]).pupils is None
    with pytest.raises(ThbenchError, match="pupils must be float32"):
        Frames(plain.images, plain.landmarks, eyes[:2])
