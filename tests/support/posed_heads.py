"""Synthetic heads in motions drawn factor by factor, so that what a measure sees can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import sample_person
from thbench.data.synthetic.render import project

RANGES: dict[str, tuple[float, float]] = {
    "yaw": (-30, 30),
    "pitch": (-18, 18),
    "roll": (-15, 15),
    "blink": (0, 1),
    "jaw": (0, 1),
    "smile": (0, 1),
    "gaze_x": (-1, 1),
    "gaze_y": (-1, 1),
    "brows": (-1, 1),
}


@dataclass(frozen=True)
class Posed:
    """Landmarks [N, 68, 2] of several persons, who each is [N], and every factor [N]."""

    landmarks: NDArray[np.float32]
    person: NDArray[np.intp]
    factors: dict[str, NDArray[np.float64]]

    def rank_correlation(self, measured: Any, factor: str) -> float:
        """Spearman's, of deviations from each person's own mean: faces differ, and no measure
        compares one person's frame with another's.
        """
        return float(spearmanr(self._within(measured), self._within(self.factors[factor]))[0])

    def _within(self, values: Any) -> NDArray[np.float64]:
        centred = np.array(values, np.float64)
        for person in np.unique(self.person):
            centred[self.person == person] -= centred[self.person == person].mean()
        return centred


def drawn_motions(random: np.random.Generator, n: int, **fixed: float) -> list[Motion]:
    """Motions whose factors are drawn independently, those in `fixed` apart."""
    drawn = {
        name: np.full(n, fixed[name]) if name in fixed else random.uniform(*ends, n)
        for name, ends in RANGES.items()
    }
    return [
        replace(Motion(), **{name: float(values[row]) for name, values in drawn.items()})
        for row in range(n)
    ]


def factors_of(motions: list[Motion]) -> dict[str, NDArray[np.float64]]:
    return {
        part.name: np.array([getattr(motion, part.name) for motion in motions])
        for part in fields(Motion)
    }


def exact(persons: range, each: int, size_px: int = 256, **fixed: float) -> Posed:
    """The renderer's own landmarks: no picture is drawn, no detector asked."""
    random, landmarks, motions = np.random.default_rng(5), [], []
    for person in persons:
        head = Head(sample_person(person))
        for motion in drawn_motions(random, each, **fixed):
            points = head.landmarks(head.curves(motion), motion)
            landmarks.append(project(points, motion, 8.0, size_px)[0])
            motions.append(motion)
    return Posed(np.stack(landmarks), np.repeat(np.arange(len(persons)), each), factors_of(motions))


def landmarks_at(yaws_deg: Sequence[float], size_px: int, person: int = 400) -> NDArray[np.float32]:
    """The exact landmarks [N, 68, 2] of one person who turns to these angles."""
    head = Head(sample_person(person))
    motions = [Motion(yaw=yaw) for yaw in yaws_deg]
    points = [head.landmarks(head.curves(motion), motion) for motion in motions]
    placed = zip(points, motions, strict=True)
    return np.stack([project(each, motion, 8.0, size_px)[0] for each, motion in placed])
