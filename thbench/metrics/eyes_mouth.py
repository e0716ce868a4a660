"""Expression from the 68 landmarks: how far eyes and mouth are open, beside the true frame's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics import detection
from thbench.metrics.base import MetricCard
from thbench.metrics.face_fit import head_pose
from thbench.metrics.formula import FrameFormula, Scores
from thbench.metrics.head_pose import POSE_SETTINGS

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

Landmarks = NDArray[np.floating]

CLOSED = 0.75  # an eye is closed below this part of its usual opening in the video
FEWEST_FRAMES = 3  # that a correlation over time is made of
_LEVEL = 1e-6  # spread of aspect ratios below which a mouth has not moved

_SETTINGS = {key: POSE_SETTINGS[key] for key in ("landmarks", "detector", "reference")}


def eye_aspect_ratio(landmarks: Landmarks) -> Scores:
    """iBUG-68 [N, 68, 2] -> [N]: the lids' distance over the eye's width, mean of both eyes."""
    eyes = [
        (_gap(landmarks, eye + 1, eye + 5) + _gap(landmarks, eye + 2, eye + 4))
        / (2 * _gap(landmarks, eye, eye + 3))
        for eye in (36, 42)
    ]
    return np.asarray(np.mean(eyes, 0), np.float64)


def mouth_aspect_ratio(landmarks: Landmarks) -> Scores:
    """iBUG-68 [N, 68, 2] -> [N]: the inner lips' distance over their width."""
    return np.asarray(_lips_gap(landmarks) / _gap(landmarks, 60, 64), np.float64)


def jaw_opening(landmarks: Landmarks, size_px: int) -> Scores:
    """iBUG-68 [N, 68, 2] in frames of `size_px` -> [N]: the inner lips' distance seen from the
    front, as a fraction of that of the outer eye corners.
    """
    frontal = head_pose(landmarks, size_px).to_front(landmarks)
    return _lips_gap(frontal[..., :2])


def is_closed(ratios: Scores) -> NDArray[np.bool_]:
    """Eye aspect ratios [N] of one video -> where the eyes are shut, by the video's own usual
    opening.
    """
    usual = np.nanmedian(ratios) if np.isfinite(ratios).any() else np.nan
    return np.asarray(ratios < CLOSED * usual)


def ear_error(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> [N]; NaN where no face is detected."""
    found, true = _pair(generated, real)
    return np.abs(eye_aspect_ratio(found) - eye_aspect_ratio(true))


def blink_agreement(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] of one video -> 0 or 1 [N]; NaN where no face is detected."""
    found, true = (eye_aspect_ratio(points) for points in _pair(generated, real))
    same = (is_closed(found) == is_closed(true)).astype(np.float64)
    return np.where(np.isfinite(found) & np.isfinite(true), same, np.nan)


def mar_error(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> [N]; NaN where no face is detected."""
    found, true = _pair(generated, real)
    return np.abs(mouth_aspect_ratio(found) - mouth_aspect_ratio(true))


def mouth_correlation(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] of one video in time order -> its correlation at every scored frame [N].

    A mouth that stands still while the true one moves has correlation 0. NaN where no face is
    detected, where fewer than 3 frames have one, and where the true mouth stands still.
    """
    found, true = (mouth_aspect_ratio(points) for points in _pair(generated, real))
    scored = np.isfinite(found) & np.isfinite(true)
    return np.where(scored, _correlation(found[scored], true[scored]), np.nan)


def jaw_error(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> [N]; NaN where no face is detected."""
    found, true = (jaw_opening(points, real.size_px) for points in _pair(generated, real))
    return np.abs(found - true)


def _pair(generated: Tensor, real: Frames) -> tuple[Landmarks, Landmarks]:
    found = detection.landmarks(generated.permute(0, 2, 3, 1).numpy())
    return found.astype(np.float64), detection.true_landmarks(real).astype(np.float64)


def _correlation(found: Scores, true: Scores) -> float:
    if len(true) < FEWEST_FRAMES or true.std() < _LEVEL:
        return float("nan")
    if found.std() < _LEVEL:
        return 0.0
    return float(np.corrcoef(found, true)[0, 1])


def _lips_gap(points: Landmarks) -> Scores:
    """How far the inner lips are apart in each frame, [N]."""
    gaps = [_gap(points, upper, lower) for upper, lower in ((61, 67), (62, 66), (63, 65))]
    return np.asarray(np.mean(gaps, 0), np.float64)


def _gap(points: Landmarks, first: int, second: int) -> Scores:
    """The distance of two landmarks in each frame, [N]."""
    return np.asarray(np.linalg.norm(points[:, first] - points[:, second], axis=1), np.float64)


def _card(**own: Any) -> MetricCard:
    return MetricCard(**{"unit": "", "policy": "drop-pairwise", "compares": "pose", **own})


EAR = FrameFormula(
    _card(
        name="ear",
        label="Eye opening",
        higher_is_better=False,
        value_range="0 upwards, 0 for equally open eyes",
        formula=(
            "|E(x) - E(y)|, E = (||p_37 - p_41|| + ||p_38 - p_40||) / (2 ||p_36 - p_39||), mean of "
            "both eyes"
        ),
        settings=_SETTINGS,
        source="eye aspect ratio of Soukupova and Cech, CVWW 2016",
    ),
    ear_error,
    detection.unavailable,
)

BLINK = FrameFormula(
    _card(
        name="blink",
        label="Blink agreement",
        higher_is_better=True,
        value_range="0 to 1, 1 where both eyes are shut in the same frames",
        formula=(
            f"1 where x and y are both shut or both open, else 0; shut: E below {CLOSED:g} of its "
            "median over the frames of the same video"
        ),
        settings={**_SETTINGS, "closed": CLOSED},
        source="defined here on the eye aspect ratio E of Soukupova and Cech, CVWW 2016",
    ),
    blink_agreement,
    detection.unavailable,
)

MAR = FrameFormula(
    _card(
        name="mar",
        label="Mouth opening",
        higher_is_better=False,
        value_range="0 upwards, 0 for equally open mouths",
        formula=(
            "|M(x) - M(y)|, M = mean(||p_61 - p_67||, ||p_62 - p_66||, ||p_63 - p_65||) / "
            "||p_60 - p_64||"
        ),
        settings=_SETTINGS,
        source="mouth aspect ratio of the inner lips, after the eye's",
    ),
    mar_error,
    detection.unavailable,
)

MOUTH_CORRELATION = FrameFormula(
    _card(
        name="mouth-correlation",
        label="Mouth in time",
        higher_is_better=True,
        value_range="-1 to 1, 1 for mouths that move alike",
        formula=(
            "Pearson's correlation of M(x_t) and M(y_t) over the frames of a video, the same "
            "number for each; 0 where M(x_t) stands still; M as in mar"
        ),
        settings={**_SETTINGS, "fewest_frames": FEWEST_FRAMES},
        source="defined here on the mouth aspect ratio M",
    ),
    mouth_correlation,
    detection.unavailable,
)

JAW = FrameFormula(
    _card(
        name="jaw",
        label="Jaw opening",
        higher_is_better=False,
        value_range="0 upwards, 0 for equally open jaws",
        formula=(
            "|J(x) - J(y)|, J = mean(||p_61 - p_67||, ||p_62 - p_66||, ||p_63 - p_65||) seen from "
            "the front, in distances of the outer eye corners of the fitted 3D face"
        ),
        settings=POSE_SETTINGS,
        source="defined here: a gap that no turn of the head foreshortens",
    ),
    jaw_error,
    detection.unavailable,
)
