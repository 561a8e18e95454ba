"""Skin and sphere chains of a hand: read from a prepared file, or built from its collision geoms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float, Int

from zdg_jax.cache import cached_arrays
from zdg_jax.errors import UserError
from zdg_jax.hands.io.covering import candidates, cover_all, surface_points
from zdg_jax.hands.io.hand_spec import HandCard
from zdg_jax.hands.io.kinematic_tree import body_name
from zdg_jax.hands.io.model_files import hand_source, within
from zdg_jax.hands.io.sdf_solids import area, bounds, mesh_implicit, solid_distance, solid_geoms
from zdg_jax.hands.model import HandModel

Spheres = tuple[np.ndarray, np.ndarray, np.ndarray]
#: Skin vertices a hand should have in all; DESIGN §4.
SKIN_VERTICES = 820
#: Refinement packs a sphere's number into nine bits (`refine.hand_points.SPHERE_BITS`).
MOST_SPHERES = 512


def link_solids(card: HandCard, folder: Path, model: mujoco.MjModel, keep: Sequence[int], links: list[str]):
    """Skin in the rest pose of the MJCF world (vertices, faces, link), spheres in link frames, and the link
    and share that each vertex follows beside its own, or None.

    Raises:
      UserError: nothing collides, or there are more spheres than refinement can number.
    """
    if card.skin == "collision":
        names = ("link_solids.py", "covering.py", "sdf_solids.py")
        sources = tuple(Path(__file__).with_name(n) for n in names)
        key = _key(card, model, keep, links)
        d = cached_arrays("hands", key, lambda: _from_geoms(card, model, keep, links), sources)
        found = d["vertices"], d["faces"], d["link"], (d["center"], d["radius"], d["sphere_link"]), None
    else:
        found = _prepared(card, folder, model, keep, links)
    count = len(found[3][1])
    if count > MOST_SPHERES:
        raise UserError(
            f"hand {card.name} with {count} spheres", f"at most {MOST_SPHERES}", "fit coarser sphere chains"
        )
    return found


def _prepared(card: HandCard, folder: Path, model: mujoco.MjModel, keep: Sequence[int], links: list[str]):
    try:
        with np.load(within(folder, card.skin, card.name)) as d:
            link = np.array([links.index(n) for n in d["link"]])
            sphere_link = np.array([links.index(n) for n in d["sphere_link"]])
            vertices, faces = d["vertices"].astype(np.float64), d["faces"].astype(np.int64)
            center, radius = d["sphere_center"], d["sphere_radius"]
            other = np.array([links.index(n) for n in d["other"]]) if "other" in d else None
            follows = None if other is None else (other, d["share"].astype(np.float64))
    except (OSError, ValueError, KeyError) as e:
        raise UserError(
            f"skin {card.skin} ({e})", "`collision`, or a prepared npz beside the card", "mend `skin`"
        ) from None
    data = _at_rest(model)
    R, p = data.xmat[keep].reshape(-1, 3, 3), data.xpos[keep]
    local = np.einsum("sji,sj->si", R[sphere_link], center - p[sphere_link])
    return vertices, faces, link, (local, radius, sphere_link), follows


def _key(card: HandCard, model: mujoco.MjModel, keep: Sequence[int], links: list[str]) -> str:
    """Everything that the solids depend on: the compiled geometry, not the files that it came from.

    Of palm, pads and fingers only where links look and which are phalanges: a pad that moves costs nothing.
    """
    facing = palmar_directions(card, _at_rest(model).xmat[list(keep)].reshape(-1, 3, 3), links)
    excluded = [links.index(name) for name in card.skin_exclude if name in links]
    phalanges = sorted(links.index(name) for name in _phalanges(card))
    told = (excluded, facing.round(9).tolist(), phalanges, list(keep), mujoco.__version__)
    digest = hashlib.sha256(repr(told).encode())
    names = ("geom_type", "geom_size", "geom_pos", "geom_quat", "geom_bodyid", "geom_contype", "geom_group",
             "geom_conaffinity", "body_pos", "body_quat", "mesh_vert", "mesh_face")  # fmt: skip
    for name in names:
        digest.update(np.ascontiguousarray(getattr(model, name)).tobytes())
    return digest.hexdigest()


def _from_geoms(
    card: HandCard, model: mujoco.MjModel, keep: Sequence[int], links: list[str]
) -> dict[str, np.ndarray]:
    data = _at_rest(model)
    solids = [
        (keep.index(body), body, geoms)
        for body, geoms in solid_geoms(model, keep).items()
        if links[keep.index(body)] not in card.skin_exclude
    ]
    if not solids:
        raise UserError(f"hand {card.name} without geometry", "links with collision geoms", "add some")
    areas = np.array([sum(area(model, g) for g in gs) for _, _, gs in solids])
    # a link of many geoms has more corners to show
    least = np.array([24 + 6 * (len(gs) - 1) for _, _, gs in solids])
    share = np.maximum(least, SKIN_VERTICES * areas / areas.sum())
    share = np.maximum(24, share * min(1.0, 1.1 * SKIN_VERTICES / share.sum())).astype(int)
    phalanges = _phalanges(card)
    vs, fs, ls, shapes, offset = [], [], [], [], 0
    for (i, body, geoms), n in zip(solids, share, strict=True):
        distance = solid_distance(model, geoms)
        low, high = bounds(model, geoms)
        spacing = float(np.clip((high - low).max() / 24, 0.0012, 0.003))
        v, f = mesh_implicit(distance, low - 2 * spacing, high + 2 * spacing, spacing, 2 * int(n) - 4)
        R, p = data.xmat[body].reshape(3, 3), data.xpos[body]
        vs.append(v @ R.T + p)
        fs.append(f + offset)
        ls.append(np.full(len(v), i))
        offset += len(v)
        points, normals = surface_points(model, geoms)
        rest = data.xmat[list(keep)].reshape(-1, 3, 3)
        facing = _facing(normals, i, card, rest, links)
        shapes.append((i, candidates(distance, points, normals, facing, links[i] in phalanges)))
    chosen = cover_all([shape for _, shape in shapes])
    return {
        "vertices": np.concatenate(vs), "faces": np.concatenate(fs), "link": np.concatenate(ls),
        "center": np.concatenate([shape.center[k] for (_, shape), k in zip(shapes, chosen, strict=True)]),
        "radius": np.concatenate([shape.radius[k] for (_, shape), k in zip(shapes, chosen, strict=True)]),
        "sphere_link": np.concatenate([np.full(len(k), i) for (i, _), k in zip(shapes, chosen, strict=True)]),
    }  # fmt: skip


def _at_rest(model: mujoco.MjModel) -> mujoco.MjData:
    """All joints at zero."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    return data


def _phalanges(card: HandCard) -> set[str]:
    """Links of the fingers; knuckles and metacarpals are the palm's."""
    return {name for members in card.fingers.values() for name in members[-3:]}


def _facing(normals: np.ndarray, link: int, card: HandCard, rest: np.ndarray, links: list[str]) -> np.ndarray:
    """Cosine of each normal with the palmar direction of its link."""
    number = np.full(len(normals), link)
    front, back = (palmar_side(sign * normals, number, card, rest, links) for sign in (1, -1))
    return front**2 - back**2


def palmar_side(
    n_link: Float[np.ndarray, "n 3"],
    link: Int[np.ndarray, " n"],
    card: HandCard,
    R_world_link: Float[np.ndarray, "links 3 3"],
    links: Sequence[str],
) -> Float[np.ndarray, " n"]:
    """Weight 0..1 of each point of the skin: how far its normal points to the palmar side of its own link.

    max(0, n . m)^0.5 where m is the pad's normal for links of a finger with a pad, D_palm for the rest: the
    back of a finger or of the hand never touches what it holds.

    Args:
      n_link: outward normals, link frames.
      link: number of each point's link.
      card: palm frame and pads.
      R_world_link: of the hand at rest.
      links: their names.
    """
    facing = palmar_directions(card, R_world_link, links)
    return np.sqrt(np.clip((n_link * facing[link]).sum(axis=1), 0.0, 1.0))


def thumb_side(
    n_link: Float[np.ndarray, "n 3"],
    link: Int[np.ndarray, " n"],
    card: HandCard,
    R_world_link: Float[np.ndarray, "links 3 3"],
    links: Sequence[str],
    towards: Float[np.ndarray, "3"],
) -> Float[np.ndarray, " n"]:
    """Weight 0..1 of each point of the skin: how far its normal points to the thumb's side of its own link.

    max(0, n . u)^0.5 where u is the way across the palm towards the thumb, square to the palmar direction.

    Args:
      n_link, link, card, R_world_link, links: as of `palmar_side`.
      towards: across the palm to the thumb's side, world, unit length.
    """
    facing = palmar_directions(card, R_world_link, links)
    side = np.einsum("lji,j->li", R_world_link, towards)
    side -= (side * facing).sum(axis=1, keepdims=True) * facing
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    return np.sqrt(np.clip((n_link * side[link]).sum(axis=1), 0.0, 1.0))


def palmar_directions(
    card: HandCard, R_world_link: Float[np.ndarray, "links 3 3"], links: Sequence[str]
) -> Float[np.ndarray, "links 3"]:
    """Where each link's palmar side looks, in its own frame, unit length; arguments as of `palmar_side`."""
    palm = links.index(card.palm.link)
    # D_palm in each link's own frame at rest
    facing = np.einsum("lji,jk,k->li", R_world_link, R_world_link[palm], np.array(card.palm.d_palm, float))
    for f, members in card.fingers.items():
        pad = card.pads.get(f)
        if pad is None:
            continue
        n = R_world_link[links.index(pad.link)] @ (np.array(pad.normal) / np.linalg.norm(pad.normal))
        for m in members:
            facing[links.index(m)] = R_world_link[links.index(m)].T @ n
    return facing / np.linalg.norm(facing, axis=1, keepdims=True)


#: Longest distance of neighbours, metres.
STEP = 0.006


@lru_cache(maxsize=16)
def collision_points(hand: HandModel) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
    """Points on the links' collision geoms, corners and edges among them, and the link of each.

    Links without spheres are left out: a forearm that the card excludes holds nothing.

    Args:
      hand: its MJCF or URDF is compiled again.
    Returns: points in link frames, metres; links.
    """
    model = hand_source(hand).model
    bodies = {body_name(model, b): b for b in range(1, model.nbody)}
    links = {bodies[hand.link_names[i]]: int(i) for i in np.unique(hand.sphere_link)}
    found = []
    for body, geoms in solid_geoms(model, list(links)).items():
        points = surface_points(model, geoms, STEP)[0]
        # corners of the geoms come first, so that they stay
        first = np.unique((points / STEP).round(), axis=0, return_index=True)[1]
        found.append((links[body], points[np.sort(first)]))
    points = np.concatenate([p for _, p in found])
    return points, np.concatenate([np.full(len(p), i) for i, p in found])
