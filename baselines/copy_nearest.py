"""The floor that every real method must beat: each driving frame gets the shot whose landmarks are
nearest.
"""

from __future__ import annotations

from torch import Tensor

from thbench.method import DrivesWith, Frames, MethodOptions


class NearestShot:
    """The shots themselves."""

    def __init__(self, shots: Frames) -> None:
        self.shots = shots

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S]: copies of shots. Nearest is the smallest mean distance over the 68
        points, in pixels, nothing aligned: a head elsewhere in the frame is as wrong as a head
        turned elsewhere.
        """
        distances = (
            (drive.landmarks[:, None] - self.shots.landmarks[None]).norm(dim=-1).mean(dim=-1)
        )
        return self.shots.images[distances.argmin(dim=1)]


class CopyNearest:
    """Learns nothing."""

    name = "copy-nearest"
    drives_with: DrivesWith = "landmarks"

    def adapt(self, shots: Frames) -> NearestShot:
        return NearestShot(shots)


def copy_nearest(options: MethodOptions) -> CopyNearest:
    """Entry point."""
    return CopyNearest()
