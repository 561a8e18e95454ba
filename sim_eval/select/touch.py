"""Fingers that hover over the object are bent until they touch; the wrist stays where it is.

Refinement ends with fingers a few millimetres off: a contact map is content with near enough. A person who
holds a thing touches it, and contacts that nobody counts balance nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from sim_eval.metrics.penetration import self_penetration
from sim_eval.select.score import posture_excess
from sim_eval.select.squeeze import outward_normals, point_jacobian
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.kinematics import posed_in_palm, posed_skin, posed_spheres
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.refine.fist import spreads

#: A link this near is meant to touch, metres; and so far from the surface it then stands.
HOVER, TOUCH = 0.008, 0.0005
#: No joint is bent further, radians.
_MOST = 0.35
_ROUNDS, _STEP = 25, 0.04
#: What a radian costs beside a metre of gap: of joints that bend a finger, and of those that spread it.
_BEND, _SPREAD = 0.003, 0.03
#: Gaps that are too small count so much more than those that are too large.
_FIRM = 5.0
#: Shares of the way that are tried, finger by finger.
_SHARES = (1.0, 0.75, 0.5, 0.25)
#: What may be lost on the way: depth in the object, in the hand itself, metres, and posture, degrees.
_DEEPER, _OVERLAP, _EXCESS = 2e-4, 3e-4, 1.0


def touched(
    hand: HandModel,
    obj: ObjectModel,
    kinds: Sequence[str],
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    region: Bool[np.ndarray, " samples"] | None = None,
) -> Float[np.ndarray, "n active"]:
    q0 = np.array(joints, np.float64)
    fine = np.isfinite(hand_pose).all(axis=1) & np.isfinite(q0).all(axis=1)
    if not fine.any():
        return q0
    rows = np.flatnonzero(fine)
    pose, kinds = np.asarray(hand_pose, np.float64)[rows], [kinds[i] for i in rows]
    q0[rows] = _touched(hand, obj, kinds, pose, q0[rows], region)
    return q0


def _touched(hand, obj, kinds, pose, q0, region):
    field, fingers = obj.field, [f for f in hand.finger_names if hand.finger_links.get(f)]
    link_finger = hand.link_finger
    asked = np.zeros((len(q0), len(hand.link_names)), bool)
    for i, kind in enumerate(kinds):
        for f in fingers:
            if hand.holds(kind, f) and f not in (
                hand.grasp_types[kind].straight if kind in hand.grasp_types else ()
            ):
                asked[i] |= link_finger == hand.finger_names.index(f)
    own = _joint_finger(hand)
    bends = _bending(hand)
    cost = np.where(bends != 0, _BEND, _SPREAD)
    tree = KDTree(obj.samples.points) if region is not None else None
    q = q0.copy()
    links = [k for k in range(len(hand.link_names)) if (hand.skin_link == k).any() and link_finger[k] >= 0]
    for _ in range(_ROUNDS):
        skin = np.asarray(posed_skin(hand, pose, q))
        phi = field_values(field, skin.reshape(-1, 3)).reshape(skin.shape[:2])
        row, vertex, gap = [], [], []
        for k in links:
            on = np.flatnonzero(hand.skin_link == k)
            near = on[phi[:, on].argmin(axis=1)]
            g = phi[np.arange(len(q)), near]
            use = np.flatnonzero(asked[:, k] & (g < HOVER))
            row.append(use); vertex.append(near[use]); gap.append(g[use])
        row, vertex, gap = (np.concatenate(x) for x in (row, vertex, gap))
        if not len(row):
            break
        order = np.argsort(row, kind="stable")
        row, vertex, gap = row[order], vertex[order], gap[order]
        p, link = skin[row, vertex], hand.skin_link[vertex]
        n = outward_normals(field, p)
        J = np.einsum("mi,mia->ma", n, point_jacobian(hand, pose, q, row, link, p))
        # the back of a finger is not what touches: bending it takes the point towards the surface
        ahead = (J @ bends) < 0
        if tree is not None:
            ahead &= region[tree.query(p)[1]]
        use = ahead | (gap < TOUCH)
        row, gap, J = row[use], gap[use], J[use]
        want, firm = TOUCH - gap, np.where(gap < TOUCH, _FIRM, 1.0)
        begin = np.searchsorted(row, np.arange(len(q) + 1))
        step = np.zeros_like(q)
        for i in range(len(q)):
            s = slice(begin[i], begin[i + 1])
            A, b = J[s] * firm[s, None], want[s] * firm[s]
            g = A.T @ b
            stuck = ((q[i] <= np.maximum(hand.lower, q0[i] - _MOST) + 1e-9) & (g < 0)) | (
                (q[i] >= np.minimum(hand.upper, q0[i] + _MOST) - 1e-9) & (g > 0))
            A = A * ~stuck
            step[i] = np.linalg.solve(A.T @ A + np.diag(cost**2), A.T @ b)
        step *= np.minimum(1.0, _STEP / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-9))
        if np.abs(step).max() < 1e-4:
            break
        q = np.clip(q + step, np.maximum(hand.lower, q0 - _MOST), np.minimum(hand.upper, q0 + _MOST))
    return _sound(hand, field, pose, q0, q, own)


def _sound(hand, field, pose, q0, q, own):
    """Finger by finger the largest share of the way that loses nothing."""
    def cost(x):
        skin = np.asarray(posed_skin(hand, pose, x))
        phi = field_values(field, skin.reshape(-1, 3)).reshape(skin.shape[:2])
        return np.maximum(-phi.min(axis=1), 0), self_penetration(np.asarray(posed_spheres(hand, pose, x)), hand.sphere_radius, hand.sphere_pairs), posture_excess(x, hand.posture)
    out = q0.copy()
    dep, over, excess = cost(q0)
    for f in np.unique(own[own >= 0]):
        mine, left = own == f, np.ones(len(q), bool)
        for share in _SHARES:
            new = np.where(mine & left[:, None], q0 + share * (q - q0), out)
            d, o, e = cost(new)
            ok = left & (d <= np.maximum(dep, _DEEPER)) & (o <= np.maximum(over, _OVERLAP)) & (e <= np.maximum(excess, _EXCESS))
            out = np.where(ok[:, None], new, out)
            left &= ~ok
    return out


def _joint_finger(hand):
    """Finger that each active joint moves, -1 if it moves several."""
    from zdg_jax.hands.kinematics import moves_link
    moved = (np.abs(hand.coupling.T) > 0).astype(int) @ moves_link(hand).astype(int)  # active x links
    out = np.full(len(hand.active_names), -1)
    for a in range(len(out)):
        fs = np.unique(hand.link_finger[(moved[a] > 0) & (hand.link_finger >= 0)])
        if len(fs) == 1:
            out[a] = fs[0]
    return out


def _bending(hand):
    """Which way each joint bends its finger: +1, -1; 0 for one that spreads it."""
    q, a = hand.open_joints, len(hand.active_names)
    pads, normals = posed_in_palm(hand, q[None], "pad")[0], posed_in_palm(hand, q[None], "pad_normal")[0]
    moved = posed_in_palm(hand, q + 1e-3 * np.eye(a), "pad") - pads
    ahead = np.einsum("api,pi->ap", moved, normals)
    best = np.abs(ahead).argmax(axis=1)
    sign = np.sign(ahead[np.arange(a), best])
    return np.where(spreads(hand), 0.0, sign)
