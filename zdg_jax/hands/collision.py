"""Skin and sphere chains of a hand: read from a prepared file, or built from its collision geoms."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import igl
import mujoco
import numpy as np
import trimesh

from zdg_jax.cache import cached_arrays
from zdg_jax.hands.card import HandCard
from zdg_jax.hands.implicit import mesh_implicit

Spheres = tuple[np.ndarray, np.ndarray, np.ndarray]
#: Skin vertices a hand should have in all; DESIGN §4.
SKIN_VERTICES = 820


def link_solids(card: HandCard, folder: Path, model: mujoco.MjModel, keep: list[int], links: list[str]):
    """Skin in the rest pose of the MJCF world (vertices, faces, link) and spheres in link frames."""
    if card.skin != "collision":
        with np.load(folder / card.skin) as d:
            link = np.array([links.index(n) for n in d["link"]])
            sphere_link = np.array([links.index(n) for n in d["sphere_link"]])
            vertices, faces = d["vertices"].astype(np.float64), d["faces"].astype(np.int64)
            center, radius = d["sphere_center"], d["sphere_radius"]
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        R, p = data.xmat[keep].reshape(-1, 3, 3), data.xpos[keep]
        local = np.einsum("sji,sj->si", R[sphere_link], center - p[sphere_link])
        return vertices, faces, link, (local, radius, sphere_link)
    key = hashlib.sha256(f"{card.model_dump_json()} {mujoco.__version__}".encode()).hexdigest()
    sources = tuple(Path(__file__).with_name(n) for n in ("collision.py", "implicit.py"))
    d = cached_arrays("hands", key, lambda: _from_geoms(card, model, keep, links), sources)
    return d["vertices"], d["faces"], d["link"], (d["center"], d["radius"], d["sphere_link"])


def _from_geoms(
    card: HandCard, model: mujoco.MjModel, keep: list[int], links: list[str]
) -> dict[str, np.ndarray]:
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    solids = []
    for i, body in enumerate(keep):
        geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == body and model.geom_group[g] == 3]
        if geoms and links[i] not in card.skin_exclude:
            solids.append((i, body, geoms))
    areas = np.array([sum(_area(model, g) for g in gs) for _, _, gs in solids])
    share = np.maximum(24, SKIN_VERTICES * areas / areas.sum()).astype(int)
    vs, fs, ls, cs, rs, ss, offset = [], [], [], [], [], [], 0
    for (i, body, geoms), n in zip(solids, share, strict=True):

        def distance(q: np.ndarray, geoms=geoms) -> np.ndarray:
            return np.min([geom_distance(model, g, q) for g in geoms], axis=0)

        low, high = _bounds(model, geoms)
        spacing = float(np.clip((high - low).max() / 24, 0.0012, 0.003))
        v, f = mesh_implicit(distance, low - 2 * spacing, high + 2 * spacing, spacing, 2 * int(n) - 4)
        R, p = data.xmat[body].reshape(3, 3), data.xpos[body]
        vs.append(v @ R.T + p)
        fs.append(f + offset)
        ls.append(np.full(len(v), i))
        offset += len(v)
        normals = trimesh.Trimesh(v, f, process=False).vertex_normals
        center, radius = cover_by_spheres(distance, v, normals)
        cs.append(center)
        rs.append(radius)
        ss.append(np.full(len(center), i))
    return {
        "vertices": np.concatenate(vs), "faces": np.concatenate(fs), "link": np.concatenate(ls),
        "center": np.concatenate(cs), "radius": np.concatenate(rs), "sphere_link": np.concatenate(ss),
    }  # fmt: skip


def _area(model: mujoco.MjModel, g: int) -> float:
    half = model.geom_aabb[g, 3:]
    return float(8 * (half[0] * half[1] + half[1] * half[2] + half[2] * half[0]))


def _bounds(model: mujoco.MjModel, geoms: list[int]) -> tuple[np.ndarray, np.ndarray]:
    corners = []
    for g in geoms:
        c, h = model.geom_aabb[g, :3], model.geom_aabb[g, 3:]
        box = c + h * np.stack(np.meshgrid(*[[-1, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        corners.append(box @ _rotation(model, g).T + model.geom_pos[g])
    return np.concatenate(corners).min(0), np.concatenate(corners).max(0)


def _rotation(model: mujoco.MjModel, g: int) -> np.ndarray:
    R = np.zeros(9)
    mujoco.mju_quat2Mat(R, model.geom_quat[g])
    return R.reshape(3, 3)


def geom_distance(model: mujoco.MjModel, g: int, points: np.ndarray) -> np.ndarray:
    """Signed distance of points [n, 3] (link frame) to one MuJoCo geom, metres, positive outside."""
    q = (points - model.geom_pos[g]) @ _rotation(model, g)
    s, kind = model.geom_size[g], mujoco.mjtGeom(int(model.geom_type[g]))
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return np.linalg.norm(q, axis=1) - s[0]
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        q = q - np.clip(q[:, 2:], -s[1], s[1]) * np.array([0.0, 0.0, 1.0])
        return np.linalg.norm(q, axis=1) - s[0]
    if kind in (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER):
        if kind == mujoco.mjtGeom.mjGEOM_BOX:
            d = np.abs(q) - s
        else:
            d = np.stack([np.linalg.norm(q[:, :2], axis=1) - s[0], np.abs(q[:, 2]) - s[1]], axis=1)
        return np.linalg.norm(np.maximum(d, 0.0), axis=1) + np.minimum(d.max(axis=1), 0.0)
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        m = model.geom_dataid[g]
        v0, nv = model.mesh_vertadr[m], model.mesh_vertnum[m]
        f0, nf = model.mesh_faceadr[m], model.mesh_facenum[m]
        v = np.asarray(model.mesh_vert[v0 : v0 + nv], dtype=np.float64)
        f = np.asarray(model.mesh_face[f0 : f0 + nf], dtype=np.int64)
        return np.asarray(igl.signed_distance(q, v, f, sign_type=igl.SIGNED_DISTANCE_TYPE_WINDING_NUMBER)[0])
    raise ValueError(f"got geom type {kind}; expected sphere, capsule, box, cylinder or mesh")


def cover_by_spheres(
    distance: Callable[[np.ndarray], np.ndarray],
    surface: np.ndarray,
    normals: np.ndarray,
    tolerance: float = 0.0018,
    most: int = 140,
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy set cover of a solid's surface by inscribed spheres: (centres [k, 3], radii [k]).

    Candidates are the largest balls that touch the surface from inside at each vertex (Ma et al. 2012,
    "3D medial axis point approximation", by trial radii); a vertex counts as covered when a sphere passes
    within `tolerance` of it. Stops when nothing new is covered or at `most` spheres.
    """
    radius = np.full(len(surface), 1e-3)
    for r in np.linspace(0.0015, 0.02, 38):
        fits = -distance(surface - r * normals) > r - 0.0004
        radius = np.where(fits, r, radius)
    center = surface - radius[:, None] * normals
    gap = np.abs(np.linalg.norm(center[:, None] - surface[None], axis=2) - radius[:, None])
    covers = gap < tolerance
    left = np.ones(len(surface), dtype=bool)
    chosen: list[int] = []
    while left.any() and len(chosen) < most:
        best = int(((covers & left).sum(axis=1) + radius / radius.max() * 1e-3).argmax())
        chosen.append(best)
        left &= ~covers[best]
    return center[chosen], radius[chosen]
