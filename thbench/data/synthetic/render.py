"""One frame: pose the mesh, light it, rasterise it, look the colours up, average the samples."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.atlas import paint_atlas
from thbench.data.synthetic.backdrop import paint_backdrop
from thbench.data.synthetic.features import paint_features
from thbench.data.synthetic.grid import Mesh
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.mesh import build_mesh
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person
from thbench.data.synthetic.raster import paint, rasterise, spread
from thbench.data.synthetic.scene import Scene
from thbench.data.synthetic.skin import paint_skin

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
SAMPLES = 2  # samples per pixel side
_LONGEST = 1 << 14  # rows that OpenCV looks up at once; it takes up to 32767
_PIVOT = np.array([0.0, -0.75, -0.25], np.float32)  # where the neck carries the head


@dataclass(frozen=True)
class Cast:
    """All of one person that does not change between videos.

    units: pixels per head unit in the textures.
    """

    person: Person
    head: Head
    mesh: Mesh
    skin: Image
    units: int


@dataclass(frozen=True)
class Studio:
    """All of one video that does not change between its frames."""

    cast: Cast
    scene: Scene
    atlas: Image
    backdrop: Image
    size_px: int


def build_cast(person: Person, size_px: int) -> Cast:
    """Prepares a person at an image size."""
    head, units = Head(person), max(64, size_px)
    return Cast(person, head, build_mesh(person, head), paint_skin(person, head, units), units)


def build_studio(cast: Cast, scene: Scene, size_px: int) -> Studio:
    """Prepares a video of a person at an image size."""
    atlas = paint_atlas(cast.person, cast.skin, scene, cast.units)
    return Studio(cast, scene, atlas, paint_backdrop(scene, size_px * SAMPLES), size_px)


def project(points: Floats, motion: Motion, distance: float, size_px: int) -> tuple[Floats, Floats]:
    """Head-frame points [n, 3] to image positions [n, 2] in pixels and depths [n].

    A larger depth is nearer.
    """
    return _to_image(_turn(points, _rotation(motion)), motion, distance, size_px)


def render(studio: Studio, motion: Motion) -> tuple[Image, Floats]:
    """A frame, uint8 [size, size, 3] RGB, and its landmarks in pixels, float32 [68, 2]."""
    cast, scene, size = studio.cast, studio.scene, studio.size_px * SAMPLES
    mesh, curves = cast.mesh, cast.head.curves(motion)
    atlas = studio.atlas.copy()
    paint_features(atlas, cast.person, cast.head, curves, motion, cast.units)

    head_turn, body_turn = _rotation(motion), _rotation(_body_motion(motion))
    moved = mesh.vertices + motion.jaw * mesh.jaw + motion.smile * mesh.smile
    body = mesh.body[:, None]
    placed = _turn(moved, head_turn) * (1 - body) + _turn(moved, body_turn) * body
    points, depth = _to_image(placed, motion, scene.distance, studio.size_px)
    points = (points + 0.5) * SAMPLES - 0.5
    shade = _light(mesh, scene, head_turn, body_turn)

    surface = rasterise(points, depth, mesh.corners, mesh.double_sided, size)
    texels = _look_up(atlas, spread(mesh.atlas * cast.units - 0.5, mesh.corners, surface))
    shades = spread(shade, mesh.corners, surface)

    samples = studio.backdrop.copy()
    paint(samples.reshape(-1, 3), surface, texels, shades, scene.exposure * scene.tint)
    image = cv2.resize(samples, (studio.size_px,) * 2, interpolation=cv2.INTER_AREA)

    marks, _ = project(cast.head.landmarks(curves, motion), motion, scene.distance, studio.size_px)
    return np.asarray(image, np.uint8), marks


def pupils(studio: Studio, motion: Motion) -> Floats:
    """The centres of the irises in a frame, float32 [2, 2] in pixels; NaN where lids hide one."""
    head = studio.cast.head
    points = head.pupils(head.curves(motion), motion)
    return project(points, motion, studio.scene.distance, studio.size_px)[0]


def _look_up(atlas: Image, places: Floats) -> Image:
    """The atlas at fractional positions [n, 2]: uint8 [n, 3]."""
    found = np.empty((len(places), 3), np.uint8)
    for start in range(0, len(places), _LONGEST):
        x, y = places[start : start + _LONGEST, None].T
        colours = cv2.remap(atlas, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found[start : start + _LONGEST] = colours.reshape(-1, 3)
    return found


def _light(mesh: Mesh, scene: Scene, head_turn: Floats, body_turn: Floats) -> Floats:
    """Light on every vertex, [V, 4]: a multiplier per colour, then the highlight in grey levels."""
    half = _unit(scene.light + np.array([0, 0, 1], np.float32))
    toward = np.stack([scene.light, half, np.array([0, 1, 0], np.float32)])
    light_head = scene.light @ head_turn
    on_head, on_body = mesh.normals @ (toward @ head_turn).T, mesh.normals @ (toward @ body_turn).T
    lit, shiny, up = (on_head + (on_body - on_head) * mesh.body[:, None]).T

    from_right, from_left = max(light_head[0], 0), max(-light_head[0], 0)
    from_above = max(light_head[1] + 0.15, 0)
    blocked = np.array([from_right, from_left, from_above, 1.0], np.float32)
    cast = np.clip(1 - mesh.shadow @ blocked, 0, 1)

    diffuse = np.clip((lit + 0.25) / 1.25, 0, 1) * cast
    shiny = np.clip(shiny, 0, 1) ** 2
    highlight = mesh.gloss * (shiny * shiny * shiny) ** 3 * cast * (34 * float(scene.key.mean()))
    ambient = mesh.occlusion * (0.88 + 0.12 * up)
    colour = diffuse[:, None] * (scene.key * 1.25) + ambient[:, None] * scene.ambient
    return np.concatenate([colour, highlight[:, None]], 1)


def _body_motion(motion: Motion) -> Motion:
    return Motion(yaw=0.22 * motion.yaw, pitch=0.08 * motion.pitch, roll=0.15 * motion.roll)


def _rotation(motion: Motion) -> Floats:
    """Head frame to camera frame: pitch, then yaw, then roll."""
    yaw, pitch, roll = np.deg2rad([motion.yaw, motion.pitch, motion.roll])
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def _turn(points: Floats, rotation: Floats) -> Floats:
    return np.asarray((points - _PIVOT) @ rotation.T + _PIVOT, np.float32)


def _to_image(
    points: Floats, motion: Motion, distance: float, size_px: int
) -> tuple[Floats, Floats]:
    nearness = motion.scale * distance / (distance - points[:, 2])
    x = motion.x + points[:, 0] * nearness
    y = motion.y - points[:, 1] * nearness
    return (np.stack([x, y], 1) * size_px - 0.5).astype(np.float32), points[:, 2].astype(np.float32)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
