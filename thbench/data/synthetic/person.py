"""Who a synthetic person is: face shape, skin, eyes, hair, beard, glasses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]  # RGB, 0..255

# Palettes, RGB; colours between two neighbours are drawn too.
# fmt: off
_SKIN = np.array([
    (255, 226, 206), (250, 213, 186), (242, 198, 164), (229, 180, 143), (214, 160, 120),
    (190, 134, 95), (160, 107, 72), (128, 82, 54), (98, 62, 42), (72, 46, 34),
], np.float32)
_HAIR = np.array([  # from black to blond
    (28, 24, 24), (48, 34, 28), (74, 48, 32), (104, 68, 42), (140, 96, 56), (186, 142, 86),
    (222, 190, 128), (158, 74, 38), (116, 44, 30),
], np.float32)
_GREY_HAIR = np.array([(150, 148, 146), (206, 204, 200)], np.float32)
_DYED_HAIR = np.array([(190, 60, 110), (60, 110, 170), (70, 140, 110), (130, 80, 170)], np.float32)
_IRIS = np.array([
    (70, 44, 28), (98, 64, 36), (120, 92, 48), (92, 110, 62), (72, 112, 96), (78, 120, 158),
    (106, 138, 160), (92, 96, 104),
], np.float32)
_FRAMES = np.array([  # of glasses
    (24, 22, 24), (70, 40, 26), (120, 26, 34), (40, 58, 104), (168, 140, 84), (150, 152, 158),
], np.float32)
# fmt: on


@dataclass(frozen=True)
class Person:
    """What all videos of one person share.

    Lengths are in head units: chin to crown is 2, the eyes are at y = 0.
    """

    head_width: float
    jaw_width: float
    chin_width: float
    chin_length: float
    chin_depth: float
    cheeks: float
    forehead: float
    eye_x: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    lid: float
    brow_y: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear: float
    neck_width: float
    skin: Colour
    lips: Colour
    iris: Colour
    blush: float
    hair: str  # bald, buzz, short, swept, bob, long, curly, afro, bun
    hair_colour: Colour
    brow_colour: Colour
    hair_volume: float
    hairline: float
    hair_part: float  # -1..1: which side the fringe is lifted on
    fringe: float  # 0: open forehead, 1: down to the brows
    hair_length: float  # y where long hair ends
    beard: str  # none, stubble, moustache, goatee, full
    beard_density: float
    glasses: str  # none, round, square, oval
    glasses_colour: Colour
    moles: NDArray[np.float32]  # [n, 3]: x, y, radius
    freckles: float
    makeup: float
    seed: int

    @property
    def nose_tip_y(self) -> float:
        """The height of the tip of the nose."""
        return -0.37 + self.nose_length


def sample_person(seed: int) -> Person:
    """Draws a person; the same seed gives the same person."""
    rng = np.random.default_rng([7001, seed])
    masculine = bool(rng.random() < 0.5)
    old = bool(rng.random() < 0.22)
    skin_tone = float(rng.random() ** 0.9 * (len(_SKIN) - 1))
    skin = _between(_SKIN, skin_tone) * rng.uniform(0.95, 1.04, 3).astype(np.float32)
    hair_colour = _hair_colour(rng, skin_tone, old)
    hair = _hair_style(rng, masculine, old)

    bare_lips = skin * np.array([0.86, 0.60, 0.60], np.float32) + np.array([14, 2, 6], np.float32)
    makeup = float((rng.random() < 0.45) * rng.uniform(0.3, 1.0)) if not masculine else 0.0
    rouge = np.array([rng.uniform(150, 205), rng.uniform(30, 80), rng.uniform(50, 95)], np.float32)
    lips = bare_lips * (1 - 0.75 * makeup) + rouge * 0.75 * makeup

    sign = 1.0 if masculine else -1.0
    # Every number comes from one stream: the order of these lines is part of who a person is.
    return Person(
        head_width=_normal(rng, 1.0 + 0.015 * sign, 0.045, 0.9, 1.12),
        jaw_width=_normal(rng, 1.0 + 0.05 * sign, 0.075, 0.8, 1.2),
        chin_width=_normal(rng, 1.0 + 0.10 * sign, 0.16, 0.65, 1.45),
        chin_length=_normal(rng, 0.015 * sign, 0.035, -0.07, 0.1),
        chin_depth=_normal(rng, 0.06, 0.03, 0.0, 0.13),
        cheeks=_normal(rng, 0.05, 0.03, 0.0, 0.11),
        forehead=_normal(rng, 0.0, 0.03, -0.06, 0.06),
        eye_x=_normal(rng, 0.315, 0.02, 0.27, 0.36),
        eye_width=_normal(rng, 0.155, 0.012, 0.13, 0.185),
        eye_open=_normal(rng, 1.0 - 0.06 * sign, 0.17, 0.62, 1.4),
        eye_tilt=_normal(rng, 0.012, 0.016, -0.025, 0.045),
        lid=float(rng.uniform(0.25, 1.0)),
        brow_y=_normal(rng, 0.20 - 0.015 * sign, 0.02, 0.16, 0.26),
        brow_thickness=_normal(rng, 0.042 + 0.009 * sign, 0.010, 0.022, 0.07),
        brow_arch=_normal(rng, 0.035 - 0.012 * sign, 0.015, 0.0, 0.075),
        brow_tilt=_normal(rng, 0.012, 0.02, -0.035, 0.055),
        nose_length=_normal(rng, 0.0, 0.03, -0.07, 0.07),
        nose_width=_normal(rng, 1.0 + 0.05 * sign, 0.16, 0.68, 1.5),
        nose_height=_normal(rng, 0.255 + 0.012 * sign, 0.035, 0.18, 0.35),
        nose_bridge=_normal(rng, 0.07 + 0.01 * sign, 0.025, 0.02, 0.13),
        mouth_y=_normal(rng, -0.635, 0.02, -0.69, -0.59),
        mouth_width=_normal(rng, 0.255, 0.026, 0.19, 0.32),
        upper_lip=_normal(rng, 0.050 - 0.008 * sign, 0.013, 0.022, 0.085),
        lower_lip=_normal(rng, 0.066 - 0.008 * sign, 0.014, 0.035, 0.105),
        ear=_normal(rng, 1.0 + 0.05 * sign, 0.1, 0.75, 1.3),
        neck_width=_normal(rng, 0.42 + 0.045 * sign, 0.025, 0.33, 0.52),
        skin=np.clip(skin, 20, 255).astype(np.float32),
        lips=np.clip(lips, 0, 255).astype(np.float32),
        iris=_between(_IRIS, _darker_with(skin_tone, 0.35, rng) * (len(_IRIS) - 1)),
        blush=float(rng.uniform(0.0, 0.6)) + 0.3 * makeup,
        hair=hair,
        hair_colour=hair_colour,
        brow_colour=_brow_colour(rng, hair_colour),
        hair_volume=float(rng.uniform(0.75, 1.25)),
        hairline=_normal(rng, 0.60, 0.04, 0.5, 0.7) + (0.12 if old and masculine else 0.0),
        hair_part=float(rng.uniform(-1, 1)),
        fringe=float(rng.uniform(0.55, 1.0)) if rng.random() < 0.3 else 0.0,
        hair_length=float(rng.uniform(-2.0, -1.0)),
        beard=_beard(rng) if masculine else "none",
        beard_density=float(rng.uniform(0.6, 1.0)),
        glasses=str(rng.choice(["none", "round", "square", "oval"], p=[0.75, 0.08, 0.1, 0.07])),
        glasses_colour=_FRAMES[rng.integers(len(_FRAMES))],
        moles=_moles(rng),
        freckles=float(rng.uniform(0.4, 1.0)) if skin_tone < 4 and rng.random() < 0.15 else 0.0,
        makeup=makeup,
        seed=seed,
    )


def _hair_style(rng: np.random.Generator, masculine: bool, old: bool) -> str:
    styles = ["bald", "buzz", "short", "swept", "bob", "long", "curly", "afro", "bun"]
    if masculine:
        odds = np.array([0.09 + 0.1 * old, 0.14, 0.3, 0.22, 0.03, 0.06, 0.09, 0.06, 0.01])
    else:
        odds = np.array([0.005, 0.015, 0.07, 0.08, 0.22, 0.32, 0.11, 0.06, 0.12])
    return str(rng.choice(styles, p=odds / odds.sum()))


def _beard(rng: np.random.Generator) -> str:
    styles = ["none", "stubble", "moustache", "goatee", "full"]
    return str(rng.choice(styles, p=[0.46, 0.18, 0.08, 0.1, 0.18]))


def _hair_colour(rng: np.random.Generator, skin_tone: float, old: bool) -> Colour:
    pick = rng.random()
    if old and pick < 0.7:
        colour = _GREY_HAIR[rng.integers(len(_GREY_HAIR))]
    elif pick > 0.96:
        colour = _DYED_HAIR[rng.integers(len(_DYED_HAIR))]
    else:
        colour = _between(_HAIR, _darker_with(skin_tone, 0.4, rng) * (len(_HAIR) - 1))
    return np.asarray(np.clip(colour * rng.uniform(0.92, 1.08, 3), 8, 250), np.float32)


def _brow_colour(rng: np.random.Generator, hair_colour: Colour) -> Colour:
    darker = hair_colour * rng.uniform(0.45, 0.85) if hair_colour.max() > 60 else hair_colour
    return np.asarray(darker, np.float32)


def _moles(rng: np.random.Generator) -> NDArray[np.float32]:
    x = rng.uniform(0.14, 0.5, 3) * rng.choice([-1, 1], 3)
    places = np.stack([x, rng.uniform(-0.85, 0.45, 3), rng.uniform(0.013, 0.028, 3)], 1)
    return places.astype(np.float32)[: int(rng.choice([0, 0, 1, 2, 3]))]


def _darker_with(skin_tone: float, share: float, rng: np.random.Generator) -> float:
    """0..1, a place in a palette from dark to light: nearer to 0, mostly, the darker the skin."""
    return float(rng.random() ** (1.0 + share * skin_tone))


def _between(colours: Colour, position: float) -> Colour:
    low = min(int(position), len(colours) - 2)
    part = np.float32(position - low)
    return np.asarray(colours[low] * (1 - part) + colours[low + 1] * part, np.float32)


def _normal(
    rng: np.random.Generator, mean: float, deviation: float, low: float, high: float
) -> float:
    return float(np.clip(rng.normal(mean, deviation), low, high))
