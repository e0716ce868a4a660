"""Triangle meshes made from grids of points, and where they lie in the texture atlas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Array = NDArray[np.floating]
Ints = NDArray[np.intp]

# The atlas, in head units: the face map, then a strip of hair, then clothes, then a row of plain
# patches.
ANGLE_SCALE = 0.75
FACE_HALF = 1.65  # the face map spans angles up to FACE_HALF / ANGLE_SCALE = 2.2 rad on each side
FACE_TOP, FACE_HEIGHT = 1.05, 2.10
HAIR_HEIGHT, CLOTHES_HEIGHT, PATCH_HEIGHT = 0.5, 1.5, 0.2
HAIR_ROW = FACE_HEIGHT
CLOTHES_ROW = HAIR_ROW + HAIR_HEIGHT
PATCH_ROW = CLOTHES_ROW + CLOTHES_HEIGHT
ATLAS_WIDTH, ATLAS_HEIGHT = 2 * FACE_HALF, PATCH_ROW + PATCH_HEIGHT
PATCH_SKIN, PATCH_GLASSES = 0.2, 0.7


@dataclass(frozen=True)
class Mesh:
    """Vertices at rest in the head frame, with all that shading needs; corners [3, T] are vertex
    numbers.

    body: 0 where a vertex rides on the head, 1 on the torso. occlusion: share of the ambient light
    that arrives. shadow: [V, 4] how much light from the left, right, above and anywhere the nose or
    chin takes away. atlas: texture position in head units. gloss: strength of the highlight. jaw,
    smile: displacements per unit.
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
    across = np.clip(angle * ANGLE_SCALE, -FACE_HALF, FACE_HALF) + FACE_HALF
    return np.stack([across, FACE_TOP - y], -1).astype(np.float32)


def grid(
    points: Array,
    atlas: Array,
    *,
    body: Array | None = None,
    occlusion: Array | None = None,
    shadow: Array | None = None,
    gloss: Array | None = None,
    jaw: Array | None = None,
    smile: Array | None = None,
    hidden: NDArray[np.bool_] | None = None,
    double_sided: bool = False,
    wrap: bool = False,
    flip: bool = False,
) -> Mesh:
    """A mesh from a grid of points [rows, columns, 3].

    It is seen from the side where columns run to the right and rows down. Missing values are 0
    (occlusion: 1). Quads whose corners are all hidden are left out; wrap: the first and the last
    column are the same place; flip: seen from the other side.
    """
    rows, columns = points.shape[:2]
    count = rows * columns
    index = np.arange(count).reshape(rows, columns)
    above, below = index[:-1], index[1:]
    a, b = above[:, :-1].ravel(), above[:, 1:].ravel()
    c, d = below[:, :-1].ravel(), below[:, 1:].ravel()
    corners = np.concatenate([np.stack([a, c, b]), np.stack([b, c, d])], 1)
    if flip:
        corners = corners[::-1]
    vertices = points.reshape(count, 3)

    def flat(values: Array | None, width: int, default: float = 0.0) -> Floats:
        full = np.full((count, width), default) if values is None else values.reshape(count, width)
        return np.ascontiguousarray(full if width > 1 else full[:, 0], dtype=np.float32)

    normals = _normals(vertices, corners, index if wrap else None)
    if hidden is not None:
        corners = corners[:, ~hidden.ravel()[corners].all(0)]
    return Mesh(
        vertices=vertices.astype(np.float32),
        normals=normals,
        corners=corners,
        double_sided=np.full(corners.shape[1], double_sided),
        body=flat(body, 1),
        occlusion=flat(occlusion, 1, 1.0),
        shadow=flat(shadow, 4),
        atlas=flat(atlas, 2),
        gloss=flat(gloss, 1),
        jaw=flat(jaw, 3),
        smile=flat(smile, 3),
    )


def join(parts: list[Mesh]) -> Mesh:
    """One mesh of several."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Mesh.__dataclass_fields__
        if name != "corners"
    }
    corners = np.concatenate(
        [part.corners + offset for part, offset in zip(parts, offsets, strict=True)], 1
    )
    return Mesh(corners=np.ascontiguousarray(corners), **joined)


def without_unused_vertices(mesh: Mesh) -> Mesh:
    """The same triangles, without the vertices that none of them has."""
    used, corners = np.unique(mesh.corners, return_inverse=True)
    kept = {
        name: getattr(mesh, name)[used]
        for name in Mesh.__dataclass_fields__
        if name not in ("corners", "double_sided")
    }
    return Mesh(corners=corners.reshape(3, -1), double_sided=mesh.double_sided, **kept)


def _normals(vertices: Array, corners: Ints, wrapped: Ints | None) -> Floats:
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
