"""What the videos of one person differ in: clothes, background, light and camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.motion import Trajectory, sample_trajectory

Floats = NDArray[np.float32]

_CLOTHES = np.array([(38, 40, 46), (70, 74, 82), (148, 152, 158), (232, 232, 228), (34, 50, 92), (70, 108, 160), (132, 168, 204),
                     (118, 30, 40), (190, 60, 56), (214, 140, 70), (226, 196, 110), (60, 96, 66), (128, 152, 110),
                     (96, 66, 112), (196, 150, 176), (110, 82, 60), (188, 164, 134), (30, 92, 98)], np.float32)
_WALLS = np.array([(206, 204, 200), (178, 188, 196), (222, 214, 200), (148, 158, 164), (104, 116, 128), (62, 68, 78), (36, 40, 48),
                   (150, 122, 100), (120, 134, 110), (172, 140, 140), (90, 110, 150), (226, 228, 232), (56, 84, 84)], np.float32)


@dataclass(frozen=True)
class Scene:
    """One video. light is a unit vector towards the key light; colours multiply albedo; clothes colours are RGB."""

    trajectory: Trajectory
    light: Floats
    key: Floats
    ambient: Floats
    style: str                 # tee, vneck, shirt, suit, stripes, turtleneck, hoodie
    colours: Floats            # [3, 3]: main, second, accent
    backdrop: str
    exposure: float
    tint: Floats
    distance: float            # head units from camera to head: small is wide-angle
    seed: int


def sample_scene(person: int, video: int, duration_s: float) -> Scene:
    """Draws a video of a person; the same numbers give the same scene."""
    rng = np.random.default_rng([7002, person, video])
    azimuth, elevation = np.deg2rad(rng.uniform(-65, 65)), np.deg2rad(rng.uniform(12, 55))
    light = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], np.float32)
    warmth = rng.normal(0, 0.05)
    fill = rng.uniform(0.42, 0.66)
    key = (1.04 - fill) * rng.uniform(0.9, 1.15) * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    ambient = fill * np.array([1 - 0.5 * warmth, 1, 1 + 0.5 * warmth], np.float32)
    return Scene(
        trajectory=sample_trajectory(rng, duration_s), light=light, key=key.astype(np.float32),
        ambient=ambient.astype(np.float32),
        style=str(rng.choice(["tee", "vneck", "shirt", "suit", "stripes", "turtleneck", "hoodie"],
                             p=[0.2, 0.14, 0.18, 0.18, 0.1, 0.1, 0.1])),
        colours=_CLOTHES[rng.permutation(len(_CLOTHES))[:3]] * rng.uniform(0.9, 1.08, (3, 1)).astype(np.float32),
        backdrop=str(rng.choice(["wall", "corner", "window", "lamps", "shelf", "studio"])),
        exposure=float(rng.uniform(0.88, 1.06)), tint=rng.uniform(0.96, 1.04, 3).astype(np.float32),
        distance=float(rng.uniform(6.0, 12.0)), seed=int(rng.integers(2**31)))


def paint_backdrop(scene: Scene, size: int) -> NDArray[np.uint8]:
    """The blurred background, uint8 [size, size, 3]; the same picture at every size."""
    rng = np.random.default_rng(scene.seed)
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size
    wall = _WALLS[rng.integers(len(_WALLS))]
    other = _WALLS[rng.integers(len(_WALLS))]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    image = wall * (1 + 0.28 * slope)[..., None]
    if scene.backdrop == "studio":
        glow = np.exp(-((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.5) ** 2) / 0.15)
        image = wall * (0.55 + 0.6 * glow)[..., None]
    image = np.clip(image, 0, 255).astype(np.uint8)
    shapes = {"wall": _pictures, "corner": _corner, "window": _window, "lamps": _lamps, "shelf": _shelf}
    if scene.backdrop in shapes:
        shapes[scene.backdrop](rng, image, size, other)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), size * rng.uniform(0.008, 0.03)), np.uint8)


def paint_clothes(scene: Scene, skin: Floats, patch: NDArray[np.uint8], units: float, neck_width: float) -> None:
    """Paints the clothes map in place; `units` is pixels per head unit; the collar is at the top, the front at the centre."""
    main, second, accent = (tuple(map(float, colour)) for colour in np.clip(scene.colours, 0, 255))
    tone = tuple(map(float, skin))
    shade = tuple(0.72 * value for value in main)
    middle = patch.shape[1] / 2 / units
    neck = neck_width

    def fill(points: list[tuple[float, float]], colour: tuple[float, ...]) -> None:
        corners = np.rint((np.array(points) + [middle, 0]) * [units, units] * 16).astype(np.int32)
        cv2.fillPoly(patch, [corners], colour, cv2.LINE_AA, 4)

    def line(points: list[tuple[float, float]], colour: tuple[float, ...], width: float) -> None:
        corners = np.rint((np.array(points) + [middle, 0]) * [units, units] * 16).astype(np.int32)
        cv2.polylines(patch, [corners], False, colour, max(1, round(width * units)), cv2.LINE_AA, 4)

    def scoop(depth: float, wide: float) -> list[tuple[float, float]]:
        t = np.linspace(-1, 1, 17)
        return [(float(wide * s), float(depth * (1 - s * s) ** 0.6)) for s in t] + [(wide, -0.1), (-wide, -0.1)]

    patch[:] = main
    if scene.style == "stripes":
        step = 0.16
        for row in np.arange(0.12, 1.6, 2 * step):
            fill([(-2, row), (2, row), (2, row + step), (-2, row + step)], second)
    if scene.style in ("tee", "stripes", "hoodie"):
        fill(scoop(0.20, neck * 1.25), shade)
        fill(scoop(0.15, neck * 1.18), tone)
    elif scene.style == "vneck":
        fill([(-neck * 1.3, -0.1), (neck * 1.3, -0.1), (neck * 1.25, 0.05), (0, 0.60), (-neck * 1.25, 0.05)], shade)
        fill([(-neck * 1.2, -0.1), (neck * 1.2, -0.1), (neck * 1.15, 0.03), (0, 0.54), (-neck * 1.15, 0.03)], tone)
    elif scene.style == "shirt":
        line([(0, 0.2), (0, 2)], shade, 0.03)
        for row in (0.45, 0.75, 1.05):
            cv2.circle(patch, (round(middle * units), round(row * units)), max(1, round(0.022 * units)), second, -1, cv2.LINE_AA)
        _collar(fill, line, neck, tone, main, shade)
    elif scene.style == "suit":
        white = (236.0, 236.0, 234.0)
        fill([(-neck * 1.25, -0.1), (neck * 1.25, -0.1), (neck * 1.2, 0.05), (0, 1.25), (-neck * 1.2, 0.05)], white)
        fill([(-0.07, 0.16), (0.07, 0.16), (0.10, 1.0), (0, 1.15), (-0.10, 1.0)], accent)
        _collar(fill, line, neck, tone, white, (190.0, 190.0, 190.0))
        for side in (-1, 1):
            fill([(side * neck * 1.15, 0.0), (side * neck * 1.75, 0.30), (side * neck * 1.25, 0.52), (0, 1.3),
                  (side * neck * 0.9, 0.35)], shade)
    elif scene.style == "turtleneck":
        line([(-2, 0.1), (2, 0.1)], shade, 0.03)
    if scene.style == "hoodie":
        for side in (-1, 1):
            line([(side * 0.16, 0.2), (side * 0.17, 0.62)], second, 0.035)
            line([(side * neck * 1.3, 0.0), (side * neck * 0.8, 0.24), (0, 0.34)], shade, 0.06)


def _collar(fill, line, neck, tone, cloth, shade):  # type: ignore[no-untyped-def]
    fill([(-neck * 1.0, -0.1), (neck * 1.0, -0.1), (neck * 0.8, 0.04), (0, 0.24), (-neck * 0.8, 0.04)], tone)
    for side in (-1, 1):
        edge = [(side * neck * 1.3, -0.06), (side * neck * 0.85, -0.04), (0, 0.22), (side * 0.26, 0.36), (side * neck * 1.3, 0.08)]
        fill(edge, cloth)
        line([*edge[1:], edge[0]], shade, 0.016)


def _pictures(rng: np.random.Generator, image: NDArray[np.uint8], size: int, other: Floats) -> None:
    for _ in range(rng.integers(0, 3)):
        left, top = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.5)
        wide, high = rng.uniform(0.12, 0.3, 2)
        _box(image, size, left, top, left + wide, top + high, other * 0.5)
        _box(image, size, left + 0.015, top + 0.015, left + wide - 0.015, top + high - 0.015,
             rng.uniform(40, 230, 3).astype(np.float32))


def _corner(rng: np.random.Generator, image: NDArray[np.uint8], size: int, other: Floats) -> None:
    edge, lean = rng.uniform(0.1, 0.9), rng.uniform(-0.08, 0.08)
    points = np.array([(edge, -0.1), (1.2, -0.1), (1.2, 1.1), (edge + lean, 1.1)])
    cv2.fillPoly(image, [np.rint(points * size * 16).astype(np.int32)], tuple(map(float, other)), cv2.LINE_AA, 4)


def _window(rng: np.random.Generator, image: NDArray[np.uint8], size: int, other: Floats) -> None:
    left, top = rng.uniform(-0.1, 0.6), rng.uniform(-0.2, 0.15)
    for column in range(2):
        for row in range(3):
            x, y = left + column * 0.24, top + row * 0.22
            _box(image, size, x, y, x + 0.22, y + 0.20, np.array([225, 236, 246]) * rng.uniform(0.88, 1.02))


def _lamps(rng: np.random.Generator, image: NDArray[np.uint8], size: int, other: Floats) -> None:
    image[:] = (image * 0.45).astype(np.uint8)
    for _ in range(rng.integers(8, 20)):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0, 0.9), rng.uniform(0.02, 0.065)
        colour = np.clip(np.array([255, 200, 120]) * rng.uniform(0.5, 1.0) * rng.uniform(0.7, 1.3, 3), 0, 255)
        cv2.circle(image, (round(x * size * 16), round(y * size * 16)), round(radius * size * 16), tuple(map(float, colour)), -1,
                   cv2.LINE_AA, 4)


def _shelf(rng: np.random.Generator, image: NDArray[np.uint8], size: int, other: Floats) -> None:
    top = rng.uniform(-0.1, 0.05)
    for row in range(4):
        y = top + row * 0.3
        _box(image, size, -0.1, y + 0.26, 1.1, y + 0.30, other * 0.6)
        x = rng.uniform(-0.1, 0.1)
        while x < 1:
            wide = rng.uniform(0.025, 0.07)
            if rng.random() < 0.85:
                _box(image, size, x, y + rng.uniform(0.02, 0.1), x + wide, y + 0.26,
                     _CLOTHES[rng.integers(len(_CLOTHES))] * rng.uniform(0.5, 0.9))
            x += wide


def _box(image: NDArray[np.uint8], size: int, left: float, top: float, right: float, bottom: float,
         colour: NDArray[np.floating]) -> None:
    points = np.rint(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) * size * 16).astype(np.int32)
    cv2.fillPoly(image, [points], tuple(map(float, np.clip(colour, 0, 255))), cv2.LINE_AA, 4)
