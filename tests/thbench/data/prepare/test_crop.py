"""Crops stay inside the frame and landmarks move with the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thbench.data.landmarks.detector import Face
from thbench.data.prepare.crop import (
    Square,
    crop_squares,
    cut,
    moved,
    pixels_outside,
    share_outside,
)
from thbench.errors import ThbenchError


def face_at(x: float, y: float, extent: float) -> Face:
    points = np.tile(np.array([[x, y]], np.float32), (68, 1))
    points[0] -= extent / 2
    points[1] += extent / 2
    return Face(np.array([x - extent, y - extent, x + extent, y + extent], np.float32), points)


@given(
    st.integers(16, 900),
    st.integers(16, 900),
    st.floats(-50, 950),
    st.floats(-50, 950),
    st.floats(1, 2000),
    st.floats(0.5, 4),
)
def test_a_square_never_leaves_its_frame(
    height: int, width: int, x: float, y: float, extent: float, margin: float
) -> None:
    for policy in ("as-is", "per-frame", "per-clip"):
        (square,) = crop_squares(policy, [(height, width)], [face_at(x, y, extent)], margin)
        assert square.side >= 1
        assert 0 <= square.left <= width - square.side
        assert 0 <= square.top <= height - square.side


@pytest.mark.parametrize(("side", "size_px"), [(40, 80), (90, 30), (64, 64)])
def test_landmarks_follow_the_pixels(side: int, size_px: int) -> None:
    # A soft spot whose centre of mass can be measured before and after.
    rows, columns = np.mgrid[:120, :120]
    image = np.exp(-((columns - 61.0) ** 2 + (rows - 53.0) ** 2) / 18)[..., None].repeat(3, 2) * 255
    square = Square(61 - side // 2, 53 - side // 2 + 2, side)
    out = cut(image.astype(np.uint8), square, size_px)[..., 0].astype(float)
    rows, columns = np.mgrid[:size_px, :size_px]
    centre = np.array([(columns * out).sum(), (rows * out).sum()]) / out.sum()
    assert np.allclose(
        moved(np.array([61.0, 53.0], np.float32), square, size_px), centre, atol=0.15
    )


def test_as_is_takes_the_centre() -> None:
    assert crop_squares("as-is", [(60, 100)], [face_at(5, 5, 10)], 2) == [Square(20, 0, 60)]


def test_per_frame_surrounds_the_face_with_room_for_the_forehead() -> None:
    (square,) = crop_squares("per-frame", [(400, 400)], [face_at(200, 200, 60)], 2)
    assert square.side == 120
    assert square.top + square.side / 2 == pytest.approx(
        190.5, abs=1
    )  # a sixth of the extent above the middle


def test_per_clip_is_one_square() -> None:
    faces = [face_at(200 + shift, 200, 60) for shift in (-9, 0, 4)]
    squares = crop_squares("per-clip", [(400, 400)] * 3, faces, 2)
    assert len(set(squares)) == 1
    assert squares[0] == crop_squares("per-frame", [(400, 400)], [faces[1]], 2)[0]


def test_per_clip_needs_frames_of_one_size() -> None:
    with pytest.raises(ThbenchError, match="differ in size"):
        crop_squares("per-clip", [(400, 400), (300, 400)], [face_at(200, 200, 60)] * 2, 2)


def walk(shift_px: float, frames: int = 20) -> list[Face]:
    """A face that goes from the middle of a 640 x 360 frame to both sides and back."""
    phase = np.linspace(0, 2 * np.pi, frames)
    return [face_at(320 + shift_px * np.sin(angle), 180, 60) for angle in phase]


@pytest.mark.parametrize("shift_px", [0, 20, 60, 120])
def test_per_clip_holds_a_head_that_moves(shift_px: float) -> None:
    faces = walk(shift_px)
    squares = crop_squares("per-clip", [(360, 640)] * len(faces), faces, 2)
    landmarks = np.stack(
        [moved(face.landmarks, square, 256) for face, square in zip(faces, squares, strict=True)]
    )

    assert len(set(squares)) == 1
    assert pixels_outside(landmarks, 256).max() == 0


def test_per_clip_is_moved_before_it_is_enlarged() -> None:
    # Most of the time at 200, for a while 20 pixels to the right: the head, 90 pixels, still fits.
    faces = [face_at(200, 200, 60)] * 8 + [face_at(220, 200, 60)] * 3
    square = crop_squares("per-clip", [(400, 400)] * 11, faces, 2)[0]
    assert (square.side, square.left + square.side) == (120, 266)  # pixel edges


def test_a_face_in_the_corner_does_not_widen_the_crop_of_a_still_one() -> None:
    still = [face_at(320 + step, 180, 60) for step in (-3, -1, 0, 0, 1, 2, 3)]
    alone = crop_squares("per-clip", [(360, 640)] * 7, still, 2)[0]
    assert crop_squares("per-clip", [(360, 640)] * 8, [*still, face_at(60, 60, 70)], 2)[0] == alone


def test_landmarks_outside_are_measured_from_the_edge_of_the_outer_pixels() -> None:
    points = np.array([[-0.5, 10], [63.5, 63.5], [-3.5, 10], [10, 65.5]], np.float32)
    assert pixels_outside(points, 64).tolist() == [0, 0, 3, 2]
    assert share_outside(points, 64) == 0.5
