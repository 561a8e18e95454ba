"""The constraint solver: against scipy's minimum, C MuJoCo's solver, and itself one row at a time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.optimize import minimize

from sim_eval.backends import newton
from sim_eval.backends.mjx_physics import traced
from sim_eval.backends.newton import Problem
from sim_eval.backends.sphere_convex import face_gaps, gaps_kernel, gaps_plain

BALLS = 3


@pytest.fixture(scope="module")
def states() -> tuple[Problem, np.ndarray, np.ndarray]:
    """Problems of C MuJoCo's scenes, cold starts, and what C MuJoCo's solver finds in double precision.

    Balls lie on, slide over and fall onto a plane; of two tied hinges one has a limit: all kinds of rows and
    all zones of the cone occur.
    """
    spec = mujoco.MjSpec()
    spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0
    spec.option.iterations, spec.option.tolerance = 200, 1e-14
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], condim=4, conaffinity=1,
                            contype=0, friction=[0.6, 0.02, 0.0001])  # fmt: skip
    for k in range(BALLS):
        body = spec.worldbody.add_body(pos=[0.3 * k, 0, 0.05])
        body.add_freejoint()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], mass=0.2 + k, condim=4, contype=1,
                      conaffinity=0, friction=[0.6, 0.02, 0.0001])  # fmt: skip
    on, off = mujoco.mjtLimited.mjLIMITED_TRUE, mujoco.mjtLimited.mjLIMITED_FALSE
    for name, limited in (("a", on), ("b", off)):
        arm = spec.worldbody.add_body(pos=[0, 1, 1], mass=0.1, inertia=[1e-3] * 3, explicitinertial=True)
        arm.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=[1, 0, 0], range=[-0.5, 0.5],
                      limited=limited)  # fmt: skip
    spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="b", name2="a", objtype=mujoco.mjtObj.mjOBJ_JOINT,
                      data=[0.0, 0.7] + [0.0] * 10)  # fmt: skip
    m = spec.compile()
    d, rng, rows, best = mujoco.MjData(m), np.random.default_rng(0), [], []
    for _ in range(48):
        mujoco.mj_resetData(m, d)
        d.qpos[2 : 7 * BALLS : 7] += rng.uniform(-4e-3, 1e-3, BALLS)
        d.qpos[-2:] = rng.uniform(-0.6, 0.6, 2)
        d.qvel[:] = rng.normal(size=m.nv) * 0.3
        mujoco.mj_forward(m, d)
        rows.append(_problem(m, d))
        best.append(d.qacc.copy())
    p = Problem(*(np.stack(x).astype(np.float32) for x in zip(*rows, strict=True)), 1)
    return p, np.zeros((48, m.nv), np.float32), np.stack(best)


def _problem(m: mujoco.MjModel, d: mujoco.MjData) -> list[np.ndarray]:
    """One equality, one limit, `BALLS` contacts; rows that are not there are 0 and push nothing."""
    J, target, D = np.zeros((2 + 4 * BALLS, m.nv)), np.zeros(2 + 4 * BALLS), np.ones(2 + 4 * BALLS)
    assert d.ne == 1
    assert d.nl <= 1
    at = [0, *[1] * d.nl, *range(2, 2 + 4 * d.ncon)]
    J[at], target[at], D[at] = d.efc_J.reshape(-1, m.nv), d.efc_aref, d.efc_D
    M = np.zeros((m.nv, m.nv))
    mujoco.mj_fullM(m, d, M)
    slide = np.array([0.6, 0.6, 0.02])
    friction = np.tile([slide[0] / np.sqrt(10.0), *slide], (BALLS, 1))
    return [M, d.qfrc_smooth.copy(), d.qacc_smooth.copy(), J, target, D, friction]


@pytest.fixture(scope="module")
def solved(states) -> np.ndarray:
    p, warm, _ = states
    return np.asarray(_run(p, warm)[0])


@jax.jit
@traced
def _many(arrays: tuple, warm: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.vmap(lambda x, w: newton.solve(Problem(*x, 1), w))(arrays, warm)


def _run(p: Problem, warm: np.ndarray) -> tuple[jax.Array, jax.Array]:
    assert p.equalities == 1
    return _many(tuple(p[:-1]), jnp.asarray(warm, jnp.float32))


def _row(p: Problem, i: int) -> Problem:
    return Problem(*(np.asarray(x[i]) for x in p[:-1]), p.equalities)


@pytest.mark.slow
def test_minimum_by_scipy(states, solved):
    """The cost, written again in numpy and double precision, is least there."""
    p, _, _ = states
    zones = set()
    for i in range(0, len(solved), 6):
        q = _row(p, i)
        J, M = q.J.astype(float), q.mass.astype(float)

        def cost(a: np.ndarray, q=q, J=J, M=M) -> float:
            x, off = J @ a - q.target, a - q.start
            total = 0.5 * off @ M @ off
            plain = len(x) - q.friction.size
            for k in range(plain):
                if k < q.equalities or x[k] < 0:
                    total += 0.5 * q.stiffness[k] * x[k] ** 2
            for c in range(len(q.friction)):
                rows = slice(plain + 4 * c, plain + 4 * c + 4)
                mu, D = q.friction[c, 0], q.stiffness[rows].astype(float)
                u = x[rows] * q.friction[c]
                n, t = u[0], np.linalg.norm(u[1:])
                if mu * n + t <= 0:
                    total += 0.5 * D @ x[rows] ** 2
                    zones.add("stuck")
                elif n < mu * t:
                    total += 0.5 * D[0] / (mu**2 * (1 + mu**2)) * (n - mu * t) ** 2
                    zones.add("sliding")
                else:
                    zones.add("apart")
            return float(total)

        least = minimize(cost, solved[i].astype(float), method="BFGS", options={"gtol": 1e-9})
        assert cost(solved[i].astype(float)) <= least.fun * (1 + 1e-5) + 1e-7
    assert zones == {"stuck", "sliding", "apart"}


@pytest.mark.slow
def test_as_c_mujoco_solves(states, solved):
    *_, best = states
    size, off = np.abs(best).max(axis=1), np.abs(solved - best).max(axis=1)
    assert np.median(off / size) <= 1e-6
    assert (
        off / size
    ).max() <= 1e-2  # a ball's spin, which hardly any force resists: single precision's last
    # bits, which processors do not share, move it by 0.2 % to 0.3 %


@pytest.mark.slow
def test_constraint_force_balances(states):
    """M a = forces without constraints + J^T f."""
    p, warm, _ = states
    a, pull = (np.asarray(x, float) for x in _run(p, warm))
    moved = np.einsum("nij,nj->ni", np.asarray(p.mass, float), a)
    scale = np.abs(moved).max(axis=1) + np.abs(p.smooth).max(axis=1)
    assert (np.abs(moved - p.smooth - pull).max(axis=1) <= 1e-5 * scale).all()


@pytest.mark.slow
def test_batch_is_loop_and_neighbours_do_not_matter(states, solved):
    p, warm, _ = states
    order = np.random.default_rng(1).permutation(len(warm))
    turned = Problem(*(np.asarray(x)[order] for x in p[:-1]), p.equalities)
    np.testing.assert_array_equal(np.asarray(_run(turned, warm)[0]), solved[order])
    alone = jax.jit(traced(lambda arrays, w: newton.solve(Problem(*arrays, p.equalities), w)))
    for i in range(0, len(warm), 12):
        q = _row(p, i)

        got = np.asarray(alone(tuple(q[:-1]), warm[i])[0])
        np.testing.assert_allclose(got, solved[i], rtol=1e-4, atol=1e-4 * np.abs(solved[i]).max())


@pytest.mark.slow
def test_warm_start_changes_nothing(states, solved):
    p, _, best = states
    np.testing.assert_allclose(
        np.asarray(_run(p, best)[0]), solved, rtol=1e-3, atol=2e-3 * np.abs(best).max()
    )


def test_face_gaps_kernel_is_plain():
    rng = np.random.default_rng(2)
    x, n, o = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 131, 3), (2, 3, 8, 3), (2, 3, 8)))
    want = (np.einsum("rpc,rsfc->rpsf", x, n) - o[:, None]).max(axis=3)
    np.testing.assert_allclose(gaps_plain(x, n, o), want, atol=1e-5)
    kernel = jax.jit(lambda *a: gaps_kernel(*a, interpret=True))(x, n, o)
    np.testing.assert_allclose(kernel, want, atol=1e-5)
    np.testing.assert_allclose(
        jax.vmap(face_gaps, in_axes=(0, None, None))(x, n[0], o[0])[0], want[0], atol=1e-5
    )
    np.testing.assert_allclose(face_gaps(x[0], n[0], o[0]), want[0], atol=1e-5)


def test_face_gaps_refuses_odd_rounds():
    with pytest.raises(ValueError, match="multiple of 4"):
        gaps_kernel(jnp.zeros((1, 2, 3)), jnp.zeros((1, 1, 6, 3)), jnp.zeros((1, 1, 6)), interpret=True)
