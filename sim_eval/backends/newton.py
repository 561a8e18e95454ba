"""The constraint solver of a step: MuJoCo's convex problem by Newton's method, contact by contact.

The problem is MJX's and C MuJoCo's. MJX's own solver builds the Hessian of elliptic cones as one matrix of
all constraint rows, block after block, and lets every row of a batch wait for the slowest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

#: Newton iterations at most, and rounds of the search along one direction.
ITERATIONS, ROUNDS = 8, 4
#: One row in so many is gathered at a time for more iterations.
GATHER = 4
#: Of the forces that balance: smaller gradients are rounding.
TOLERANCE = 3e-6
_TINY = 1e-15


class Problem(NamedTuple):
    """min_a 1/2 (a - a0)^T M (a - a0) + s(J a - r), MuJoCo's computation chapter, for one grasp.

    Rows of J: equalities, limits, then contacts of `condim` rows each.

    Attributes:
      mass: M.
      smooth: M a0, the forces without constraints.
      start: a0.
      J: rows in the space of constraints.
      target: r, the reference acceleration of each row.
      stiffness: D, 1/R of each row.
      friction: one row a contact, condim numbers: mu / sqrt(impratio), then the friction coefficients.
      equalities: how many rows pull both ways.
    """

    mass: Float[Array, "dofs dofs"]
    smooth: Float[Array, " dofs"]
    start: Float[Array, " dofs"]
    J: Float[Array, "rows dofs"]
    target: Float[Array, " rows"]
    stiffness: Float[Array, " rows"]
    friction: Float[Array, "contacts condim"]
    equalities: int

    @property
    def plain(self) -> int:
        """How many rows are not a contact's."""
        return self.J.shape[0] - self.friction.size

    def by_contact(self, rows: Float[Array, "rows *rest"]) -> Float[Array, "contacts condim *rest"]:
        """The contacts' rows apart."""
        return rows[self.plain :].reshape(self.friction.shape + rows.shape[1:])


class _Cones(NamedTuple):
    """Where each contact's row residuals lie: u = (mu x_n, f x_t), n = u_0, t = |u_t|.

    stuck: mu n + t <= 0, a quadratic of each row; sliding: between that and n >= mu t, where nothing acts.
    """

    u: Float[Array, "contacts condim"]
    t: Float[Array, " contacts"]
    stuck: Bool[Array, " contacts"]
    sliding: Bool[Array, " contacts"]
    weight: Float[Array, " contacts"]


class _State(NamedTuple):
    a: Float[Array, " dofs"]
    Ma: Float[Array, " dofs"]
    x: Float[Array, " rows"]
    pull: Float[Array, " dofs"]
    step: Float[Array, " dofs"]
    left: Bool[Array, ""]
    count: Int[Array, ""]


def problem(model: Any, data: Any, mass: Float[Array, "dofs dofs"]) -> Problem:
    """What MJX's `make_constraint` and `fwd_acceleration` left in `data`."""
    d = data._impl
    dims = {int(k) for k in d.contact.dim}
    if len(dims) != 1 or d.nf:
        raise ValueError(
            f"got contacts of {sorted(dims)} rows and {d.nf} rows of dry friction; expected one size and none"
        )
    condim = dims.pop()
    slide = d.contact.friction[:, : condim - 1]
    friction = jnp.concatenate([slide[:, :1] / jnp.sqrt(model.opt.impratio), slide], axis=1)
    return Problem(
        mass, data.qfrc_smooth, data.qacc_smooth, d.efc_J, d.efc_aref, d.efc_D, friction, int(d.ne)
    )  # fmt: skip


def solve(p: Problem, warm: Float[Array, " dofs"]) -> tuple[Float[Array, " dofs"], Float[Array, " dofs"]]:
    """The acceleration, from the better of `warm` and a0, and what the constraints exert.

    Under one `vmap`, grasps that need further iterations are gathered after the first: most need one or two,
    a few all of them.

    Args:
      p: the problem.
      warm: acceleration of the step before.

    Returns:
      a after at most `ITERATIONS` Newton steps, and J^T f of the rows' forces f = -s'(J a - r).
    """
    return _solver(p.equalities)(p[:-1], warm)


@lru_cache(maxsize=8)
def _solver(equalities: int) -> Callable[..., tuple[Array, Array]]:
    def problem_of(arrays: tuple[Array, ...]) -> Problem:
        return Problem(*arrays, equalities)  # type: ignore[arg-type]

    def begin(arrays: tuple[Array, ...], warm: Array) -> _State:
        p = problem_of(arrays)
        guess = jnp.stack([warm, p.start])
        value = jnp.stack([_cost(p, warm), _cost(p, p.start)])
        a = guess[jnp.argmin(jnp.nan_to_num(value, nan=jnp.inf))]
        Ma, x = p.mass @ a, p.J @ a - p.target
        return _State(a, Ma, x, *_newton_step(p, Ma, x), jnp.int32(0))

    def iterate(arrays: tuple[Array, ...], s: _State) -> _State:
        """One Newton iteration of a row that is not done."""
        p = problem_of(arrays)
        along = _along(p, s)
        a, Ma, x = s.a + along * s.step, s.Ma + along * (p.mass @ s.step), s.x + along * (p.J @ s.step)
        pull, step, left = _newton_step(p, Ma, x)
        new = _State(a, Ma, x, pull, step, left & (along > 0), s.count + 1)
        return jax.tree.map(lambda old, got: jnp.where(_open(s), got, old), s, new)

    @jax.custom_batching.custom_vmap
    def one(arrays: tuple[Array, ...], warm: Array) -> tuple[Array, Array]:
        end = jax.lax.while_loop(_open, lambda s: iterate(arrays, s), begin(arrays, warm))
        return end.a, end.pull

    @one.def_vmap
    def many(rows: int, batched: Any, arrays: tuple[Array, ...], warm: Array) -> Any:
        arrays, warm = jax.tree.map(
            lambda x, own: x if own else jnp.broadcast_to(x[None], (rows, *x.shape)),
            (arrays, warm),
            tuple(batched),
        )
        each = max(rows // GATHER, 1)

        def more(s: _State) -> _State:
            pick = jnp.nonzero(_open(s), size=each, fill_value=0)[0]
            some, own = (jax.tree.map(lambda x: x[pick], t) for t in (s, arrays))
            for _ in range(2):
                some = jax.vmap(iterate)(own, some)
            return jax.tree.map(lambda x, y: x.at[pick].set(y), s, some)

        state = jax.vmap(iterate)(arrays, jax.vmap(begin)(arrays, warm))
        end = jax.lax.while_loop(lambda s: _open(s).any(), more, state)
        return (end.a, end.pull), (True, True)

    return one


def _open(s: _State) -> Array:
    return s.left & (s.count < ITERATIONS)


def _cones(p: Problem, x: Float[Array, " rows"]) -> _Cones:
    u = p.by_contact(x) * p.friction
    mu, n = p.friction[:, 0], u[:, 0]
    t = jnp.sqrt(jnp.sum(u[:, 1:] ** 2, axis=1))
    stuck = jnp.where(t > 0, mu * n + t <= 0, n < 0)
    sliding = (t > 0) & (n < mu * t) & (mu * n + t > 0)
    weight = p.by_contact(p.stiffness)[:, 0] / jnp.maximum(mu**2 * (1 + mu**2), _TINY)
    return _Cones(u, t, stuck, sliding, weight)


def _active(p: Problem, x: Float[Array, " rows"], c: _Cones) -> Bool[Array, " rows"]:
    """Rows whose cost is 1/2 D x^2."""
    one_way = jnp.arange(p.plain) >= p.equalities
    plain = (x[: p.plain] < 0) | ~one_way
    return jnp.concatenate([plain, jnp.repeat(c.stuck, p.friction.shape[1])])


def _cost(p: Problem, a: Float[Array, " dofs"]) -> Float[Array, ""]:
    x = p.J @ a - p.target
    c = _cones(p, x)
    off = a - p.start
    rows = 0.5 * jnp.sum(jnp.where(_active(p, x, c), p.stiffness * x**2, 0.0))
    slid = c.u[:, 0] - p.friction[:, 0] * c.t
    return 0.5 * off @ (p.mass @ off) + rows + 0.5 * jnp.sum(jnp.where(c.sliding, c.weight * slid**2, 0.0))


def _newton_step(
    p: Problem, Ma: Float[Array, " dofs"], x: Float[Array, " rows"]
) -> tuple[Float[Array, " dofs"], Float[Array, " dofs"], Bool[Array, ""]]:
    """J^T f, -H^-1 g, and whether the gradient g is more than rounding."""
    c = _cones(p, x)
    active = _active(p, x, c)
    force = jnp.where(active, -p.stiffness * x, 0.0)
    mu, n = p.friction[:, 0], c.u[:, 0]
    t = jnp.where(c.sliding, c.t, 1.0)
    normal = jnp.where(c.sliding, -c.weight * (n - mu * c.t) * mu, 0.0)
    tangent = -(normal / t)[:, None] * c.u[:, 1:] * p.friction[:, 1:]
    slid = jnp.concatenate([normal[:, None], tangent], axis=1)
    force = force.at[p.plain :].add(slid.reshape(-1))
    pull = force @ p.J
    g = Ma - p.smooth - pull

    # rows of J^T K J: D for a quadratic row, a block of condim x condim for a sliding contact
    unit = c.u / t[:, None]
    k = jnp.where(c.sliding, mu * n / t, 0.0)[:, None, None] * unit[:, :, None] * unit[:, None, :]
    k = k + (mu**2 - mu * n / t)[:, None, None] * jnp.eye(p.friction.shape[1])[None]
    edge = jnp.concatenate([jnp.ones_like(mu)[:, None], -mu[:, None] * unit[:, 1:]], axis=1)
    k = k.at[:, 0].set(edge).at[:, :, 0].set(edge)
    k = k * c.weight[:, None, None] * p.friction[:, :, None] * p.friction[:, None, :]
    k = jnp.where(c.sliding[:, None, None], k, 0.0)
    blocks = p.by_contact(p.J)
    bent = jnp.sum(k[:, :, :, None] * blocks[:, None, :, :], axis=2)  # contacts, condim, dofs
    KJ = jnp.where(active, p.stiffness, 0.0)[:, None] * p.J
    KJ = KJ.at[p.plain :].add(bent.reshape(-1, p.J.shape[1]))
    H = p.mass + p.J.T @ KJ
    step = -_solve_spd(0.5 * (H + H.T), g)
    scale = jnp.sqrt(jnp.sum(p.smooth**2) + jnp.sum(pull**2) + jnp.sum(Ma**2))
    return pull, step, jnp.sqrt(jnp.sum(g**2)) > TOLERANCE * scale


def _solve_spd(H: Float[Array, "n n"], g: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(H, lower=True), g)


def _along(p: Problem, s: _State) -> Float[Array, ""]:
    """How far to go: the root of the cost's slope along the step, which grows with the way.

    Newton's method on the slope from both ends of a bracket, the chord and the middle, all in one round; the
    chord is what finds the kink where a contact sets in.
    """
    v = p.J @ s.step
    gauss1 = s.step @ (s.Ma - p.smooth)
    gauss2 = s.step @ (p.mass @ s.step)
    u, w = p.by_contact(s.x) * p.friction, p.by_contact(v) * p.friction
    mu = p.friction[:, 0]
    weight = p.by_contact(p.stiffness)[:, 0] / jnp.maximum(mu**2 * (1 + mu**2), _TINY)
    uu, uw, ww = (jnp.sum(a[:, 1:] * b[:, 1:], axis=1) for a, b in ((u, u), (u, w), (w, w)))
    rows = p.by_contact(p.stiffness)
    base1, base2 = (jnp.sum(rows * p.by_contact(a) * p.by_contact(v), axis=1) for a in (s.x, v))
    x0, v0, d0 = s.x[: p.plain], v[: p.plain], p.stiffness[: p.plain]
    two_way = jnp.arange(p.plain) < p.equalities

    def slope(at: Float[Array, " k"]) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """First and second derivative."""
        al = at[:, None]
        on = (x0[None] + al * v0[None] < 0) | two_way[None]
        one = jnp.sum(jnp.where(on, d0[None] * (x0[None] + al * v0[None]) * v0[None], 0.0), axis=1)
        two = jnp.sum(jnp.where(on, (d0 * v0**2)[None], 0.0), axis=1)
        n = u[None, :, 0] + al * w[None, :, 0]
        t2 = jnp.maximum(uu[None] + al * (2 * uw[None] + al * ww[None]), 0.0)
        t = jnp.sqrt(t2)
        m = mu[None]
        stuck = jnp.where(t2 > 0, m * n + t <= 0, n < 0)
        sliding = (t2 > 0) & (n < m * t) & (m * n + t > 0)
        safe = jnp.where(sliding, t, 1.0)
        t1 = (uw[None] + al * ww[None]) / safe
        bend = ww[None] / safe - t1 * t1 / safe
        nmt, fall = n - m * t, w[None, :, 0] - m * t1
        one = one + jnp.sum(
            jnp.where(stuck, base1[None] + al * base2[None], 0.0)
            + jnp.where(sliding, weight[None] * nmt * fall, 0.0),
            axis=1,
        )
        two = two + jnp.sum(
            jnp.where(stuck, base2[None], 0.0)
            + jnp.where(sliding, weight[None] * (fall**2 - nmt * m * bend), 0.0),
            axis=1,
        )
        return one + gauss1 + at * gauss2, two + gauss2

    # (way, slope, its growth) below the root and above it, where nothing is known at first
    d1, d2 = slope(jnp.zeros(1))
    low: tuple[Array, ...] = (jnp.float32(0), d1[0], d2[0])
    high: tuple[Array, ...] = (jnp.float32(jnp.inf), jnp.float32(jnp.inf), jnp.float32(1))
    for _ in range(ROUNDS):
        (lo, lo1, lo2), (hi, hi1, hi2) = low, high
        known = jnp.isfinite(hi)
        reach = lo - lo1 / lo2
        chord = lo + (hi - lo) * (-lo1 / (hi1 - lo1))
        inside = jnp.stack([reach, hi - hi1 / hi2, chord, 0.5 * (lo + hi)])
        beyond = lo + (reach - lo) * jnp.asarray([2.0**k for k in range(len(inside))])
        at = jnp.where(known, inside, beyond)
        one, two = slope(at)
        fine = (at >= lo) & (at <= hi) & jnp.isfinite(one)
        below, above = fine & (one <= 0), fine & (one > 0)
        i, j = jnp.argmax(jnp.where(below, at, -1.0)), jnp.argmin(jnp.where(above, at, jnp.inf))
        found = at, one, two
        low = tuple(jnp.where(below.any(), x[i], old) for x, old in zip(found, low, strict=True))
        high = tuple(jnp.where(above.any(), x[j], old) for x, old in zip(found, high, strict=True))
    return jnp.where(-low[1] <= high[1], low[0], high[0])
