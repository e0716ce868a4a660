"""How heads move and speak: smooth random trajectories that any frame can be read from alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SECOND = 12.5


@dataclass(frozen=True)
class Motion:
    """A head in one frame.

    Angles in degrees, positions in image widths, gaze and brows -1..1, the rest 0..1. Positive yaw
    turns the face to the right of the image, positive pitch up, positive roll clockwise.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    x: float = 0.5
    y: float = 0.49
    scale: float = 0.315  # image widths per head unit
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    blink: float = 0.0
    brows: float = 0.0
    jaw: float = 0.0
    smile: float = 0.0
    pucker: float = 0.0


@dataclass(frozen=True)
class Trajectory:
    """Sums of slow sines for the pose, gated faster ones for speech, and blinks at drawn times."""

    waves: dict[str, NDArray[np.float64]]  # name -> [3, k]: amplitude, frequency in Hz, phase
    rest: dict[str, float]
    blinks_s: NDArray[np.float64]

    def at(self, frame: int) -> Motion:
        """The motion at a frame number."""
        time_s = frame / FRAMES_PER_SECOND
        value = {
            name: self.rest[name]
            + float((size * np.sin(2 * np.pi * frequency_hz * time_s + phase)).sum())
            for name, (size, frequency_hz, phase) in self.waves.items()
        }
        speaking = 1.0 / (1.0 + np.exp(-4.0 * value["speech"]))
        blink = float(np.exp(-(((time_s - self.blinks_s) / 0.11) ** 2)).max(initial=0.0))
        return Motion(
            yaw=float(np.clip(value["yaw"], -48, 48)),
            pitch=float(np.clip(value["pitch"], -26, 26)),
            roll=float(np.clip(value["roll"], -25, 25)),
            x=value["x"],
            y=value["y"],
            scale=value["scale"],
            gaze_x=float(np.clip(value["gaze_x"], -1, 1)),
            gaze_y=float(np.clip(value["gaze_y"], -1, 1)),
            blink=blink,
            brows=float(np.tanh(value["brows"])),
            jaw=float(speaking * np.clip(0.5 + value["jaw"], 0.0, 1.1) ** 1.3),
            smile=float(1.0 / (1.0 + np.exp(-value["smile"]))),
            pucker=float(speaking * np.clip(value["pucker"], 0.0, 1.0)),
        )


def sample_trajectory(rng: np.random.Generator, duration_s: float) -> Trajectory:
    """Draws the motion of one video."""
    size, waves = rng.uniform, partial(_waves, rng)
    of_motion = {
        "yaw": waves((size(8, 27), 0.06, 0.16), (size(4, 10), 0.2, 0.45), (1.5, 0.6, 1.0)),
        "pitch": waves((size(4, 13), 0.07, 0.2), (size(2, 5), 0.25, 0.5), (1.2, 0.7, 1.2)),
        "roll": waves((size(3, 9), 0.06, 0.18), (size(1, 4), 0.2, 0.4)),
        "x": waves((0.022, 0.05, 0.15), (0.010, 0.2, 0.4)),
        "y": waves((0.012, 0.05, 0.15), (0.007, 0.2, 0.5)),
        "scale": waves((size(0.004, 0.016), 0.04, 0.12)),
        "gaze_x": waves((0.5, 0.08, 0.25), (0.3, 0.3, 0.7)),
        "gaze_y": waves((0.35, 0.08, 0.25), (0.2, 0.3, 0.7)),
        "brows": waves((0.6, 0.08, 0.25), (0.4, 0.3, 0.7)),
        "speech": waves((0.8, 0.1, 0.25), (0.6, 0.3, 0.5)),
        "jaw": waves((0.42, 0.9, 1.5), (0.30, 1.6, 2.4), (0.15, 2.4, 3.0)),
        "smile": waves((size(0.8, 2.4), 0.07, 0.2), (0.5, 0.2, 0.5)),
        "pucker": waves((0.5, 0.4, 0.8), (0.4, 0.8, 1.4)),
    }

    rest = {
        "yaw": rng.normal(0, 9),
        "pitch": rng.normal(0, 4),
        "roll": rng.normal(0, 3),
        "x": rng.uniform(0.46, 0.54),
        "y": rng.uniform(0.46, 0.52),
        "scale": rng.uniform(0.29, 0.345),
        "gaze_x": rng.normal(0, 0.2),
        "gaze_y": rng.normal(0, 0.1),
        "brows": rng.normal(0, 0.3),
        "speech": 0.4,
        "jaw": 0.0,
        "smile": rng.normal(-0.8, 1.1),
        "pucker": -0.1,
    }

    between_blinks_s = rng.uniform(0.9, 3.6, int(duration_s) + 4)
    rest = {name: float(value) for name, value in rest.items()}
    return Trajectory(of_motion, rest, np.cumsum(between_blinks_s) - 0.6)


def _waves(rng: np.random.Generator, *terms: tuple[float, float, float]) -> NDArray[np.float64]:
    """[3, terms] of a `Trajectory`; a term is an amplitude and the range of its frequency in Hz."""
    waves = [
        (amplitude, rng.uniform(lowest, highest), rng.uniform(0, 2 * np.pi))
        for amplitude, lowest, highest in terms
    ]
    return np.array(waves).T
