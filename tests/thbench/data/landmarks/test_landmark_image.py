"""Landmark images against hand-computed points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thbench.data.landmarks.image import GROUPS, draw_landmarks, landmark_images
from thbench.errors import ThbenchError


def square_face(size: float) -> torch.Tensor:
    """Landmarks on a grid that no two groups share: every line is horizontal."""
    points = torch.zeros(1, 68, 2)
    for row, (first, last, _, _) in enumerate(GROUPS):
        points[0, first : last + 1, 0] = torch.linspace(size * 0.1, size * 0.9, last - first + 1)
        points[0, first : last + 1, 1] = size * (row + 1) / 10
    return points


@pytest.mark.parametrize(("size", "thickness"), [(64, 1), (224, 2), (256, 2)])
def test_each_group_is_drawn_in_its_colour_and_thickness(size, thickness):
    image = landmark_images(square_face(size), size)[0].permute(1, 2, 0).numpy()
    for row, (_, _, _, colour) in enumerate(GROUPS):
        y, x = round(size * (row + 1) / 10), size // 2
        assert tuple(image[y, x]) == colour
        column = image[y - 5 : y + 6, x]
        assert (column.max(axis=1) > 0).sum() in (
            thickness,
            thickness + 1,
        )  # OpenCV's even widths are one more
    assert tuple(image[1, 1]) == (0, 0, 0)


def test_lines_pass_through_hand_computed_points():
    points = torch.full((1, 68, 2), -50.0)
    points[0, 0], points[0, 1] = torch.tensor([10.0, 10.0]), torch.tensor([20.0, 20.0])
    image = landmark_images(points, 64)[0]
    assert image[:, 15, 15].tolist() == [255, 255, 255]
    assert image[:, 15, 18].tolist() == [0, 0, 0]


def test_eyes_and_lips_are_closed_and_brows_are_open():
    points = torch.full((1, 68, 2), -50.0)
    corners = torch.tensor([[10.0, 10], [30, 10], [50, 10], [50, 30], [30, 30], [10, 30]])
    points[0, 36:42] = corners
    assert landmark_images(points, 64)[0][:, 20, 10].tolist() == [255, 0, 255]
    points = torch.full((1, 68, 2), -50.0)
    points[0, 17:22] = corners[:5]
    assert landmark_images(points, 64)[0][:, 20, 10].tolist() == [0, 0, 0]


def test_inner_lips_are_drawn():
    points = torch.full((1, 68, 2), -50.0)
    points[0, 60:68] = torch.tensor(
        [[10.0, 20], [20, 15], [30, 15], [40, 15], [50, 20], [40, 25], [30, 25], [20, 25]]
    )
    assert landmark_images(points, 64)[0][:, 15, 30].tolist() == [255, 255, 0]


def test_a_batch_equals_its_images_one_by_one():
    points = torch.rand(5, 68, 2) * 64
    batch = landmark_images(points, 64)
    assert batch.shape == (5, 3, 64, 64)
    assert batch.dtype == torch.uint8
    np.testing.assert_array_equal(
        batch.numpy(), torch.cat([landmark_images(p[None], 64) for p in points]).numpy()
    )


def test_points_outside_the_image_are_clipped_not_moved():
    points = torch.full((1, 68, 2), 1e4)
    assert landmark_images(points, 64).sum() == 0


def test_landmarks_that_are_not_finite_are_refused():
    points = torch.zeros(1, 68, 2)
    points[0, 3, 1] = float("nan")
    with pytest.raises(ThbenchError, match="not finite"):
        landmark_images(points, 64)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size_px=st.sampled_from([64, 100, 256]))
def test_images_are_the_coloured_lines_drawn_in_order(seed: int, size_px: int) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size_px / 2, size_px / 2, (3, 68, 2)).astype(np.float32)  # outside too

    drawn = np.zeros((3, size_px, size_px, 3), np.uint8)
    for image, face in zip(drawn, np.rint(points).astype(np.int32), strict=True):
        draw_landmarks(image, face, max(1, round(size_px / 128)))

    found = landmark_images(torch.from_numpy(points), size_px)
    assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), drawn)
