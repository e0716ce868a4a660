"""The shape of a head: an analytic surface over (angle, height)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from thbench.data.synthetic.bumps import Array, bump
from thbench.data.synthetic.curves import CURVES, INNER_LANDMARKS, moved_curves, rest_curves
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

Floats = NDArray[np.float32]

# Horizontal sections of an average head: y, half width, front z, back z, z of the widest point.
_SECTIONS = np.array(
    [
        (1.000, 0.00, -0.06, -0.06, -0.06),
        (0.985, 0.17, 0.14, -0.27, -0.06),
        (0.94, 0.34, 0.34, -0.49, -0.06),
        (0.86, 0.50, 0.52, -0.67, -0.06),
        (0.74, 0.62, 0.655, -0.81, -0.06),
        (0.55, 0.705, 0.755, -0.91, -0.06),
        (0.35, 0.745, 0.80, -0.96, -0.05),
        (0.15, 0.755, 0.805, -0.96, -0.04),
        (0.0, 0.750, 0.785, -0.93, -0.03),
        (-0.2, 0.725, 0.785, -0.86, -0.01),
        (-0.4, 0.68, 0.785, -0.74, 0.0),
        (-0.55, 0.625, 0.785, -0.62, 0.02),
        (-0.68, 0.55, 0.78, -0.45, 0.06),
        (-0.80, 0.445, 0.765, -0.22, 0.14),
        (-0.89, 0.335, 0.75, 0.02, 0.26),
        (-0.95, 0.24, 0.725, 0.22, 0.38),
        (-0.985, 0.155, 0.69, 0.34, 0.46),
        (-1.0, 0.0, 0.55, 0.55, 0.55),
    ]
)
_TABLE_Y = np.linspace(-1.0, 1.0, 801)

# Landmarks 0..8 of the jaw: angle from the front in degrees, height (mirrored for 9..16).
_JAW = np.array(
    [
        (86, 0.02),
        (85, -0.17),
        (83.5, -0.36),
        (81, -0.54),
        (76, -0.70),
        (68, -0.825),
        (54, -0.91),
        (30, -0.965),
        (0, -0.983),
    ]
)

_JAW_ANGLE = np.deg2rad(np.concatenate([-_JAW[:, 0], _JAW[7::-1, 0]])).astype(np.float32)
_JAW_Y = np.concatenate([_JAW[:, 1], _JAW[7::-1, 1]]).astype(np.float32)


class Head:
    """One person's head surface.

    x to the right of the image, y up, z towards the viewer, in head units.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        y, width, front, back, middle = _SECTIONS.T

        between = 0.5 * (person.chin_width + person.jaw_width)
        widths = [person.chin_width, between, person.jaw_width, 1.0]
        jaw = np.interp(y, [-1, -0.85, -0.5, 0.1], widths)
        width = width * person.head_width * jaw
        front = front + person.forehead * np.exp(-(((y - 0.5) / 0.25) ** 2))

        sections = (width, front, back, middle)
        self._tables = [PchipInterpolator(y[::-1], section[::-1])(_TABLE_Y) for section in sections]
        self._rest = rest_curves(person)

    def width(self, y: Array) -> Floats:
        """Half width of the head at a height."""
        return np.asarray(np.interp(y, _TABLE_Y, self._tables[0]), np.float32)

    def angle(self, x: Array, y: Array) -> Floats:
        """The angle of the surface point that lies at (x, y) in the frontal view."""
        share = np.clip(x / np.maximum(self.width(y), 1e-3), -1, 1)
        return np.asarray(np.arcsin(share), np.float32)

    def at(self, angle: Array, y: Array, motion: Motion) -> Floats:
        """Surface points [..., 3] at angles and rest heights.

        angle: 0 in front, positive to the right of the image.
        """
        width, front, back, middle = (
            np.interp(y, _TABLE_Y, table).astype(np.float32) for table in self._tables
        )
        sine, cosine = np.sin(angle), np.cos(angle)
        x = width * sine

        flat = np.sign(cosine) * np.abs(cosine) ** np.float32(0.82)  # faces are flatter than napes
        depth = np.where(cosine > 0, front - middle, middle - back)
        z = middle + depth * np.where(cosine > 0, flat, cosine)

        facing = np.clip(cosine * 1.6, 0, 1)
        z = z + facing * self._relief(x, y)
        return self._moved(x, y, z, angle, motion)

    def point(self, degrees: float, y: float) -> Floats:
        """One surface point [3] of the head at rest."""
        angle = np.array(np.deg2rad(degrees), np.float32)
        return self.at(angle, np.array(y, np.float32), Motion())

    def curves(self, motion: Motion) -> Floats:
        """Frontal points [93, 2] at rest height, sliced by `CURVES`."""
        return moved_curves(self._rest, self.person, motion)

    def landmarks(self, curves: Floats, motion: Motion) -> Floats:
        """The 68 iBUG landmarks [68, 3] on the surface, from `Head.curves`, in the head frame."""
        inner = curves[INNER_LANDMARKS]
        angle = np.concatenate([_JAW_ANGLE, self.angle(inner[:, 0], inner[:, 1])])
        return self.at(angle, np.concatenate([_JAW_Y, inner[:, 1]]), motion)

    def pupils(self, curves: Floats, motion: Motion) -> Floats:
        """The centres of both irises [2, 3] on the surface, the one on the left of the image first;
        NaN where the lids have closed over one.
        """
        centres = np.concatenate([curves[CURVES["gaze_l"]], curves[CURVES["gaze_r"]]])
        points = self.at(self.angle(centres[:, 0], centres[:, 1]), centres[:, 1], motion)

        for eye, side in enumerate(("l", "r")):
            upper, lower = curves[CURVES[f"upper_{side}"]], curves[CURVES[f"lower_{side}"]]
            if (
                not _height_at(centres[eye, 0], lower)
                < centres[eye, 1]
                < _height_at(centres[eye, 0], upper)
            ):
                points[eye] = np.nan
        return points

    def _relief(self, x: Array, y: Array) -> Floats:
        """What the features add to the depth of a smooth head."""
        person, side = self.person, np.abs(x)
        wings_y = person.nose_tip_y - 0.03
        wings = 0.085 * bump(side, y, (0.125 * person.nose_width, wings_y), (0.055, 0.065))

        outer_sockets = -0.085 * bump(side, y, (person.eye_x, 0.0), (0.21, 0.12))
        inner_sockets = 0.05 * bump(side, y, (0.13, 0.03), (0.07, 0.09))
        sockets = outer_sockets - inner_sockets
        eyeballs = 0.06 * bump(side, y, (person.eye_x, 0.0), (0.13, 0.085))
        brow = 0.035 * bump(side, y, (0.28, person.brow_y), (0.25, 0.08))
        cheek = person.cheeks * bump(side, y, (0.42, -0.24), (0.19, 0.18))

        both_lips = 0.055 * bump(side, y, (0.0, person.mouth_y + 0.01), (0.2, 0.085))
        groove = 0.018 * bump(side, y, (0.0, person.mouth_y), (0.3, 0.018))
        lips = both_lips - groove
        under_lip = -0.03 * bump(side, y, (0.0, person.mouth_y - 0.14), (0.2, 0.05))
        chin = person.chin_depth * bump(side, y, (0.0, -0.9), (0.17, 0.09))

        nose = self._nose(side, y)
        relief = nose + wings + sockets + eyeballs + brow + cheek + lips + under_lip + chin
        return np.asarray(relief, np.float32)

    def _nose(self, side: Array, y: Array) -> Array:
        """The ridge from the brows to the tip, by its height and half width at some places."""
        person, tip = self.person, self.person.nose_tip_y
        bottom = tip - 0.085

        ridge_y = [bottom - 0.03, bottom, tip - 0.03, tip, tip + 0.07, 0.06, 0.17, 0.26]
        height = person.nose_height
        heights = [0.0, 0.085, height * 0.92, height, height * 0.9, person.nose_bridge, 0.03, 0.0]
        ridge = np.interp(y, ridge_y, heights)

        wide, halfway = person.nose_width, 0.5 + 0.5 * person.nose_width
        widths = np.array([0.125, 0.125, 0.095, 0.07, 0.10]) * np.array([wide, wide, halfway, 1, 1])
        half_width = np.interp(y, [bottom, tip, tip + 0.1, 0.05, 0.3], widths)
        return np.asarray(ridge * np.exp(-((side / half_width) ** 2.4)))

    def _moved(self, x: Array, y: Array, z: Array, angle: Array, motion: Motion) -> Floats:
        """The points [..., 3] of a head at rest, with its jaw dropped and its cheeks raised."""
        mouth_y = self.person.mouth_y
        front = np.clip(1.3 - np.abs(angle) * 0.62, 0, 1)
        below_mouth = np.clip((mouth_y + 0.03 - y) / (mouth_y + 0.98), 0, 1)
        hang = below_mouth * below_mouth * (3 - 2 * below_mouth) * front
        chin = np.clip((-0.55 - y) / 0.4, 0, 1)
        drop = hang * (0.13 * motion.jaw) + chin * front * self.person.chin_length

        cheek = motion.smile * bump(np.abs(x), y, (0.40, -0.33), (0.16, 0.16)) * front
        moved_x = x * (1 + 0.03 * cheek)
        moved_y = y - drop + 0.025 * cheek
        moved_z = z - 0.35 * hang * 0.13 * motion.jaw + 0.05 * cheek
        return np.stack([moved_x, moved_y, moved_z], -1).astype(np.float32)


def _height_at(x: float, lid: Floats) -> float:
    """The height of an eyelid [13, 2], whose points run to either side, at a place."""
    order = np.argsort(lid[:, 0])
    return float(np.interp(x, lid[order, 0], lid[order, 1]))
