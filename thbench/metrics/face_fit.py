"""How a head stands: one fixed 3D face fitted to 68 landmarks by PnP.

The face is the mean of 60 synthetic persons at rest, made symmetric: a table that never changes, so
that a renderer that does cannot move a metric. Axes are those of the camera: x to the right of the
image, y down, z away from the viewer; the unit is the distance of the outer eye corners, whose
middle is the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TABLE = Path(__file__).parent / "face68.csv"

# Nose and eye corners: the points that no expression moves. Mouth, brows and lids do, and the jaw's
# outline slides over the face as it turns.
RIGID = [*range(27, 36), 36, 39, 42, 45]
FOCAL = 3.0  # of the frame's width: a face camera at 19 degrees

Array = NDArray[np.float64]


@dataclass(frozen=True)
class HeadPose:
    """Where the fixed face stands, for N frames.

    rotation: [N, 3, 3], from the face's axes to the camera's. translation: [N, 3], in distances of
    the outer eye corners. Both are NaN where there are no landmarks to fit.
    """

    rotation: Array
    translation: Array
    size_px: int

    @property
    def yaw(self) -> Array:
        """Degrees [N]; positive where the face turns to the right of the image."""
        return np.asarray(np.degrees(np.arctan2(-self.rotation[:, 0, 2], self.rotation[:, 2, 2])))

    @property
    def pitch(self) -> Array:
        """Degrees [N]; positive where the face turns up."""
        forward = np.hypot(self.rotation[:, 0, 2], self.rotation[:, 2, 2])
        return np.asarray(np.degrees(np.arctan2(self.rotation[:, 1, 2], forward)))

    @property
    def roll(self) -> Array:
        """Degrees [N]; positive clockwise in the image."""
        return np.asarray(np.degrees(np.arctan2(self.rotation[:, 1, 0], self.rotation[:, 0, 0])))

    def angle_to(self, other: HeadPose) -> Array:
        """Degrees [N]: the one turn that takes each pose to the other's."""
        trace = np.einsum("nij,nij->n", self.rotation, other.rotation)
        return np.asarray(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))))

    def to_front(self, landmarks: NDArray[np.floating]) -> Array:
        """Landmarks [N, 68, 2] as the face shows them from the front: [N, 68, 3] in its own axes.

        Each point is taken to lie at the depth that it has on the fixed face.
        """
        points = np.asarray(landmarks, np.float64)
        placed = face() @ self.rotation.transpose(0, 2, 1) + self.translation[:, None]
        depth = placed[..., 2:]
        across = (points - self.size_px / 2) * depth / (FOCAL * self.size_px)

        seen = np.concatenate([across, depth], 2) - self.translation[:, None]
        return np.asarray(seen @ self.rotation, np.float64)

    def to_image(self, points: NDArray[np.floating]) -> Array:
        """Points of the face [N, K, 3] in its own axes -> pixels [N, K, 2]: undoes `to_front`."""
        placed = np.asarray(points, np.float64) @ self.rotation.transpose(0, 2, 1)
        placed = placed + self.translation[:, None]
        across = placed[..., :2] / placed[..., 2:]
        return np.asarray(across * FOCAL * self.size_px + self.size_px / 2, np.float64)


@lru_cache(maxsize=1)
def face() -> Array:
    """The fixed face, float64 [68, 3]."""
    return np.asarray(np.loadtxt(TABLE, delimiter=",", skiprows=1, usecols=(1, 2, 3)))


def head_pose(landmarks: NDArray[np.floating], size_px: int) -> HeadPose:
    """Fits the fixed face to iBUG-68 landmarks [N, 68, 2] of square frames of `size_px` pixels."""
    rotation = np.full((len(landmarks), 3, 3), np.nan)
    translation = np.full((len(landmarks), 3), np.nan)

    for frame, points in enumerate(np.asarray(landmarks, np.float64)):
        if np.isfinite(points).all():
            rotation[frame], translation[frame] = _fit(points[RIGID], size_px)
    return HeadPose(rotation, translation, size_px)


def _fit(points: Array, size_px: int) -> tuple[Array, Array]:
    """The pose of least squares; NaN where the points lie on one spot or line."""
    focal_px, centre_px = FOCAL * size_px, size_px / 2
    camera = np.array([[focal_px, 0, centre_px], [0, focal_px, centre_px], [0, 0, 1.0]])
    nothing = np.full((3, 3), np.nan), np.full(3, np.nan)
    if np.linalg.svd(points - points.mean(0), compute_uv=False)[-1] < 1e-3:
        return nothing

    solid = face()[RIGID]
    found, turn, shift = cv2.solvePnP(solid, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return nothing
    _, turn, shift = cv2.solvePnP(
        solid, points, camera, None, turn, shift, True, flags=cv2.SOLVEPNP_ITERATIVE
    )
    return np.asarray(cv2.Rodrigues(turn)[0]), np.asarray(shift[:, 0])
