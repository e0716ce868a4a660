"""The triangles of a person: head, ears, hair, glasses, neck and torso, built once and then only moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]

# The atlas, in head units: the face map, then a strip of hair, then clothes, then a row of plain patches.
ANGLE_SCALE = 0.75
FACE_HALF = 1.65           # the face map spans angles up to FACE_HALF / ANGLE_SCALE = 2.2 rad on each side
FACE_TOP, FACE_HEIGHT = 1.05, 2.10
HAIR_HEIGHT, CLOTHES_HEIGHT, PATCH_HEIGHT = 0.5, 1.5, 0.2
HAIR_ROW = FACE_HEIGHT
CLOTHES_ROW = HAIR_ROW + HAIR_HEIGHT
PATCH_ROW = CLOTHES_ROW + CLOTHES_HEIGHT
ATLAS_WIDTH, ATLAS_HEIGHT = 2 * FACE_HALF, PATCH_ROW + PATCH_HEIGHT
PATCH_SKIN, PATCH_GLASSES, PATCH_LENS = 0.2, 0.7, 1.2

_ROWS = np.array([1.0, 0.985, 0.95, 0.88, 0.78, 0.67, 0.56, 0.46, 0.37, 0.29, 0.23, 0.17, 0.12, 0.07, 0.03, -0.01, -0.05, -0.10,
                  -0.15, -0.20, -0.25, -0.29, -0.33, -0.37, -0.405, -0.435, -0.465, -0.5, -0.54, -0.58, -0.61, -0.64, -0.67,
                  -0.71, -0.76, -0.81, -0.86, -0.90, -0.935, -0.965, -0.985, -0.995, -1.0])
_ANGLES = np.deg2rad([0, 3, 6, 9, 12, 15, 19, 23, 27, 32, 37, 43, 49, 56, 63, 70, 77, 84, 91, 99, 109, 122, 140, 160, 180])


@dataclass(frozen=True)
class Mesh:
    """Vertices at rest in the head frame, with all that shading needs; corners [3, T] are vertex numbers.

    body: 0 where a vertex rides on the head, 1 on the torso. occlusion: share of the ambient light that arrives.
    shadow: [V, 4] how much light from the left, right, above and anywhere the nose or chin takes away.
    atlas: texture position in head units. gloss: strength of the highlight. jaw, smile: displacements per unit.
    """

    vertices: Floats
    normals: Floats
    corners: Ints
    double_sided: NDArray[np.bool_]
    body: Floats
    occlusion: Floats
    shadow: Floats
    atlas: Floats
    gloss: Floats
    jaw: Floats
    smile: Floats


def face_atlas(angle: Floats, y: Floats) -> Floats:
    """Atlas positions of points of the face map."""
    return np.stack([np.clip(angle * ANGLE_SCALE, -FACE_HALF, FACE_HALF) + FACE_HALF, FACE_TOP - y], -1).astype(np.float32)


def build_mesh(person: Person, head: Head) -> Mesh:
    """All triangles of a person."""
    parts = [_face(head), _neck(person), _torso(person)]
    if person.hair not in ("bob", "long", "curly"):  # those cover the ears
        parts += _ears(head)
    if person.hair != "bald":
        parts.append(_hair(head))
    if person.hair == "bun":
        parts.append(_bun(head))
    if person.glasses != "none":
        parts.append(_glasses(head))
    return _without_unused_vertices(_join(parts))


def _face(head: Head) -> Mesh:
    angle = np.concatenate([-_ANGLES[:0:-1], _ANGLES]).astype(np.float32)
    angle, y = np.meshgrid(angle, _ROWS.astype(np.float32))
    rest = head.at(angle, y, Motion())
    p = head.person
    x, front = rest[..., 0], np.cos(angle) > 0
    tip = -0.37 + p.nose_length
    ridge = np.clip((0.2 - y) / 0.4, 0, 1) * front
    nose_left = 0.75 * ridge * np.exp(-((x + 0.17) / 0.09) ** 2 - ((y - tip - 0.03) / 0.2) ** 2)
    nose_right = 0.75 * ridge * np.exp(-((x - 0.17) / 0.09) ** 2 - ((y - tip - 0.03) / 0.2) ** 2)
    below_nose = 0.85 * front * np.exp(-(x / 0.13) ** 4 - ((y - tip + 0.14) / 0.06) ** 2)
    brow = 0.5 * front * np.exp(-((np.abs(x) - p.eye_x) / 0.2) ** 4 - ((y - 0.09) / 0.06) ** 2)
    occlusion = 1 - front * (0.22 * np.exp(-((np.abs(x) - p.eye_x) / 0.22) ** 2 - ((y - 0.02) / 0.11) ** 2)
                             + 0.28 * np.exp(-(x / 0.14) ** 4 - ((y - tip + 0.11) / 0.05) ** 2)
                             + 0.18 * np.exp(-(x / 0.2) ** 2 - ((y - p.mouth_y + 0.15) / 0.05) ** 2)
                             + 0.12 * np.exp(-((np.abs(x) - 0.10) / 0.04) ** 2 - ((y - 0.02) / 0.12) ** 2))
    occlusion = occlusion * (1 - 0.35 * np.clip((-0.93 - y) / 0.07, 0, 1))
    shadow = np.stack([nose_right, nose_left, np.maximum(below_nose, brow), np.zeros_like(x)], -1)
    gloss = 0.55 + front * (0.8 * np.exp(-(x / 0.08) ** 2 - ((y - tip) / 0.12) ** 2)
                            + 0.4 * np.exp(-(x / 0.3) ** 2 - ((y - 0.45) / 0.15) ** 2))
    hidden = (np.abs(angle) > 2.0) & ((y < -0.5) | ((y > -0.1) & (p.hair != "bald")))
    return _grid(rest, face_atlas(angle, y), hidden=hidden, occlusion=occlusion, shadow=shadow, gloss=gloss, wrap=True,
                 jaw=head.at(angle, y, Motion(jaw=1)) - rest, smile=head.at(angle, y, Motion(smile=1)) - rest)


def _ears(head: Head) -> list[Mesh]:
    size = head.person.ear
    radius = np.array([0.0, 0.35, 0.6, 0.8, 0.92, 1.0])
    around = np.linspace(0, 2 * np.pi, 15)
    r, phi = np.meshgrid(radius, around, indexing="ij")
    lift = np.interp(radius, radius, [0.045, 0.04, 0.055, 0.10, 0.105, 0.05])[:, None]
    back = -0.11 - 0.125 * r * np.cos(phi) * size
    up = -0.02 + 0.235 * r * np.sin(phi) * size * (1 - 0.12 * np.cos(phi)) - 0.03 * np.sin(phi) ** 2 * r
    out = lift + 0.35 * np.clip(-back - 0.05, 0, 1)
    shade = np.broadcast_to(np.interp(radius, radius, [0.55, 0.6, 0.75, 1.0, 1.0, 0.8])[:, None], r.shape)
    ears = []
    for side in (-1.0, 1.0):
        anchor = head.at(np.float32(side * np.deg2rad(93)), np.float32(0.0), Motion())
        points = np.stack([side * (abs(float(anchor[0])) - 0.03 + out), up, anchor[2] + 0.02 + back], -1)
        skin = np.full((*r.shape, 2), (PATCH_SKIN, PATCH_ROW + PATCH_HEIGHT / 2))
        ears.append(_grid(points, skin, occlusion=shade, gloss=np.full(r.shape, 0.5), flip=side < 0))
    return ears


def _neck(person: Person) -> Mesh:
    t = np.linspace(0, 1, 9)
    angle, t = np.meshgrid(np.linspace(-1.9, 1.9, 25), t)
    y = -0.42 - 1.06 * t
    flare = 1 + 0.10 * np.clip((t - 0.65) / 0.35, 0, 1) ** 2
    width = person.neck_width * flare
    points = np.stack([width * np.sin(angle), y, -0.20 + 0.06 * t + width * 1.02 * np.cos(angle)], -1)
    under = 1 - np.clip((t - 0.42) / 0.42, 0, 1)
    none = np.zeros_like(t)
    skin = np.full((*t.shape, 2), (PATCH_SKIN, PATCH_ROW + PATCH_HEIGHT / 2))
    return _grid(points, skin, body=np.clip(t * 1.15 - 0.05, 0, 1), occlusion=1 - 0.5 * under, gloss=np.full(t.shape, 0.3),
                 shadow=np.stack([none, none, 0.85 * under, 0.45 * under], -1))


def _torso(person: Person) -> Mesh:
    y = np.array([-1.36, -1.40, -1.46, -1.53, -1.61, -1.72, -1.88, -2.15, -2.6, -3.2])
    broad = np.array([1.02, 1.16, 1.6, 2.15, 2.7, 3.15, 3.42, 3.5, 3.4, 3.3]) * 0.5 * (0.42 + person.neck_width)
    deep = np.array([1.04, 1.12, 1.2, 1.3, 1.4, 1.5, 1.62, 1.75, 1.8, 1.8]) * 0.5 * (0.42 + person.neck_width)
    angle, rows = np.meshgrid(np.linspace(-1.9, 1.9, 31), np.arange(len(y)))
    points = np.stack([broad[rows] * np.sin(angle), y[rows], -0.16 + deep[rows] * np.cos(angle)
                       * np.abs(np.cos(angle)) ** -0.2], -1)
    atlas = np.stack([FACE_HALF + np.sin(angle) * broad[rows] * 0.95, CLOTHES_ROW + 0.05 + (-1.36 - y[rows]) * 0.95], -1)
    atlas = np.clip(atlas, [0.03, CLOTHES_ROW + 0.03], [2 * FACE_HALF - 0.03, PATCH_ROW - 0.05])
    near = np.clip((y[rows] + 1.75) / 0.4, 0, 1)
    none = np.zeros_like(near)
    return _grid(points, atlas, body=np.ones_like(near), occlusion=1 - 0.3 * near, gloss=np.full(near.shape, 0.12),
                 shadow=np.stack([none, none, 0.55 * near, none], -1))


def _hair(head: Head) -> Mesh:
    p = head.person
    end_angles, ends = _hair_ends(p)
    angle = np.deg2rad(np.array([0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 71, 76, 81, 86, 91, 97, 104, 112, 122, 134, 148,
                                 164, 180]))
    angle = np.concatenate([-angle[:0:-1], angle])
    degrees = np.rad2deg(np.abs(angle))
    end = np.interp(degrees, end_angles, ends)
    part = p.hair_part * np.sin(angle) * np.exp(-(degrees / 50) ** 2)
    end = end + 0.10 * part * (p.hair in ("swept", "short", "long", "bob"))
    thick = {"buzz": 0.025, "short": 0.085, "swept": 0.13, "bob": 0.13, "long": 0.12, "curly": 0.21, "afro": 0.42,
             "bun": 0.05}[p.hair] * p.hair_volume
    t = np.concatenate([np.linspace(0, 0.8, 13)[:-1], np.linspace(0.8, 1, 6)])[:, None]
    y = 1.0 - (1.0 - end[None]) * t ** 1.15
    clamp = np.maximum(y, -0.05)
    wide_angle = np.broadcast_to(angle, y.shape)
    base = head.at(wide_angle.astype(np.float32), clamp.astype(np.float32), Motion())
    centre = np.array([0.0, 0.05, -0.08])
    out = base - centre
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    rng = np.random.default_rng([7003, p.seed])
    clumps = {"curly": 0.05, "afro": 0.035, "short": 0.012, "swept": 0.012}.get(p.hair, 0.008)
    grow = thick * (1 + 0.35 * np.clip(base[..., 1], 0, 1) * (p.hair in ("swept", "short")) * np.cos(angle) ** 2)
    open_front = np.clip((np.abs(wide_angle) - 1.2) / 0.5, 0, 1)
    keep = np.maximum({"afro": 0.75, "curly": 0.55, "swept": 0.45}.get(p.hair, 0.25), np.maximum(0.7 * open_front, 0.5 * p.fringe))
    taper = 1 - (1 - keep) * np.clip((t - 0.72) / 0.28, 0, 1) ** 2
    points = base + out * (grow * taper + 0.012 + clumps * rng.normal(size=y.shape) * np.clip(t * 4, 0, 1))[..., None]
    points[..., 1] += np.minimum(y - clamp, 0)
    falling = np.clip(clamp - y, 0, 2)
    points[..., 0] *= 1 + 0.06 * falling
    points[..., 2] += np.where(np.cos(wide_angle) > -0.3, 0.10, 0.0) * falling
    shade = np.broadcast_to(0.82 + 0.18 * np.clip(1.5 - 1.5 * t, 0, 1), y.shape) * (1 - 0.25 * np.clip(falling, 0, 1))
    along = np.clip(wide_angle * ANGLE_SCALE * 0.62, -FACE_HALF, FACE_HALF) + FACE_HALF
    atlas = np.stack([along, HAIR_ROW + 0.04 + np.broadcast_to(t, y.shape) * (HAIR_HEIGHT - 0.08)], -1)
    shine = {"buzz": 0.05, "curly": 0.25, "afro": 0.08}.get(p.hair, 0.7)
    body = np.clip((-0.75 - y) / 1.1, 0, 0.8)
    return _grid(points, atlas, body=body, occlusion=shade, gloss=np.full(y.shape, shine), double_sided=True, wrap=True)


def _hair_ends(p: Person) -> tuple[list[float], list[float]]:
    """Where the hair ends, by angle from the front: the hairline, the temples, the sideburns, the nape."""
    line = p.hairline if p.fringe == 0 or p.hair in ("buzz", "afro", "bun") else p.hairline + p.fringe * (0.27 - p.hairline)
    temple = line + 0.03
    if p.hair in ("bob", "long"):
        low = -0.75 - 0.25 * p.fringe if p.hair == "bob" else p.hair_length
        return [0, 22, 42, 56, 66, 74, 82, 110, 180], [line, line + 0.01, temple - 0.08, 0.25, -0.15, low + 0.25, low, low, low]
    if p.hair == "curly":
        low = -0.35 - 0.25 * p.hair_volume
        return [0, 25, 42, 55, 66, 76, 110, 180], [line, line, temple - 0.08, 0.32, 0.05, low, low, low]
    if p.hair == "bun":
        return [0, 25, 45, 62, 76, 88, 110, 180], [line, line, temple - 0.08, 0.42, 0.22, 0.14, 0.05, -0.5]
    nape = -0.35 if p.hair == "buzz" else -0.5
    return [0, 25, 44, 57, 66, 76, 84, 91, 108, 120, 180], [line, line, temple, 0.40, 0.33, 0.10, -0.05, 0.16, 0.18, -0.2, nape]


def _bun(head: Head) -> Mesh:
    phi, theta = np.meshgrid(np.linspace(-np.pi, np.pi, 17), np.linspace(0, np.pi, 10))
    radius = 0.27 * head.person.hair_volume
    points = np.stack([radius * np.sin(theta) * np.sin(phi), 1.08 + radius * 0.85 * np.cos(theta),
                       -0.32 + radius * np.sin(theta) * np.cos(phi)], -1)
    atlas = np.stack([FACE_HALF + phi * 0.4, HAIR_ROW + 0.05 + theta / np.pi * (HAIR_HEIGHT - 0.1)], -1)
    return _grid(points, atlas, occlusion=0.75 + 0.25 * np.cos(theta), gloss=np.full(phi.shape, 0.5))


def _glasses(head: Head) -> Mesh:
    p = head.person
    shape = {"round": (0.225, 0.215, 2.0), "square": (0.245, 0.175, 4.5), "oval": (0.245, 0.175, 2.3)}[p.glasses]
    half_width, half_height, power = shape
    around = np.linspace(0, 2 * np.pi, 29)
    circle = np.stack([np.sign(np.cos(around)) * np.abs(np.cos(around)) ** (2 / power) * half_width,
                       np.sign(np.sin(around)) * np.abs(np.sin(around)) ** (2 / power) * half_height], -1)
    z = float(head.at(np.float32(0), np.float32(0.06), Motion())[2]) + 0.05
    width = 0.030 + 0.02 * (p.beard_density - 0.6) / 0.4
    parts = []
    for side in (-1.0, 1.0):
        rim = np.stack([circle * (1 - width / half_width), circle * (1 + 0.2 * width / half_width)])
        flat = rim + [side * (p.eye_x + 0.01), -0.02]
        bend = z - 0.35 * np.clip(np.abs(flat[..., 0]) - 0.1, 0, 1) ** 2
        parts.append(_ribbon(np.concatenate([flat, bend[..., None]], -1)))
        hinge = side * (p.eye_x + 0.01 + half_width)
        ear = abs(float(head.at(np.float32(np.deg2rad(95)), np.float32(0.06), Motion())[0])) + 0.03
        steps = np.linspace(0, 1, 6)
        arm = np.stack([hinge + (side * ear - hinge) * steps ** 0.5, np.full(6, 0.05),
                        z - 0.35 * (abs(hinge) - 0.1) ** 2 - steps * 0.85], -1)
        parts.append(_ribbon(np.stack([arm + [0, width * 0.7, 0], arm - [0, width * 0.7, 0]])))
    gap = p.eye_x + 0.01 - half_width + width
    x = np.linspace(-gap, gap, 6)
    bridge = np.stack([x, 0.035 - 0.03 * (x / gap) ** 2, np.full(6, z)], -1)
    parts.append(_ribbon(np.stack([bridge + [0, width * 0.5, 0], bridge - [0, width * 0.5, 0]])))
    return _join(parts)


def _join(parts: list[Mesh]) -> Mesh:
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Mesh.__dataclass_fields__
              if name != "corners"}
    corners = np.concatenate([part.corners + offset for part, offset in zip(parts, offsets, strict=True)], 1)
    return Mesh(corners=np.ascontiguousarray(corners), **joined)


def _without_unused_vertices(mesh: Mesh) -> Mesh:
    used, corners = np.unique(mesh.corners, return_inverse=True)
    kept = {name: getattr(mesh, name)[used] for name in Mesh.__dataclass_fields__ if name not in ("corners", "double_sided")}
    return Mesh(corners=corners.reshape(3, -1), double_sided=mesh.double_sided, **kept)


def _ribbon(points: NDArray[np.float64]) -> Mesh:
    atlas = np.full((*points.shape[:2], 2), (PATCH_GLASSES, PATCH_ROW + PATCH_HEIGHT / 2))
    return _grid(points, atlas, gloss=np.full(points.shape[:2], 0.8), double_sided=True)


def _grid(points: NDArray[np.floating], atlas: NDArray[np.floating], *, body: NDArray[np.floating] | None = None,
          occlusion: NDArray[np.floating] | None = None, shadow: NDArray[np.floating] | None = None,
          gloss: NDArray[np.floating] | None = None, jaw: NDArray[np.floating] | None = None,
          smile: NDArray[np.floating] | None = None, double_sided: bool = False, wrap: bool = False,
          flip: bool = False, hidden: NDArray[np.bool_] | None = None) -> Mesh:
    """A mesh from a grid of points [rows, columns, 3]; missing values are 0 (occlusion: 1); hidden quads are left out."""
    rows, columns = points.shape[:2]
    count = rows * columns
    index = np.arange(count).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, :-1].ravel(), index[1:, 1:].ravel()
    corners = np.concatenate([np.stack([a, c, b]), np.stack([b, c, d])], 1)
    if flip:
        corners = corners[::-1]
    vertices = points.reshape(count, 3)

    def flat(values: NDArray[np.floating] | None, width: int, default: float = 0.0) -> Floats:
        full = np.full((count, width), default) if values is None else values.reshape(count, width)
        return np.ascontiguousarray(full if width > 1 else full[:, 0], dtype=np.float32)

    normals = _normals(vertices, corners, index if wrap else None)
    if hidden is not None:
        corners = corners[:, ~hidden.ravel()[corners].all(0)]
    return Mesh(vertices=vertices.astype(np.float32), normals=normals,
                corners=corners, double_sided=np.full(corners.shape[1], double_sided), body=flat(body, 1),
                occlusion=flat(occlusion, 1, 1.0), shadow=flat(shadow, 4), atlas=flat(atlas, 2), gloss=flat(gloss, 1),
                jaw=flat(jaw, 3), smile=flat(smile, 3))


def _normals(vertices: NDArray[np.floating], corners: Ints, wrapped: Ints | None) -> Floats:
    first, second, third = vertices[corners]
    face = np.cross(second - first, third - first)
    normals = np.zeros_like(vertices)
    for corner in corners:
        np.add.at(normals, corner, face)
    if wrapped is not None:  # the first and last columns are the same place
        seam = normals[wrapped[:, 0]] + normals[wrapped[:, -1]]
        normals[wrapped[:, 0]] = normals[wrapped[:, -1]] = seam
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return normals.astype(np.float32)
