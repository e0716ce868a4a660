"""Frontal curves of eyes, brows, nose and mouth: what is painted and what landmarks lie on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# How many points each curve has, in the order in which they are held; "l" and "r" are sides of the
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
_LID_ARCH = (1 - np.abs(_LID) ** 2.2) ** 0.8
_BROW = np.linspace(0, 1, 5)  # along a brow, from the outer end


def rest_curves(person: Person) -> Floats:
    """The curves [93, 2] of a still, open-eyed face: eyelids as straight lines, without a mouth."""
    points = np.zeros((sum(_COUNTS.values()), 2), np.float32)
    for side, sign in (("l", 1.0), ("r", -1.0)):
        lid_x = sign * (-person.eye_x + person.eye_width * _LID)
        lid = np.stack([lid_x, -person.eye_tilt * _LID], 1)
        points[CURVES[f"upper_{side}"]] = points[CURVES[f"lower_{side}"]] = lid

        brow = np.stack([sign * (-person.eye_x - 0.205 + 0.4 * _BROW), _brow_y(person)], 1)
        points[CURVES[f"brow_{side}"]] = brow if side == "l" else brow[::-1]
        points[CURVES[f"gaze_{side}"]] = (-sign * person.eye_x, 0.012)

    tip = person.nose_tip_y
    points[CURVES["bridge"], 1] = np.linspace(0.04, tip, 4)
    points[CURVES["nostrils"], 0] = 0.115 * person.nose_width * np.array([-1, -0.52, 0, 0.52, 1])
    points[CURVES["nostrils"], 1] = tip - np.array([0.055, 0.08, 0.092, 0.08, 0.055])
    return points


def moved_curves(rest: Floats, person: Person, motion: Motion) -> Floats:
    """The curves [93, 2] at rest height, sliced by `CURVES`, with the expression of one frame.

    rest comes from `rest_curves`.
    """
    points = rest.copy()
    upper, lower = _lids(person, motion)
    brow = 0.05 * motion.brows - 0.02 * max(-motion.brows, 0) * _BROW
    for side in ("l", "r"):
        points[CURVES[f"upper_{side}"], 1] += upper
        points[CURVES[f"lower_{side}"], 1] += lower
        points[CURVES[f"brow_{side}"], 1] += brow if side == "l" else brow[::-1]
        points[CURVES[f"gaze_{side}"]] += (0.058 * motion.gaze_x, 0.022 * motion.gaze_y)

    points[CURVES["lips"]], points[CURVES["mouth"]] = _mouth(person, motion)
    return points


def _brow_y(person: Person) -> Doubles:
    arch = person.brow_arch * (1 - ((_BROW - 0.38) / 0.75) ** 2)
    tilt = person.brow_tilt * (_BROW - 0.5) * 2
    return np.asarray(person.brow_y - 0.02 + arch + tilt)


def _lids(person: Person, motion: Motion) -> tuple[Doubles, Doubles]:
    """How far the upper and the lower lid are from the line between the corners of the eye."""
    lower = -0.050 * (0.6 + 0.4 * person.eye_open) * (1 - 0.35 * motion.smile) * _LID_ARCH
    raised = 1 + 0.14 * max(motion.brows, 0)
    upper = (0.078 * person.eye_open * raised + 0.012 * motion.gaze_y) * _LID_ARCH

    shut = min(motion.blink + 0.12 * motion.smile, 1.0)
    return upper + (0.85 * lower - upper) * shut, lower


def _mouth(person: Person, motion: Motion) -> tuple[Doubles, Doubles]:
    """Outer lips (48..59 first) and inner lips (60..67), clockwise from the left corner."""
    stretch = 1 + 0.22 * motion.smile - 0.30 * motion.pucker - 0.06 * motion.jaw
    half_width = person.mouth_width * stretch
    fullness = 1 - 0.18 * motion.smile + 0.25 * motion.pucker
    corner = 0.055 * motion.smile - 0.004
    gape = 0.115 * motion.jaw + 0.02 * motion.pucker
    lift = 0.020 * motion.jaw + 0.012 * motion.smile

    upper_x = np.array([-1, -0.62, -0.24, 0, 0.24, 0.62, 1])
    flank = 0.62 * person.upper_lip + lift * 0.8 + corner * 0.35
    peak, dip = person.upper_lip + lift, 0.82 * person.upper_lip + lift
    bow = np.array([corner, flank, peak, dip, peak, flank, corner])
    bow = bow * np.array([1, *[fullness] * 5, 1])

    lower_x = np.array([0.62, 0.25, 0, -0.25, -0.62])
    hang = (person.lower_lip * fullness + gape) * np.array([0.72, 0.98, 1.0, 0.98, 0.72])
    sag = corner * np.array([0.3, 0, 0, 0, 0.3]) - hang
    lips_x = np.concatenate([upper_x, lower_x]) * half_width
    lips = np.stack([lips_x, person.mouth_y + np.concatenate([bow, sag])], 1)

    inner_x = np.array([-0.88, -0.35, 0, 0.35, 0.88, 0.35, 0, -0.35]) * half_width
    roof = np.array([corner * 0.8, lift * 0.9, lift * 0.8, lift * 0.9, corner * 0.8])
    floor = -gape * np.array([0.93, 1.0, 0.93]) - 0.002
    mouth = np.stack([inner_x, person.mouth_y + np.concatenate([roof, floor])], 1)
    return lips, mouth


def _landmarks_in_curves() -> list[int]:
    """Where landmarks 17..67 lie in the curves; the right eye's lids run inwards."""
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


INNER_LANDMARKS = np.array(_landmarks_in_curves())  # where landmarks 17..67 lie in the curves
