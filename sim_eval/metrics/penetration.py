"""P.Dep and P.Vol: how far and how much the hand is inside the object (paper IV-A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int
from manifold3d import Manifold

from sim_eval.solids import as_manifold
from zdg_jax.objects.sdf.mesh_distance import closest_points, winding_number

# How deep the hand is in itself.
CHUNK = 1 << 22  # distances at a time: 32 MB


def self_penetration(
    p_spheres: Float[np.ndarray, "n spheres 3"],
    radius: Float[np.ndarray, " spheres"],
    pairs: Int[np.ndarray, "pairs 2"],
) -> Float[np.ndarray, " n"]:
    """Deepest link-link overlap in cm: 100 max_(i,j) max(0, r_i + r_j - |p_i - p_j|).

    DexGraspBench reports the deepest contact between two hand geoms. The reading taken: of the hand's
    sphere chains (the simulated shape, inscribed in the skin), over the pairs that refinement's E_spen also
    sees: links at least two joints apart whose spheres do not overlap at rest. So a bent finger's own crease
    is no self-penetration, and the figure is at most some 2 mm below that of the skin.

    Args:
      p_spheres: sphere centres, metres.
      radius: metres.
      pairs: which spheres may meet (`HandModel.sphere_pairs`).

    Returns:
      cm; 0 if no pair overlaps; NaN if a centre is not finite.
    """
    fine = np.asarray(np.isfinite(p_spheres).all(axis=(1, 2)))
    if len(pairs) == 0:
        return np.where(fine, 0.0, np.nan)
    p_spheres = np.where(fine[:, None, None], p_spheres, 0.0)
    i, j = pairs.T
    reach = radius[i] + radius[j]
    step = max(1, CHUNK // len(pairs))
    deepest = np.empty(len(p_spheres))
    for start in range(0, len(p_spheres), step):
        p = p_spheres[start : start + step]
        gap = np.zeros((len(p), len(pairs)))
        for axis in range(3):  # a third of the memory of one [n, pairs, 3] array
            gap += np.square(p[:, i, axis] - p[:, j, axis])
        deepest[start : start + step] = (reach - np.sqrt(gap)).max(axis=1)
    return np.where(fine, 100.0 * np.maximum(deepest, 0.0), np.nan)


VOXEL_LITERATURE = 0.005  # metres, the pitch of GraspTTA [36]
VOXEL_FINE = 0.002
VOXEL_BATCH = 64  # grasps whose voxels are looked up together


def penetration_depth(phi: Float[np.ndarray, "n vertices"]) -> Float[np.ndarray, " n"]:
    """P.Dep in cm: 100 max_v max(0, -φ(v)), φ the object's exact signed distance at the hand's skin vertices.

    Paper IV-A, after GraspTTA [36]: the greatest distance of a hand vertex inside the object to the object's
    surface. Where the literature measures to the nearest object vertex, we measure to the surface.

    Args:
      phi: signed distance at each vertex, metres, positive outside.

    Returns:
      cm; 0 if no vertex is inside; NaN if a value is NaN.
    """
    return 100.0 * np.maximum(0.0, -phi).max(axis=-1)


def object_depth(
    skin: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "m 3"]
) -> float:
    """P.Dep seen from the object, in cm: 100 max_p max(0, -φ_hand(p)) over object surface points.

    No published definition asks for it; it shows blades and wires that slip between skin vertices, which
    `penetration_depth` misses.

    Args:
      skin: posed skin, metres, closed.
      faces: of the skin.
      points: on the object's surface, metres.

    Returns:
      cm; 0 if no point is inside the hand.
    """
    low, high = skin.min(axis=0), skin.max(axis=0)
    near = points[((points >= low) & (points <= high)).all(axis=1)]
    if len(near) == 0:
        return 0.0
    near = near[winding_number(skin, faces, near) > 0.5]
    if len(near) == 0:
        return 0.0
    return 100.0 * float(closest_points(trimesh.Trimesh(skin, faces, process=False), near)[1].max())


def object_depths(
    skins: Float[np.ndarray, "n vertices 3"], faces: Int[np.ndarray, "f 3"], points: Float[np.ndarray, "m 3"]
) -> Float[np.ndarray, " n"]:
    """`object_depth` of n grasps; NaN for a skin that is not finite."""
    fine = np.asarray(np.isfinite(skins).all(axis=(1, 2)))
    return np.array(
        [object_depth(skin, faces, points) if ok else np.nan for skin, ok in zip(skins, fine, strict=True)]
    )


def collision_depth(
    mesh: trimesh.Trimesh, points: Float[np.ndarray, "n points 3"]
) -> Float[np.ndarray, " n"]:
    """P.Dep of the hand's collision shapes, in cm: 100 max_c max(0, -φ(c)) over points c on their surface.

    Ours: `penetration_depth` sees the skin, whose few vertices a simulator's boxes stand out of. Unlike
    DexGraspBench's `pene`, which is the deepest contact of MuJoCo's convex pieces, the object is its mesh.

    Args:
      mesh: the object, metres.
      points: posed, metres.

    Returns:
      cm; 0 if no point is inside; NaN where a row is not finite.
    """
    depth = np.where(np.isfinite(points).all(axis=(1, 2)), 0.0, np.nan)
    low, high = mesh.bounds
    row, column = np.nonzero(((points >= low) & (points <= high)).all(axis=2) & np.isfinite(depth)[:, None])
    if len(row) == 0:
        return depth
    near = points[row, column]
    inside = winding_number(np.asarray(mesh.vertices), np.asarray(mesh.faces), near) > 0.5
    if inside.any():
        np.maximum.at(depth, row[inside], 100.0 * closest_points(mesh, near[inside])[1])
    return depth


@dataclass(frozen=True)
class Volume:
    """P.Vol of one grasp, cm³, and how it was found: "exact" or "voxel"."""

    cm3: float
    method: str


def penetration_volume(
    skin: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "f 3"],
    mesh: trimesh.Trimesh,
    solid: Manifold | None,
) -> Volume:
    """P.Vol in cm³: the volume of (hand ∩ object), exact, by a boolean of the two closed meshes.

    Paper IV-A gives no method; the literature counts voxels of 5 mm (`voxel_volumes`), which is off by tens
    of percent at the few cm³ of a good grasp. Where hand or object bounds no solid, voxels of 2 mm
    with the generalised winding number take over, and `method` says so.

    Args:
      skin: posed skin, metres.
      faces: of the skin.
      mesh: the object, metres.
      solid: `as_manifold` of the object, made once for many grasps.

    Returns:
      The volume. Where the skin crosses itself inside the object, the doubly covered part counts twice (the
      creases of human16's bent fingers: below 1 % of P.Vol against voxels of 1 mm).
    """
    if (skin.min(axis=0) > mesh.bounds[1]).any() or (skin.max(axis=0) < mesh.bounds[0]).any():
        return Volume(0.0, "voxel" if solid is None else "exact")
    hand = as_manifold(skin, faces)
    if hand is None or solid is None:
        return Volume(voxel_volume(skin, faces, mesh, VOXEL_FINE), "voxel")
    overlap = hand ^ solid
    return Volume(1e6 * max(0.0, overlap.volume()), "exact")


def voxel_volume(
    skin: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "f 3"],
    mesh: trimesh.Trimesh,
    pitch: float = VOXEL_LITERATURE,
) -> float:
    """`voxel_volumes` of one grasp."""
    return float(voxel_volumes(skin[None], faces, mesh, pitch)[0])


def voxel_volumes(
    skins: Float[np.ndarray, "n vertices 3"],
    faces: Int[np.ndarray, "f 3"],
    mesh: trimesh.Trimesh,
    pitch: float = VOXEL_LITERATURE,
) -> Float[np.ndarray, " n"]:
    """P.Vol in cm³ as the literature counts it: pitch³ times the voxels whose centre is in hand and object.

    ObMan (Hasson et al. 2019) and GraspTTA voxelise the object at 5 mm and count the voxels inside the hand.
    Their `trimesh.voxelized` fills the object's shell only; the reading taken is the solid object. Inside
    means a generalised winding number above 1/2, so that neither mesh need be closed. Centres lie on the
    lattice pitch (i + 1/2, j + 1/2, k + 1/2) of the object frame, so the value depends on that frame.

    Args:
      skins: posed skins, metres; a row that is not finite gives NaN.
      faces: of the skin.
      mesh: the object, metres.
      pitch: edge of a voxel, metres; GraspTTA takes 5 mm.

    Returns:
      cm³.
    """
    result = np.where(np.isfinite(skins).all(axis=(1, 2)), 0.0, np.nan)
    fine = np.flatnonzero(np.isfinite(result))
    for start in range(0, len(fine), VOXEL_BATCH):
        rows = fine[start : start + VOXEL_BATCH]
        cells = [_shared_cells(skins[i], mesh.bounds, pitch) for i in rows]
        # one query of the object for all grasps: building its tree costs most of the time
        unique, place = np.unique(np.concatenate(cells), axis=0, return_inverse=True)
        solid = _inside(np.asarray(mesh.vertices), np.asarray(mesh.faces), unique, pitch)
        which = np.split(solid[place.reshape(-1)], np.cumsum([len(c) for c in cells])[:-1])
        for i, own, filled in zip(rows, cells, which, strict=True):
            result[i] = 1e6 * pitch**3 * _inside(skins[i], faces, own[filled], pitch).sum()
    return result


def _inside(
    vertices: np.ndarray, faces: np.ndarray, cells: Int[np.ndarray, "cells 3"], pitch: float
) -> Bool[np.ndarray, " cells"]:
    """Whether the centres of lattice cells lie inside a mesh."""
    return winding_number(vertices, faces, pitch * (cells + 0.5)) > 0.5


def _shared_cells(skin: np.ndarray, bounds: np.ndarray, pitch: float) -> Int[np.ndarray, "cells 3"]:
    """Indices (i, j, k) of the lattice cells in the box that hand and object share."""
    low, high = np.maximum(skin.min(axis=0), bounds[0]), np.minimum(skin.max(axis=0), bounds[1])
    if (low > high).any():
        return np.zeros((0, 3), np.int64)
    first, last = np.floor(low / pitch).astype(np.int64), np.ceil(high / pitch).astype(np.int64)
    axes = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
