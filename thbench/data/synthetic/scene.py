"""What the videos of one person differ in: clothes, background, light and camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.motion import Trajectory, sample_trajectory

Floats = NDArray[np.float32]

# fmt: off
CLOTHES = np.array([
    (38, 40, 46), (70, 74, 82), (148, 152, 158), (232, 232, 228), (34, 50, 92), (70, 108, 160),
    (132, 168, 204), (118, 30, 40), (190, 60, 56), (214, 140, 70), (226, 196, 110), (60, 96, 66),
    (128, 152, 110), (96, 66, 112), (196, 150, 176), (110, 82, 60), (188, 164, 134), (30, 92, 98),
], np.float32)
# fmt: on
_STYLES = ["tee", "vneck", "shirt", "suit", "stripes", "turtleneck", "hoodie"]
_STYLE_ODDS = [0.2, 0.14, 0.18, 0.18, 0.1, 0.1, 0.1]
_BACKDROPS = ["wall", "corner", "window", "lamps", "shelf", "studio"]


@dataclass(frozen=True)
class Scene:
    """One video.

    light: a unit vector towards the key light. key, ambient, tint: RGB factors.
    """

    trajectory: Trajectory
    light: Floats
    key: Floats
    ambient: Floats
    style: str  # tee, vneck, shirt, suit, stripes, turtleneck, hoodie
    colours: Floats  # of the clothes, RGB [3, 3]: main, second, accent
    backdrop: str
    exposure: float
    tint: Floats
    distance: float  # head units from camera to head: small is wide-angle
    seed: int


def sample_scene(person: int, video: int, duration_s: float) -> Scene:
    """Draws a video of a person; the same numbers give the same scene."""
    rng = np.random.default_rng([7002, person, video])
    azimuth, elevation = np.deg2rad(rng.uniform(-65, 65)), np.deg2rad(rng.uniform(12, 55))
    level = np.cos(elevation)
    light = [np.sin(azimuth) * level, np.sin(elevation), np.cos(azimuth) * level]

    warmth = rng.normal(0, 0.05)
    fill = rng.uniform(0.42, 0.66)
    key = (1.04 - fill) * rng.uniform(0.9, 1.15) * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    ambient = fill * np.array([1 - 0.5 * warmth, 1, 1 + 0.5 * warmth], np.float32)

    # Every number comes from one stream: the order of these lines is part of what a scene is.
    return Scene(
        trajectory=sample_trajectory(rng, duration_s),
        light=np.array(light, np.float32),
        key=key.astype(np.float32),
        ambient=ambient.astype(np.float32),
        style=str(rng.choice(_STYLES, p=_STYLE_ODDS)),
        colours=_clothes_colours(rng),
        backdrop=str(rng.choice(_BACKDROPS)),
        exposure=float(rng.uniform(0.88, 1.06)),
        tint=rng.uniform(0.96, 1.04, 3).astype(np.float32),
        distance=float(rng.uniform(6.0, 12.0)),
        seed=int(rng.integers(2**31)),
    )


def _clothes_colours(rng: np.random.Generator) -> Floats:
    chosen = CLOTHES[rng.permutation(len(CLOTHES))[:3]]
    return np.asarray(chosen * rng.uniform(0.9, 1.08, (3, 1)).astype(np.float32), np.float32)
