"""Signed distances of solids, MuJoCo's collision geoms and round cones, and their meshing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import igl
import mujoco
import numpy as np
import trimesh
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull, QhullError

from zdg_jax.errors import UserError

#: Grid on which the vertices of large meshes are put before their hull is taken, metres.
HULL_GRID = 0.0005
_KINDS = mujoco.mjtGeom


def solid_geoms(model: mujoco.MjModel, bodies: Sequence[int]) -> dict[int, list[int]]:
    """Collision geoms by body; the visual ones of all bodies if none of them collides.

    A geom collides if contype or conaffinity is set, or if it lies in group 3 (MuJoCo Menagerie's habit) and
    no tendon wraps around it.
    """
    wraps = (int(mujoco.mjtWrap.mjWRAP_SPHERE), int(mujoco.mjtWrap.mjWRAP_CYLINDER))
    wrapped = {int(model.wrap_objid[w]) for w in range(model.nwrap) if int(model.wrap_type[w]) in wraps}
    mine = {b: [g for g in range(model.ngeom) if model.geom_bodyid[g] == b] for b in bodies}

    def collides(g: int) -> bool:
        touches = bool(model.geom_contype[g] or model.geom_conaffinity[g])
        return touches or (int(model.geom_group[g]) == 3 and g not in wrapped)

    for found in ({b: [g for g in gs if collides(g)] for b, gs in mine.items()}, mine):
        if any(found.values()):
            return {b: gs for b, gs in found.items() if gs}
    return {}


def solid_distance(
    model: mujoco.MjModel, geoms: Sequence[int]
) -> Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]:
    """Signed distance to the union of geoms of one body, metres, link frame, positive outside."""
    each = [geom_distance(model, g) for g in geoms]

    def distance(points: np.ndarray) -> np.ndarray:
        return np.min([d(points) for d in each], axis=0)

    return distance


def bounds(
    model: mujoco.MjModel, geoms: Sequence[int]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Lowest and highest corner of geoms of one body, link frame, metres."""
    corners = []
    for g in geoms:
        c, h = model.geom_aabb[g, :3], model.geom_aabb[g, 3:]
        box = c + h * np.stack(np.meshgrid(*[[-1, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        corners.append(box @ _rotation(model, g).T + model.geom_pos[g])
    return np.concatenate(corners).min(0), np.concatenate(corners).max(0)


def area(model: mujoco.MjModel, g: int) -> float:
    """Surface of a geom's bounding box, m^2."""
    half = model.geom_aabb[g, 3:]
    return float(8 * (half[0] * half[1] + half[1] * half[2] + half[2] * half[0]))


def _rotation(model: mujoco.MjModel, g: int) -> np.ndarray:
    R = np.zeros(9)
    mujoco.mju_quat2Mat(R, model.geom_quat[g])
    return R.reshape(3, 3)


def geom_distance(
    model: mujoco.MjModel, g: int
) -> Callable[[Float[np.ndarray, "n 3"]], Float[np.ndarray, " n"]]:
    """Signed distance of points (link frame) to one MuJoCo geom, metres, positive outside.

    A mesh is its convex hull, as it is for MuJoCo's collisions, and its distance the greatest to a plane of
    the hull: exact inside, and never too great outside. An ellipsoid's is |p/s| (|p/s| - 1) / |p/s^2|,
    exact on its surface.

    Raises:
      UserError: a geom of another type, or a flat mesh.
    """
    R, center, s = _rotation(model, g), model.geom_pos[g], model.geom_size[g]
    kind = _KINDS(int(model.geom_type[g]))

    def sphere(q):
        return np.linalg.norm(q, axis=1) - s[0]

    def ellipsoid(q):
        k0, k1 = np.linalg.norm(q / s, axis=1), np.linalg.norm(q / s**2, axis=1)
        return np.where(k0 < 1e-9, -s.min(), k0 * (k0 - 1.0) / np.maximum(k1, 1e-12))

    def capsule(q):
        return sphere(q - np.clip(q[:, 2:], -s[1], s[1]) * np.array([0.0, 0.0, 1.0]))

    def flat_sided(d):
        return np.linalg.norm(np.maximum(d, 0.0), axis=1) + np.minimum(d.max(axis=1), 0.0)

    def box(q):
        return flat_sided(np.abs(q) - s)

    def cylinder(q):
        return flat_sided(np.stack([np.linalg.norm(q[:, :2], axis=1) - s[0], np.abs(q[:, 2]) - s[1]], axis=1))

    shapes = {
        _KINDS.mjGEOM_SPHERE: sphere, _KINDS.mjGEOM_ELLIPSOID: ellipsoid, _KINDS.mjGEOM_CAPSULE: capsule,
        _KINDS.mjGEOM_BOX: box, _KINDS.mjGEOM_CYLINDER: cylinder,
    }  # fmt: skip
    if kind == _KINDS.mjGEOM_MESH:
        normals, offsets = _hull(model, int(model.geom_dataid[g]))

        def hull(q):
            return (q @ normals.T + offsets).max(axis=1)

        shapes[kind] = hull
    if kind not in shapes:
        name, link = kind.name.removeprefix("mjGEOM_").lower(), model.body(model.geom_bodyid[g]).name
        raise UserError(
            f"a geom of type {name} on link {link}",
            "sphere, ellipsoid, capsule, box, cylinder or mesh",
            "replace it in the model",
        )
    shape = shapes[kind]
    return lambda points: shape((points - center) @ R)


def geom_mesh(model: mujoco.MjModel, g: int) -> trimesh.Trimesh:
    """A geom's surface, link frame, metres; of a mesh its convex hull. Round ones are inscribed polyhedra."""
    R, center, s = _rotation(model, g), model.geom_pos[g], model.geom_size[g]
    kind = _KINDS(int(model.geom_type[g]))
    if kind == _KINDS.mjGEOM_BOX:
        mesh = trimesh.creation.box(2.0 * s)
    elif kind == _KINDS.mjGEOM_CYLINDER:
        mesh = trimesh.creation.cylinder(s[0], 2.0 * s[1], sections=32)
    elif kind == _KINDS.mjGEOM_CAPSULE:
        mesh = trimesh.creation.capsule(2.0 * s[1], s[0], count=[24, 24])
        mesh.apply_translation(-mesh.bounds.mean(axis=0))
    elif kind in (_KINDS.mjGEOM_SPHERE, _KINDS.mjGEOM_ELLIPSOID):
        mesh = trimesh.creation.icosphere(3)
        mesh.vertices = mesh.vertices * (s if kind == _KINDS.mjGEOM_ELLIPSOID else s[0])
    else:
        mesh = trimesh.convex.convex_hull(_mesh_vertices(model, int(model.geom_dataid[g])))
    return trimesh.Trimesh(mesh.vertices @ R.T + center, mesh.faces, process=True)


def _mesh_vertices(model: mujoco.MjModel, m: int) -> np.ndarray:
    """Of a mesh; those of large ones on a grid of half a millimetre."""
    start, count = model.mesh_vertadr[m], model.mesh_vertnum[m]
    vertices = np.asarray(model.mesh_vert[start : start + count], dtype=np.float64)
    return np.unique((vertices / HULL_GRID).round(), axis=0) * HULL_GRID if count > 500 else vertices


def _hull(model: mujoco.MjModel, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Outward unit normals [n, 3] and offsets [n] of a mesh's convex hull, to half a millimetre.

    Scans of rounded parts have thousands of facets; their vertices on a grid of 0.5 mm have some hundred.
    """
    try:
        equations = ConvexHull(_mesh_vertices(model, m)).equations
    except QhullError:
        raise UserError(
            f"mesh {model.mesh(m).name}, which is flat", "a mesh with volume", "replace it"
        ) from None
    equations = np.unique(equations.round(7), axis=0)
    return equations[:, :3], equations[:, 3]


def cone_distance(
    points: Float[np.ndarray, "n 3"], a: Sequence[float], b: Sequence[float], ra: float, rb: float
) -> Float[np.ndarray, " n"]:
    """Signed distance to a tapered capsule, metres, positive outside.

    |p - (a + t (b - a))| - (ra + t (rb - ra)), t the clamped projection; exact where ra = rb and within
    (ra - rb)^2 / (2 |b - a|) otherwise.
    """
    pa, ba = points - np.asarray(a), np.subtract(b, a)
    t = np.clip(pa @ ba / (ba @ ba), 0.0, 1.0)
    return np.linalg.norm(pa - t[:, None] * ba, axis=1) - (ra + t * (rb - ra))


def smooth_min(d: Float[np.ndarray, "n k"], radius: float) -> Float[np.ndarray, " n"]:
    """Smooth union of k solids: -r/4 log sum exp(-4 d / r), never above the plain minimum."""
    m = d.min(axis=1)
    s = radius / 4.0
    return m - s * np.log(np.exp(-(d - m[:, None]) / s).sum(axis=1))


def mesh_implicit(
    distance: Callable[[np.ndarray], np.ndarray],
    low: Float[np.ndarray, "3"],
    high: Float[np.ndarray, "3"],
    spacing: float,
    faces: int,
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "triangles 3"]]:
    """Closed, outward-oriented mesh of {distance = 0} with about `faces` even triangles.

    Marching cubes on a grid of the given spacing, then shortest-edge collapse (even triangles, unlike
    quadric collapse, so that skin vertices sample the hand evenly), then projection onto the surface.
    """
    axes = [np.arange(lo, hi + spacing, spacing) for lo, hi in zip(low, high, strict=True)]
    # libigl wants x to run fastest.
    grid = np.stack(np.meshgrid(*axes[::-1], indexing="ij"), axis=-1)[..., ::-1]
    values = distance(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    nz, ny, nx = grid.shape[:3]
    mesher: Any = igl  # its stubs are too narrow
    v, f = mesher.marching_cubes(values.ravel(), grid.reshape(-1, 3), nx, ny, nz, 0.0)[:2]
    v, f = mesher.decimate(v, f.astype(np.int32), int(faces))[:2]
    for _ in range(3):
        h = 1e-5
        grad = np.stack([(distance(v + h * e) - distance(v - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
        step = distance(v)[:, None] * grad / np.maximum((grad**2).sum(axis=1, keepdims=True), 1e-9)
        # in a crease between solids the slope says little
        far = np.linalg.norm(step, axis=1, keepdims=True)
        v = v - step * np.minimum(1.0, 0.5 * spacing / np.maximum(far, 1e-12))
    if np.einsum("fi,fi->f", v[f[:, 0]], np.cross(v[f[:, 1]], v[f[:, 2]])).sum() < 0:
        f = f[:, ::-1]
    # libigl's indices are C long long, which numpy names differently from int64.
    return v, np.ascontiguousarray(f).astype(np.intp)
