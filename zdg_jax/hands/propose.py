"""A first hand card by inspection of the model: palm, fingers, pads, frames (DESIGN §4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from zdg_jax.errors import UserError
from zdg_jax.hands.io.kinematic_tree import Tree, body_name, subtree
from zdg_jax.hands.io.sdf_solids import bounds, mesh_implicit, solid_distance, solid_geoms
from zdg_jax.pose import unit

#: Names from the thumb's side on.
FINGERS = ("index", "middle", "ring", "little")
#: What model files call them.
_SPOKEN = {
    "thumb": r"thumb|^(rh_|lh_|l_|r_|right_|left_)?th(?=[_bpdmh]|$)|_th_",
    "index": r"index|pointer|forefinger|^(rh_|lh_|l_|r_)?[fi]f(?=[_kpdm]|$)",
    "middle": r"middle_?(?!phalan)(?=finger|prox|[a-z]*_|f)|^(rh_|lh_|l_|r_)?mf(?=[_kpdm]|$)",
    "ring": r"ring(?!er)|^(rh_|lh_|l_|r_)?rf(?=[_kpdm]|$)",
    "little": r"little|pink(y|ie)|^(rh_|lh_|l_|r_)?lf(?=[_kpdm]|$)",
}


@dataclass(frozen=True)
class Finger:
    """One branch of the tree below the palm.

    Attributes:
      links: from the first that moves to the tip, those without geometry too.
      pad: link (number) that carries the pad.
      hinges: numbers in the tree, root first.
      root, tip: first hinge and far end at rest, base frame, metres.
      bend: where the tip goes when the last hinge flexes, unit, base frame.
      axis: of that hinge, turned so that flexion is positive.
    """

    links: tuple[int, ...]
    pad: int
    hinges: tuple[int, ...]
    root: np.ndarray
    tip: np.ndarray
    bend: np.ndarray
    axis: np.ndarray


def first_card(model: mujoco.MjModel, reference: str, name: str, base: str | None = None) -> dict[str, Any]:
    """Fields of a hand card (without grasp types), guessed from tree, limits, names and geometry.

    The base is the link from which most fingers branch; a finger is a branch with a hinge; the pad lies on
    the last link with geometry, on the side to which its last hinge flexes; D_finger is the mean direction of
    the stretched fingers, D_palm where they bend; the thumb is told by name, or by the axis of its last
    hinge.

    Args:
      model: compiled.
      reference: what goes into `model`.
      name: of the hand.
      base: link to take as the base; guessed if None.
    Raises:
      UserError: no link with two fingers, or an unknown base.
    """
    tree = subtree(model, _base(model, base))
    paths = _branches(model, tree)
    pose = _Pose(model, tree, dict(pair for path in paths for pair in stretched(model, tree, path).items()))
    fingers = [f for f in (_finger(model, tree, pose, path) for path in paths) if f is not None]
    if len(fingers) < 2:
        raise UserError(
            f"{len(fingers)} fingers below {tree.links[0]}",
            "two or more branches with hinges",
            "choose another --base",
        )
    thumb = _thumb(tree, fingers)
    rest = [f for i, f in enumerate(fingers) if i != thumb]
    d_finger = unit(np.sum([unit(f.tip - f.root) for f in rest], axis=0))
    bend = np.sum([f.bend for f in rest], axis=0)
    d_palm = unit(bend - (bend @ d_finger) * d_finger)
    across = np.cross(d_palm, d_finger)
    origin = _palm_point(model, tree, pose, rest, d_finger, d_palm)
    side = (
        np.sign(np.mean([(f.tip + f.root) @ across for f in rest]) / 2 - fingers[thumb].root @ across) or 1.0
    )
    order = sorted(rest, key=lambda f: side * float(f.root @ across))
    named = dict(zip(_names(tree, order), order, strict=True))
    named = {"thumb": fingers[thumb], **{n: named[n] for n in [*FINGERS, *named] if n in named}}
    return {
        "name": name, "model": reference, "skin": "collision", "base": tree.links[0],
        "palm": {"link": tree.links[0], "origin": _plain(origin), "d_finger": _plain(d_finger, 4),
                 "d_palm": _plain(d_palm, 4)},
        "fingers": {n: [tree.links[i] for i in f.links] for n, f in named.items()},
        "functional_fingers": ["thumb", next(n for n in named if n != "thumb")],
        "pads": {n: _pad(model, tree, pose, f) for n, f in named.items()},
    }  # fmt: skip


class _Pose:
    """Links with every hinge at 0 or its limit nearest to it, or as told, in the base's frame."""

    def __init__(self, model: mujoco.MjModel, tree: Tree, angles: Mapping[int, float] | None = None) -> None:
        data = mujoco.MjData(model)
        data.qpos[:] = 0.0
        for hinge, angle in (angles or {}).items():
            data.qpos[model.jnt_qposadr[tree.hinges[hinge]]] = angle
        for j in tree.hinges:
            if model.jnt_limited[j]:
                at = model.jnt_qposadr[j]
                data.qpos[at] = np.clip(data.qpos[at], *model.jnt_range[j])
        mujoco.mj_kinematics(model, data)
        self.angle = data.qpos[model.jnt_qposadr[tree.hinges]].copy()
        bodies = list(tree.bodies)
        base_R, base_p = data.xmat[bodies[0]].reshape(3, 3), data.xpos[bodies[0]]
        self.R = np.einsum("ji,njk->nik", base_R, data.xmat[bodies].reshape(-1, 3, 3))
        self.p = (data.xpos[bodies] - base_p) @ base_R
        self.axis, self.anchor = (
            data.xaxis[tree.hinges] @ base_R,
            (data.xanchor[tree.hinges] - base_p) @ base_R,
        )


def _base(model: mujoco.MjModel, wanted: str | None) -> int:
    names = [body_name(model, i) for i in range(1, model.nbody)]
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"base {wanted!r}", f"one of {', '.join(names)}", "choose another --base")
        return names.index(wanted) + 1
    hinged = np.zeros(model.nbody, dtype=bool)
    for j in range(model.njnt):
        hinged[model.jnt_bodyid[j]] |= int(model.jnt_type[j]) == int(mujoco.mjtJoint.mjJNT_HINGE)
    for b in range(model.nbody - 1, 0, -1):
        hinged[model.body_parentid[b]] |= hinged[b]
    branches = np.array([
        sum(hinged[c] for c in range(b + 1, model.nbody) if model.body_parentid[c] == b)
        for b in range(model.nbody)
    ])  # fmt: skip
    if branches[1:].max(initial=0) < 2:
        raise UserError(
            "no link from which two chains of hinges branch", "a hand with fingers", "choose --base"
        )
    return int(branches[1:].argmax()) + 1


def _branches(model: mujoco.MjModel, tree: Tree) -> list[list[int]]:
    """For every child of the base with a hinge below it, the path to its far end.

    That is the one with the most hinges; of those with as many, the one whose geometry reaches farthest: a
    fingertip may hang beside a longer chain of frames or covers.
    """
    pose, geoms = _Pose(model, tree), solid_geoms(model, tree.bodies)
    corners = {i: _box(model, pose, i, geoms[b]) for i, b in enumerate(tree.bodies) if b in geoms}
    count = np.zeros(len(tree.links), dtype=int)
    np.add.at(count, tree.joint_link, 1)
    best: dict[int, tuple[int, list[int]]] = {}
    for i in range(len(tree.links) - 1, -1, -1):

        def reach(path: list[int], at: np.ndarray = pose.p[i]) -> float:
            away = (np.linalg.norm(corners[k] - at, axis=1).max() for k in path if k in corners)
            return round(max(map(float, away), default=0.0), 4)

        down = [best[int(c)] for c in np.flatnonzero(tree.parent == i)]
        hinges, path = max(down, key=lambda x: (x[0], reach(x[1]), len(x[1])), default=(0, []))
        best[i] = int(count[i]) + hinges, [i, *path]
    below = map(int, np.flatnonzero(tree.parent == 0))
    return [best[c][1] for c in below if best[c][0]]


def _box(model: mujoco.MjModel, pose: _Pose, link: int, geoms: Sequence[int]) -> np.ndarray:
    """[8, 3] corners of a link's geometry, base frame, metres."""
    grid = np.stack(np.meshgrid(*np.stack(bounds(model, geoms), 1), indexing="ij"), -1).reshape(-1, 3)
    return grid @ pose.R[link].T + pose.p[link]


#: A finger whose pad gets so much farther from its first hinge than at 0 is not stretched there.
STRETCHES = 1.1


def stretched(model: mujoco.MjModel, tree: Tree, path: Sequence[int]) -> dict[int, float]:
    """Angles at which a finger reaches farthest from its first hinge, argmax_q |tip(q) - root|.

    The first hinge turns the whole finger, and stays.

    Args:
      model: compiled.
      tree: below the base.
      path: the finger's links from the root.

    Returns:
      angles (radians) by hinge number; empty if the finger is stretched at 0.
    """
    geoms = solid_geoms(model, tree.bodies)
    solid = [i for i in path if tree.bodies[i] in geoms]
    hinges = [int(j) for i in path for j in np.flatnonzero(tree.joint_link == i)]
    moving = [j for j in hinges[1:] if model.jnt_limited[tree.hinges[j]]]
    if not solid or not moving:
        return {}

    def reach(angles: dict[int, float]) -> float:
        pose = _Pose(model, tree, angles)
        tip = _box(model, pose, solid[-1], geoms[tree.bodies[solid[-1]]]).mean(axis=0)
        return float(np.linalg.norm(tip - pose.anchor[hinges[0]]))

    best: dict[int, float] = {}
    least = farthest = reach(best)
    for j in 2 * moving[::-1]:
        low, high = model.jnt_range[tree.hinges[j]]
        for angle in np.linspace(low, high, 13):
            if (far := reach({**best, j: float(angle)})) > farthest + 1e-6:
                best, farthest = {**best, j: float(angle)}, far
    return best if farthest > STRETCHES * least else {}


def _finger(model: mujoco.MjModel, tree: Tree, pose: _Pose, path: Sequence[int]) -> Finger | None:
    """None for a branch without geometry."""
    geoms = solid_geoms(model, tree.bodies)
    solid = [i for i in path if tree.bodies[i] in geoms]
    hinges = [int(j) for i in path for j in np.flatnonzero(tree.joint_link == i)]
    if not solid:
        return None
    pad, last = solid[-1], hinges[-1]
    if tree.joint_link[last] not in path[: path.index(pad) + 1]:
        last = next(j for j in hinges[::-1] if tree.joint_link[j] in path[: path.index(pad) + 1])
    links = path[path.index(int(tree.joint_link[hinges[0]])) :]  # what hangs rigidly from the base is palm
    box = _box(model, pose, pad, geoms[tree.bodies[pad]])
    center = box.mean(axis=0)
    outward = unit(center - pose.anchor[last])
    tip = center + outward * max(0.0, float(((box - center) @ outward).max()) * 0.8)
    lower, upper = model.jnt_range[tree.hinges[last]]
    at = pose.angle[last]  # flexion is the way on which there is more room
    axis = pose.axis[last] * (1.0 if abs(upper - at) >= abs(lower - at) else -1.0)
    return Finger(tuple(links), pad, tuple(hinges), pose.anchor[hinges[0]], tip,
                  unit(np.cross(axis, tip - pose.anchor[last])), axis)  # fmt: skip


def _thumb(tree: Tree, fingers: Sequence[Finger]) -> int:
    spoken = [i for i, f in enumerate(fingers) if _said(tree, f, "thumb")]
    if len(spoken) == 1:
        return spoken[0]
    if len(fingers) == 2:
        return 0

    # the one whose absence leaves the others' bending directions most alike
    def alike(i: int) -> float:
        rest = [f for k, f in enumerate(fingers) if k != i]
        along = np.linalg.norm(np.mean([unit(f.tip - f.root) for f in rest], axis=0))
        return float(np.linalg.norm(np.mean([f.axis for f in rest], axis=0)) + along)

    return int(np.argmax([alike(i) for i in range(len(fingers))]))


def _said(tree: Tree, finger: Finger, what: str) -> bool:
    """Whether links or hinges of a finger carry its name."""
    words = [tree.links[i] for i in finger.links] + [tree.joints[j] for j in finger.hinges]
    return any(re.search(_SPOKEN[what], w.lower()) for w in words)


def _names(tree: Tree, order: Sequence[Finger]) -> list[str]:
    """By the model's own names if they are all different, else by the order from the thumb's side on."""
    spoken = [[n for n in FINGERS if _said(tree, f, n)] for f in order]
    if all(len(s) == 1 for s in spoken) and len({s[0] for s in spoken}) == len(order):
        return [s[0] for s in spoken]
    return [*FINGERS, *(f"finger{i}" for i in range(len(FINGERS) + 1, len(order) + 1))][: len(order)]


def _palm_point(
    model: mujoco.MjModel, tree: Tree, pose: _Pose, fingers: Sequence[Finger], d_finger, d_palm
) -> np.ndarray:
    """On the palm's surface, a quarter of a finger's length behind the middle of the knuckles."""
    length = float(np.mean([np.linalg.norm(f.tip - f.root) for f in fingers]))
    point = np.mean([f.root for f in fingers], axis=0) - 0.25 * length * d_finger
    moved = {i for f in fingers for i in f.links}
    rigid = {0}
    for i, p in enumerate(tree.parent):
        if p in rigid and i not in moved and not (tree.joint_link == i).any():
            rigid.add(i)
    solid = [
        (i, solid_distance(model, g)) for b, g in solid_geoms(model, tree.bodies).items()
        if (i := tree.bodies.index(b)) in rigid
    ]  # fmt: skip
    if not solid:
        return point
    t = np.arange(-0.06, 0.0601, 0.0005)
    line = point + t[:, None] * d_palm
    inside = np.min([d((line - pose.p[i]) @ pose.R[i]) for i, d in solid], axis=0) < 0
    return point + t[inside].max() * d_palm if inside.any() else point


def _pad(model: mujoco.MjModel, tree: Tree, pose: _Pose, finger: Finger) -> dict[str, Any]:
    """On the bending side of the last link, two thirds of the way from its hinge to its end."""
    geoms = solid_geoms(model, tree.bodies)[tree.bodies[finger.pad]]
    distance = solid_distance(model, geoms)
    low, high = bounds(model, geoms)
    spacing = float(np.clip((high - low).max() / 24, 0.0012, 0.003))
    v, _ = mesh_implicit(distance, low - 2 * spacing, high + 2 * spacing, spacing, 400)
    R, p = pose.R[finger.pad], pose.p[finger.pad]
    hinge = (pose.anchor[finger.hinges[-1]] - p) @ R
    normal = finger.bend @ R
    along = (finger.tip - pose.anchor[finger.hinges[-1]]) @ R
    along = unit(along - (along @ normal) * normal)
    side = np.cross(normal, along)
    x = (v - hinge) @ along
    start = max(float(x.min()), 0.0)
    spot = start + 0.67 * (float(x.max()) - start)
    reach = 0.15 * (float(x.max()) - start) + 1e-4
    ring = v[np.abs(x - spot) < reach]
    middle = hinge + spot * along + np.median((ring - hinge) @ side) * side
    near = ring[np.abs((ring - middle) @ side) < 0.003 + 0.2 * float(np.ptp((ring - middle) @ side))]
    height = float(((near if len(near) else ring) - middle).dot(normal).max())
    t = np.linspace(height + 0.004, height - 0.02, 241)
    line = middle + t[:, None] * normal
    inside = np.flatnonzero(distance(line) < 0)
    point = line[inside[0]] if len(inside) else middle + height * normal
    return {"link": tree.links[finger.pad], "point": _plain(point), "normal": _plain(normal, 4)}


def _plain(v: np.ndarray, digits: int = 5) -> list[float]:
    return [round(float(x), digits) + 0.0 for x in v]
