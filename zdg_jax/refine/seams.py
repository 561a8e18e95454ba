"""The seams at which eq. 8 is not left to reverse mode: what a derivative costs there is known better.

Each is one `jax.custom_vjp`, whose value is that of the plain function; docs/gradient.md derives them. Two
make autodiff as fast as a gradient written by hand: the look-up, whose gradient comes with its value, and the
points of the hand, whose derivative is Jᵀ. The others spare half of E_spen's pairs, and a root. They trace
alike under XLA and in the GPU kernel.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from zdg_jax._ptx import fma
from zdg_jax.hands.kinematics import Chain, jacobian_transpose, quat_mul
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sdf.query import Components
from zdg_jax.refine.variables import POSITION_UNIT, Variables

Values = tuple[Array, ...]


@jax.custom_vjp
def with_gradients(values: Values, gradients: tuple[Components, ...], point: Components) -> Values:
    """Values f_k(p) that were looked up at p together with their gradients: df_k/dp = n_k.

    Args:
      values: f_k.
      gradients: n_k, of each value; constant.
      point: p.
    """
    return values


def _kept_gradients(values: Values, gradients: tuple[Components, ...], point: Components):
    return values, gradients


def _by_gradients(gradients: tuple[Components, ...], g: Values):
    """dE/dp = sum_k g_k n_k."""
    *others, last = zip(g, gradients, strict=True)
    total = [last[0] * n for n in last[1]]
    for g_k, n_k in reversed(others):
        total = [fma(g_k, n, t) for n, t in zip(n_k, total, strict=True)]
    return None, None, tuple(total)


with_gradients.defvjp(_kept_gradients, _by_gradients)


def pair_excess(
    angle: Float[Array, " n"],
    partner: Float[Array, "rows n"],
    own: Float[Array, "rows n"],
    other: Float[Array, "rows n"],
    bound: Float[Array, "rows n"],
    share: Float[Array, "rows n"],
) -> Float[Array, "rows n"]:
    """a q_i + b q_j - m at joint i, with the derivative by q_i of all the places where this limit stands.

    A limit on two joints stands at both, each with half of it: what is lost at j comes back as twice the
    derivative by i. So nothing is sent from joint to joint, as a kernel's lanes could not.

    Args:
      angle: q_i, radians.
      partner: q_j, constant.
      own, other, bound: a, b and m.
      share: 1/2 where it stands twice, 1 where once, 0 for padding.
    """
    times = jnp.where(share > 0.0, 1.0 / jnp.maximum(share, 0.5), 0.0)
    still = jax.lax.stop_gradient(angle)[None]
    return own * (still + times * (angle[None] - still)) + other * jax.lax.stop_gradient(partner) - bound


@jax.custom_vjp
def pair_gaps(a: Components, b: Components) -> Float[Array, "a b"]:
    """|x_a - x_b| of spheres `a` against `b`, all spheres: each pair stands both ways.

    What an energy that is symmetric in its pairs loses for `b` comes back as twice the gradient of `a`.
    """
    return _pair_gaps(a, b)[0]


def _pair_gaps(a: Components, b: Components):
    away = tuple(p[:, None] - q[None, :] for p, q in zip(a, b, strict=True))
    gap2 = jnp.maximum(square(away), 1e-10)
    shrink = jax.lax.rsqrt(gap2)
    return gap2 * shrink, (away, shrink)


def _by_pairs(kept: tuple[Components, Array], g: Array):
    """dE/dx_a = 2 sum_b g_ab (x_a - x_b) / |x_a - x_b|."""
    away, shrink = kept
    pull = g * shrink
    return tuple(2.0 * jnp.sum(pull * d, axis=1) for d in away), None


pair_gaps.defvjp(_pair_gaps, _by_pairs)


@jax.custom_vjp
def distance(center: Components, sample: Components) -> Float[Array, " n"]:
    """|x - o| of a sphere's centre x and the object sample o beside it; the object stands still."""
    return _distance(center, sample)[0]


def _distance(center: Components, sample: Components):
    away = tuple(q - p for p, q in zip(sample, center, strict=True))
    gap = jnp.sqrt(jnp.maximum(square(away), 1e-10))
    return gap, (away, gap)


def _by_distance(kept: tuple[Components, Array], g: Array):
    """dE/dx = g (x - o) / |x - o|."""
    away, gap = kept
    pull = g / gap
    return tuple(pull * d for d in away), None


distance.defvjp(_distance, _by_distance)


def square(v: tuple[Array, ...]) -> Array:
    """|v|^2 of component arrays."""
    x, y, z = v
    return fma(x, x, fma(y, y, z * z))


def turning(point: Components, grad: Components) -> Components:
    """p x dE/dp: dE by a turn of the point about the x, y and z axis of the frame."""
    (x, y, z), (a, b, c) = point, grad
    return fma(y, c, -z * b), fma(z, a, -x * c), fma(x, b, -y * a)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def attached(
    hand: HandModel,
    v: Variables,
    at: Chain,
    points: tuple[Components, ...],
    to_link: tuple[Float[Array, "_ links"], ...],
) -> tuple[Components, ...]:
    """Points of the hand as functions of v: the points themselves, whose derivative is J.

    Args:
      hand: static.
      v: G.
      at: where v puts links and hinges; constant, as are `points`: what v does to them is said here.
      points: sets of points placed by `at`.
      to_link: of each set, 1 at the link that carries the point.
    """
    return points


def _kept_points(hand: HandModel, v, at, points, to_link):
    return points, (v, at, points, to_link)


def _by_jacobian(hand: HandModel, kept, grads: tuple[Components, ...]):
    """Jᵀ: gradients summed by link, then `variables_gradient`."""
    v, at, points, to_link = kept
    each = [_link_gradients(*x) for x in zip(points, grads, to_link, strict=True)]
    total = each[0]
    for more in each[1:]:
        total = total + more
    return variables_gradient(hand, v, at, total[:3].T, total[3:].T), None, None, None


attached.defvjp(_kept_points, _by_jacobian)


def _link_gradients(
    point: Components, grad: Components, to_link: Float[Array, "n links"]
) -> Float[Array, "6 links"]:
    """dE by a shift of every link, and by a turn about the frame's axes.

    Six products: of stacked rows XLA on a CPU would compute the gradients six times.
    """
    rows = (*grad, *turning(point, grad))
    return jnp.stack([jnp.matmul(row, to_link, precision=jax.lax.Precision.HIGHEST) for row in rows])


def variables_gradient(
    hand: HandModel,
    v: Variables,
    at: Chain,
    grad_p: Float[Array, "links 3"],
    grad_w: Float[Array, "links 3"],
) -> Variables:
    """dE/dG from the gradients of the links: Jᵀ and the quaternion's share.

    A turn w changes a quaternion by dq = |q|/2 (0, w) q^, so dE/dq = 2/|q| (0, dE/dw) q^.

    Args:
      hand: static.
      v: G.
      at: where v puts links and hinges.
      grad_p: dE by a shift of each link.
      grad_w: dE by a turn of each link about the frame's axes.
    """
    shift, turn, joints = jacobian_transpose(hand, at, grad_p, grad_w)
    length = jnp.linalg.norm(v.rotation)
    q = v.rotation / length
    spin = quat_mul(jnp.concatenate([jnp.zeros(1, turn.dtype), turn]), q) * (2.0 / length)
    return Variables(shift * POSITION_UNIT, spin, joints)
