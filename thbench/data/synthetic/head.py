"""The shape of a head: an analytic surface over (angle, height), and frontal curves of eyes, brows,
nose and mouth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

Floats = NDArray[np.float32]
Array = NDArray[np.floating]

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

# The frontal curves, in the order in which `Head.curves` holds them; "l" and "r" are sides of the
# image.
_COUNTS = {
    "upper_l": 13,
    "lower_l": 13,
    "upper_r": 13,
    "lower_r": 13,
    "brow_l": 5,
    "brow_r": 5,
    "bridge": 4,
    "nostrils": 5,
    "lips": 12,
    "mouth": 8,
    "gaze_l": 1,
    "gaze_r": 1,
}
_ENDS = dict(zip(_COUNTS, np.cumsum(list(_COUNTS.values())).tolist(), strict=True))
CURVES = {name: slice(_ENDS[name] - count, _ENDS[name]) for name, count in _COUNTS.items()}
_LID = np.linspace(-1, 1, 13)  # along an eyelid, from the outer corner
_ARCH = (1 - np.abs(_LID) ** 2.2) ** 0.8
_BROW = np.linspace(0, 1, 5)  # along a brow, from the outer end


def _inner_landmarks() -> list[int]:
    """Positions of landmarks 17..67 in the curves; the lids of the right eye run from its outer
    corner inwards.
    """
    at = {name: list(range(part.start, part.stop)) for name, part in CURVES.items()}
    left, right = (at["upper_l"], at["lower_l"]), (at["upper_r"][::-1], at["lower_r"][::-1])
    eyes = [
        [upper[0], upper[4], upper[8], upper[12], lower[8], lower[4]]
        for upper, lower in (left, right)
    ]
    return (
        at["brow_l"]
        + at["brow_r"]
        + at["bridge"]
        + at["nostrils"]
        + eyes[0]
        + eyes[1]
        + at["lips"]
        + at["mouth"]
    )


_INNER_LANDMARKS = np.array(_inner_landmarks())


class Head:
    """One person's head surface. x to the right of the image, y up, z towards the viewer, in head
    units.
    """

    def __init__(self, person: Person) -> None:
        self.person = person
        y, width, front, back, middle = _SECTIONS.T
        jaw = np.interp(
            y,
            [-1, -0.85, -0.5, 0.1],
            [
                person.chin_width,
                0.5 * (person.chin_width + person.jaw_width),
                person.jaw_width,
                1.0,
            ],
        )
        width = width * person.head_width * jaw
        front = front + person.forehead * np.exp(-(((y - 0.5) / 0.25) ** 2))
        self._tables = [
            PchipInterpolator(y[::-1], values[::-1])(_TABLE_Y)
            for values in (width, front, back, middle)
        ]
        self._rest = _rest_curves(person)

    def width(self, y: Array) -> Floats:
        """Half width of the head at a height."""
        return np.asarray(np.interp(y, _TABLE_Y, self._tables[0]), np.float32)

    def angle(self, x: Array, y: Array) -> Floats:
        """The angle of the surface point that lies at (x, y) in the frontal view."""
        return np.asarray(
            np.arcsin(np.clip(x / np.maximum(self.width(y), 1e-3), -1, 1)), np.float32
        )

    def at(self, angle: Array, y: Array, motion: Motion) -> Floats:
        """Surface points [..., 3] for angles (0 in front, positive to the right of the image) and
        rest heights.
        """
        person = self.person
        width, front, back, middle = (
            np.interp(y, _TABLE_Y, table).astype(np.float32) for table in self._tables
        )
        sine, cosine = np.sin(angle), np.cos(angle)
        x = width * sine
        flat = np.sign(cosine) * np.abs(cosine) ** np.float32(0.82)
        z = middle + np.where(cosine > 0, front - middle, middle - back) * np.where(
            cosine > 0, flat, cosine
        )
        facing = np.clip(cosine * 1.6, 0, 1)
        z = z + facing * self._relief(x, y)
        return self._move(x, y, z, angle, motion, person)

    def curves(self, motion: Motion) -> Floats:
        """Frontal points [93, 2] at rest height, sliced by `CURVES`: what is painted and what
        landmarks lie on.
        """
        p = self.person
        points = self._rest.copy()
        shut = min(motion.blink + 0.12 * motion.smile, 1.0)
        lower = -0.050 * (0.6 + 0.4 * p.eye_open) * (1 - 0.35 * motion.smile) * _ARCH
        upper = (
            0.078 * p.eye_open * (1 + 0.14 * max(motion.brows, 0)) + 0.012 * motion.gaze_y
        ) * _ARCH
        upper = upper + (0.85 * lower - upper) * shut
        brow = 0.05 * motion.brows - 0.02 * max(-motion.brows, 0) * _BROW
        for side in ("l", "r"):
            points[CURVES[f"upper_{side}"], 1] += upper
            points[CURVES[f"lower_{side}"], 1] += lower
            points[CURVES[f"brow_{side}"], 1] += brow if side == "l" else brow[::-1]
            points[CURVES[f"gaze_{side}"]] += (0.058 * motion.gaze_x, 0.022 * motion.gaze_y)
        points[CURVES["lips"]], points[CURVES["mouth"]] = _mouth(p, motion)
        return points

    def landmarks(self, curves: Floats, motion: Motion) -> Floats:
        """The 68 iBUG landmarks on the surface, [68, 3], head frame; curves come from
        `Head.curves`.
        """
        inner = curves[_INNER_LANDMARKS]
        angle = np.concatenate([_JAW_ANGLE, self.angle(inner[:, 0], inner[:, 1])])
        return self.at(angle, np.concatenate([_JAW_Y, inner[:, 1]]), motion)

    def _relief(self, x: Array, y: Array) -> Floats:
        p = self.person
        side = np.abs(x)
        tip = -0.37 + p.nose_length
        bottom = tip - 0.085
        ridge = np.interp(
            y,
            [bottom - 0.03, bottom, tip - 0.03, tip, tip + 0.07, 0.06, 0.17, 0.26],
            [
                0.0,
                0.085,
                p.nose_height * 0.92,
                p.nose_height,
                p.nose_height * 0.9,
                p.nose_bridge,
                0.03,
                0.0,
            ],
        )
        broad = np.interp(
            y,
            [bottom, tip, tip + 0.1, 0.05, 0.3],
            np.array([0.125, 0.125, 0.095, 0.07, 0.10])
            * np.array([p.nose_width, p.nose_width, 0.5 + 0.5 * p.nose_width, 1, 1]),
        )
        nose = ridge * np.exp(-((side / broad) ** 2.4))
        wings = 0.085 * _bump(side, y, 0.125 * p.nose_width, tip - 0.03, 0.055, 0.065)
        sockets = -0.085 * _bump(side, y, p.eye_x, 0.0, 0.21, 0.12) - 0.05 * _bump(
            side, y, 0.13, 0.03, 0.07, 0.09
        )
        balls = 0.06 * _bump(side, y, p.eye_x, 0.0, 0.13, 0.085)
        brow = 0.035 * _bump(side, y, 0.28, p.brow_y, 0.25, 0.08)
        cheek = p.cheeks * _bump(side, y, 0.42, -0.24, 0.19, 0.18)
        lips = 0.055 * _bump(side, y, 0.0, p.mouth_y + 0.01, 0.2, 0.085) - 0.018 * _bump(
            side, y, 0.0, p.mouth_y, 0.3, 0.018
        )
        under = -0.03 * _bump(side, y, 0.0, p.mouth_y - 0.14, 0.2, 0.05)
        chin = p.chin_depth * _bump(side, y, 0.0, -0.9, 0.17, 0.09)
        return np.asarray(
            nose + wings + sockets + balls + brow + cheek + lips + under + chin, np.float32
        )

    def _move(
        self, x: Array, y: Array, z: Array, angle: Array, motion: Motion, p: Person
    ) -> Floats:
        front = np.clip(1.3 - np.abs(angle) * 0.62, 0, 1)
        below = np.clip((p.mouth_y + 0.03 - y) / (p.mouth_y + 0.98), 0, 1)
        hang = below * below * (3 - 2 * below) * front
        lower = np.clip((-0.55 - y) / 0.4, 0, 1)
        drop = hang * (0.13 * motion.jaw) + lower * front * p.chin_length
        cheek = (
            motion.smile
            * np.exp(-(((np.abs(x) - 0.40) / 0.16) ** 2) - ((y + 0.33) / 0.16) ** 2)
            * front
        )
        return np.stack(
            [
                x * (1 + 0.03 * cheek),
                y - drop + 0.025 * cheek,
                z - 0.35 * hang * 0.13 * motion.jaw + 0.05 * cheek,
            ],
            -1,
        ).astype(np.float32)


def _bump(x: Array, y: Array, x0: float, y0: float, width: float, height: float) -> Array:
    return np.asarray(np.exp(-(((x - x0) / width) ** 2) - ((y - y0) / height) ** 2))


def _rest_curves(p: Person) -> Floats:
    """The curves of an open-eyed, still face, eyelids as straight lines; the mouth is left out."""
    points = np.zeros((sum(_COUNTS.values()), 2), np.float32)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        lid = np.stack([sign * (-p.eye_x + p.eye_width * _LID), -p.eye_tilt * _LID], 1)
        points[CURVES[f"upper_{side}"]] = points[CURVES[f"lower_{side}"]] = lid
        brow_y = (
            p.brow_y
            - 0.02
            + p.brow_arch * (1 - ((_BROW - 0.38) / 0.75) ** 2)
            + p.brow_tilt * (_BROW - 0.5) * 2
        )
        brow = np.stack([sign * (-p.eye_x - 0.205 + 0.4 * _BROW), brow_y], 1)
        points[CURVES[f"brow_{side}"]] = brow if side == "l" else brow[::-1]
        points[CURVES[f"gaze_{side}"]] = (-sign * p.eye_x, 0.012)
    tip = -0.37 + p.nose_length
    points[CURVES["bridge"], 1] = np.linspace(0.04, tip, 4)
    points[CURVES["nostrils"], 0] = 0.115 * p.nose_width * np.array([-1, -0.52, 0, 0.52, 1])
    points[CURVES["nostrils"], 1] = tip - np.array([0.055, 0.08, 0.092, 0.08, 0.055])
    return points


def _mouth(p: Person, motion: Motion) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outer lips (48..59 first) and inner lips (60..67), clockwise from the left corner."""
    half = p.mouth_width * (1 + 0.22 * motion.smile - 0.30 * motion.pucker - 0.06 * motion.jaw)
    full = 1 - 0.18 * motion.smile + 0.25 * motion.pucker
    corner = 0.055 * motion.smile - 0.004
    gape = 0.115 * motion.jaw + 0.02 * motion.pucker
    lift = 0.020 * motion.jaw + 0.012 * motion.smile
    u = np.array([-1, -0.62, -0.24, 0, 0.24, 0.62, 1])
    flank = 0.62 * p.upper_lip + lift * 0.8 + corner * 0.35
    bow = np.array(
        [
            corner,
            flank,
            p.upper_lip + lift,
            0.82 * p.upper_lip + lift,
            p.upper_lip + lift,
            flank,
            corner,
        ]
    )
    bow = bow * np.array([1, full, full, full, full, full, 1])
    v = np.array([0.62, 0.25, 0, -0.25, -0.62])
    sag = corner * np.array([0.3, 0, 0, 0, 0.3]) - (p.lower_lip * full + gape) * np.array(
        [0.72, 0.98, 1.0, 0.98, 0.72]
    )
    lips = np.stack([np.concatenate([u, v]) * half, p.mouth_y + np.concatenate([bow, sag])], 1)
    w = np.array([-0.88, -0.35, 0, 0.35, 0.88])
    roof = np.array([corner * 0.8, lift * 0.9, lift * 0.8, lift * 0.9, corner * 0.8])
    floor = -gape * np.array([0.93, 1.0, 0.93]) - 0.002
    mouth = np.stack(
        [np.concatenate([w, [0.35, 0, -0.35]]) * half, p.mouth_y + np.concatenate([roof, floor])], 1
    )
    return lips, mouth
