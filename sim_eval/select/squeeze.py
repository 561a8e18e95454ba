"""How the hand presses: contact forces that balance, as near as can be to what a rule would press with."""

from __future__ import annotations

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from zdg_jax.hands.kinematics import moves_link, posed, posed_spheres
from zdg_jax.hands.model import HandModel, actuator_force, drawn_joints, pregrasp_and_squeeze
from zdg_jax.objects.model import SignedDistanceField
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.stored import Stored

# Where the hand's spheres stand to an object, and how hinges move them.
#: Half a difference of the central difference that gives a normal, metres: smooths the field's cells.
STEP = 5e-4


def sphere_gaps(
    hand: HandModel, field: SignedDistanceField, centers: Float[np.ndarray, "n spheres 3"]
) -> Float[np.ndarray, "n spheres"]:
    """phi(c_s) - r_s: how far each sphere's surface is from the object's, negative inside.

    Args:
      hand: its radii, metres.
      field: of the object.
      centers: object frame, metres.
    """
    phi = field_values(field, centers.reshape(-1, 3)).reshape(centers.shape[:2])
    return phi - hand.sphere_radius


def outward_normals(field: SignedDistanceField, p_obj: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """grad phi / |grad phi| by central differences of `STEP`; 0 where the field is flat."""
    slope = np.stack(
        [field_values(field, p_obj + STEP * e) - field_values(field, p_obj - STEP * e) for e in np.eye(3)], -1
    )
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)


def point_jacobian(
    hand: HandModel,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    row: np.ndarray,
    link: np.ndarray,
    p_obj: Float[np.ndarray, "m 3"],
) -> Float[np.ndarray, "m 3 active"]:
    """dp/dq of points fixed to links: J_h = a_h x (p - c_h) for every hinge that moves the link, times A.

    Args:
      hand: hinges and the coupling A.
      hand_pose, joints: a posture each.
      row, link: which posture and link each point belongs to.
      p_obj: metres.
    """
    anchor, axis = (posed(hand, hand_pose, joints, what) for what in ("hinge", "hinge_normal"))
    moved = moves_link(hand).T[link]
    J = np.cross(axis[row], p_obj[:, None] - anchor[row]) * moved[..., None]
    return np.einsum("mhi,ha->mia", J, hand.coupling)


#: Sliding friction of `six_force`.
FRICTION = 0.6
#: A sphere this near to the object presses, metres; of a link only the `PER_LINK` nearest.
REACH, PER_LINK = 0.003, 3
#: A finger this near can still come to help, metres.
FAR_REACH = 0.02
#: Metres that make torques comparable to forces.
ARM = 0.05
#: Slots for contacts; a hand has about 20 links.
CONTACTS = 64
#: Weights of the wrench's residual, of the torques' and of the forces themselves.
_WRENCH, _TORQUE, _FORCE = 3.0, 10.0, 0.01
_STEPS = 400
#: (m/rad)^2: a finger's lever is some 5 cm.
_REACH_DAMPING = 1e-4


def rule_torque(hand: HandModel, joints: Float[np.ndarray, "n active"]) -> Float[np.ndarray, "n active"]:
    """T^T clip(T kp (q_rule - q), +-torque): what the servos pull at the grasp by the hand's rule, N m."""
    squeeze = pregrasp_and_squeeze(hand, joints)[1]
    return _limited(hand, hand.servo_kp * (squeeze - joints) @ hand.transmission.T) @ hand.transmission


def squeeze_targets(
    hand: HandModel,
    joints: Float[np.ndarray, "n active"],
    torque: Float[np.ndarray, "n active"],
    reach: Float[np.ndarray, "n active"] | float = 0.0,
) -> Float[np.ndarray, "n active"]:
    """Servo targets q + reach + T^+ force / kp, within limits: they pull so at the touch, radians.

    Args:
      hand: servos and transmission T.
      joints: the grasp q, radians.
      torque: of the active joints, N m.
      reach: from the grasp to the touch, radians.
    """
    pull = _limited(hand, actuator_force(hand, torque)) / hand.servo_kp
    return drawn_joints(hand, joints, pull + reach * np.ones_like(joints) @ hand.transmission.T)


def balanced_torque(
    hand: HandModel,
    field: SignedDistanceField,
    hand_pose: Float[np.ndarray, "n 7"],
    joints: Float[np.ndarray, "n active"],
    wanted: Float[np.ndarray, "n active"],
    within: float = REACH,
) -> tuple[Float[np.ndarray, "n active"], Float[np.ndarray, "n active"], Float[np.ndarray, " n"]]:
    """Torques of contact forces that balance on the object and come nearest to those wanted.

        min_f  |w_W W f|^2 + |w_T (J^T f - tau)|^2 + |w_F f|^2,  every f_c in its friction cone,
    W f the wrench of all forces about the contacts' mean, torques over `ARM`; tau = J^T f is returned. The
    contacts are the spheres that near to the surface, thumb and palm included.

    Args:
      hand, field: the hand, and the object's field.
      hand_pose, joints: the grasps, finite.
      wanted: tau of the active joints, N m.
      within: how near, metres.
    Returns:
      (torques; joint motion that takes the pressing spheres to the surface, radians, see `_to_touch`;
      |W f| over the sum of normal forces, 0 in balance). With fewer than two contacts the torques wanted, no
      motion, and infinity.
    """
    n, a = joints.shape
    if n == 0:
        return np.zeros((0, a)), np.zeros((0, a)), np.zeros(0)
    p, inward, jacobian, used, gap = _contacts(hand, field, hand_pose, joints, within)
    size = max(8, 1 << (n - 1).bit_length())  # few shapes are ever compiled
    padded = [np.concatenate([x, np.repeat(x[:1], size - n, 0)]) for x in (p, inward, jacobian, used, wanted)]
    # 64 bit floats are off in JAX: forces of newtons, lengths of centimetres
    f = np.asarray(_solver()(*(jnp.asarray(x, bool if x.dtype == bool else jnp.float32) for x in padded)))[:n]
    torque = np.einsum("nci,ncia->na", f, jacobian)
    center = (p * used[..., None]).sum(1) / np.maximum(used.sum(1), 1)[:, None]
    wrench = np.concatenate([f.sum(1), np.cross(p - center[:, None], f).sum(1) / ARM], axis=1)
    press = (f * inward).sum(axis=(1, 2))
    enough = (used.sum(axis=1) >= 2) & (press > 1e-6)
    residual = np.where(enough, np.linalg.norm(wrench, axis=1) / np.maximum(press, 1e-6), np.inf)
    reach = _to_touch(jacobian, inward, gap, (f * inward).sum(axis=2)) * enough[:, None]
    return np.where(enough[:, None], torque, wanted), reach, residual


def _to_touch(
    jacobian: Float[np.ndarray, "n contacts 3 active"],
    inward: Float[np.ndarray, "n contacts 3"],
    gap: Float[np.ndarray, "n contacts"],
    press: Float[np.ndarray, "n contacts"],
) -> Float[np.ndarray, "n active"]:
    """min_dq sum_c w_c (n_c . J_c dq - gap_c)^2 + damping |dq|^2, w_c a contact's share of the largest force.

    A finger that stands off the surface spends the force of a target q + force / kp on the way to it.
    """
    weight = press / np.maximum(press.max(axis=1, keepdims=True), 1e-6)
    A = np.sqrt(weight)[..., None] * np.einsum("nci,ncia->nca", inward, jacobian)
    b = np.sqrt(weight) * gap
    H = np.einsum("nca,ncb->nab", A, A) + _REACH_DAMPING * np.eye(A.shape[2])
    return np.linalg.solve(H, np.einsum("nca,nc->na", A, b)[..., None])[..., 0]


def _limited(hand: HandModel, force: np.ndarray) -> np.ndarray:
    return np.clip(force, -hand.servo_torque, hand.servo_torque)


def _contacts(
    hand: HandModel, field: SignedDistanceField, hand_pose: np.ndarray, joints: np.ndarray, within: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(points on the object, inward normals, Jacobians, used, gaps), `CONTACTS` slots a grasp."""
    n, a = joints.shape
    centers = posed_spheres(hand, hand_pose, joints)
    gap = sphere_gaps(hand, field, centers)
    row, sphere = _nearest(hand, gap, within)
    normal = outward_normals(field, centers[row, sphere])
    p = centers[row, sphere] - normal * (gap[row, sphere] + hand.sphere_radius[sphere])[:, None]
    J = point_jacobian(hand, hand_pose, joints, row, hand.sphere_link[sphere], p)
    slot = np.arange(len(row)) - np.searchsorted(row, row)
    points, inward = np.zeros((n, CONTACTS, 3)), np.zeros((n, CONTACTS, 3))
    jacobian, used = np.zeros((n, CONTACTS, 3, a)), np.zeros((n, CONTACTS), bool)
    away = np.zeros((n, CONTACTS))
    points[row, slot], inward[row, slot], jacobian[row, slot], used[row, slot] = p, -normal, J, True
    away[row, slot] = gap[row, sphere]
    return points, inward, jacobian, used, away


def _nearest(
    hand: HandModel, gap: Float[np.ndarray, "n spheres"], within: float
) -> tuple[np.ndarray, np.ndarray]:
    """Row and sphere of the `PER_LINK` nearest of each link, at most `CONTACTS` a row."""
    take = np.zeros(gap.shape, bool)
    for link in np.unique(hand.sphere_link):
        (of,) = np.nonzero(hand.sphere_link == link)
        order = of[np.argsort(gap[:, of], axis=1)[:, :PER_LINK]]
        np.put_along_axis(take, order, True, axis=1)
    take &= gap < within
    if take.sum(axis=1).max(initial=0) > CONTACTS:
        least = np.sort(np.where(take, gap, np.inf), axis=1)[:, CONTACTS - 1]
        take &= gap <= least[:, None]
    row, sphere = np.nonzero(take)
    return row, sphere


@lru_cache(maxsize=1)
def _solver():
    return Stored(jax.vmap(_balance), "balance", ())


def _balance(
    p: Float[Array, "contacts 3"],
    inward: Float[Array, "contacts 3"],
    jacobian: Float[Array, "contacts 3 active"],
    used: Bool[Array, " contacts"],
    wanted: Float[Array, " active"],
) -> Float[Array, "contacts 3"]:
    """FISTA with restarts (Beck and Teboulle 2009; O'Donoghue and Candès 2015) on the cones."""
    high = jax.lax.Precision.HIGHEST
    center = jnp.sum(p * used[:, None], 0) / jnp.maximum(used.sum(), 1)
    arm = p - center[None]
    x, y, z = arm[:, 0], arm[:, 1], arm[:, 2]
    o = jnp.zeros_like(x)
    cross = jnp.stack([jnp.stack([o, -z, y], 1), jnp.stack([z, o, -x], 1), jnp.stack([-y, x, o], 1)], 1) / ARM
    W = jnp.concatenate([jnp.broadcast_to(jnp.eye(3)[None], cross.shape), cross], axis=1)  # contacts, 6, 3
    A = jnp.concatenate([_WRENCH * W, _TORQUE * jnp.swapaxes(jacobian, 1, 2)], axis=1) * used[:, None, None]
    b = jnp.concatenate([jnp.zeros(6), _TORQUE * wanted])
    flat = jnp.swapaxes(A, 1, 2).reshape(-1, len(b))  # contacts x 3, rows
    mul = lambda f: jnp.matmul(f.reshape(-1), flat, precision=high)  # noqa: E731
    back = lambda r: jnp.matmul(flat, r, precision=high).reshape(p.shape)  # noqa: E731
    # the largest eigenvalue of A A^T, which is small
    small = jnp.matmul(flat.T, flat, precision=high)
    v = jax.lax.fori_loop(
        0, 30, lambda _, v: (lambda u: u / (jnp.linalg.norm(u) + 1e-12))(small @ v), jnp.ones(len(b))
    )
    length = 1.0 / (1.05 * jnp.vdot(v, small @ v) + _FORCE**2)

    def step(_: Int[Array, ""], state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        f, g, t = state
        new = _on_cone(g - length * (back(mul(g) - b) + _FORCE**2 * g), inward) * used[:, None]
        later = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t**2))
        restart = jnp.vdot(g - new, new - f) > 0.0
        later = jnp.where(restart, 1.0, later)
        ahead = jnp.where(restart, new, new + (t - 1.0) / later * (new - f))
        return new, ahead, later

    zero = jnp.zeros_like(p)
    return jax.lax.fori_loop(0, _STEPS, step, (zero, zero, jnp.float32(1.0)))[0]


def _on_cone(f: Float[Array, "contacts 3"], axis: Float[Array, "contacts 3"]) -> Float[Array, "contacts 3"]:
    """The nearest point of |f_t| <= mu f_n (projection on a second-order cone)."""
    normal = jnp.sum(f * axis, 1)
    tangent = f - normal[:, None] * axis
    size = jnp.sqrt(jnp.sum(tangent**2, 1) + 1e-20)
    press = jnp.clip((normal + FRICTION * size) / (1.0 + FRICTION**2), 0.0)
    on_edge = press[:, None] * (axis + FRICTION * tangent / size[:, None])
    inside = size <= FRICTION * normal
    apex = FRICTION * size <= -normal
    return jnp.where(inside[:, None], f, jnp.where(apex[:, None], 0.0, on_edge))
