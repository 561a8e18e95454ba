"""Every protocol on every backend that runs here, against each other and against mechanics."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from sim_eval import backends
from sim_eval.backends import c, mjx
from sim_eval.backends.jobs import Drop, Hold, Rollout, decided, settle
from sim_eval.backends.mjx_physics import fixed_physics, stack_bodies, traced
from sim_eval.backends.sphere_convex import touches
from sim_eval.bench.monitor import Compilations
from sim_eval.protocols import gravity, gravity_hold, six_force
from sim_eval.scene import build_scene, scaled
from sim_eval.select.closing import plan_closing
from sim_eval.simobject import SimObject, sim_object
from tests.sim_eval.helpers import box
from tests.sim_eval.select.things import field, held
from tests.sim_eval.simulation import SHAPES, closing, human16, shape, wrapped
from zdg_jax.errors import UserError

#: MJX compiles for half a minute: its half of the contract runs with the slow tests.
BOTH = ("c", "mjx")
HERE = (BOTH[0], pytest.param(BOTH[1], marks=pytest.mark.slow))
TESTS = {"gravity_hold": gravity_hold, "six_force": six_force}
SPHERES = 9


def scattered(rows: int, seed: int = 0) -> Drop:
    """Nine spheres of 1 cm in and around each shape in turn."""
    rng = np.random.default_rng(seed)
    index = np.arange(rows) % len(SHAPES)
    objects = tuple(shape(n) for n in SHAPES)
    middle = np.stack([objects[i].inertial.com for i in index])
    centres = middle[:, None] + 0.03 * rng.normal(size=(rows, SPHERES, 3))
    return Drop(objects, index, np.full(SPHERES, 0.01), centres, 1.0, gravity.PARAMS, gravity.STEPS)


def alike(a: Rollout, b: Rollout, **tolerance: float) -> None:
    np.testing.assert_allclose(a.p_world_com, b.p_world_com, **tolerance)
    np.testing.assert_array_equal(a.contact, b.contact)
    assert a.failure == b.failure


@pytest.fixture(scope="module")
def both() -> tuple[Drop, Rollout, Rollout]:
    job = scattered(16)
    return job, c.drop(job), mjx.drop(job)


@pytest.mark.slow
def test_mjx_is_c(both):
    """Same pieces, same contacts, same way; deep spheres (2 cm) push fast and amplify rounding."""
    _, one, other = both
    way = np.abs(one.move()[:, -1] - other.move()[:, -1])
    assert np.median(way) < 2e-5
    assert way.max() < 1.5e-3
    assert (one.contact == other.contact).mean() > 0.98
    np.testing.assert_allclose(one.depth[:, 0], other.depth[:, 0], atol=1e-5)
    assert one.depth[:, 0].max() > 0.01


@pytest.mark.slow
def test_one_state_field_by_field():
    """Contacts and accelerations of single states along C's way, an object whose axes are not principal."""
    R = Rotation.from_euler("xyz", [0.4, 0.7, -0.3]).as_matrix()
    mesh = box((0.05, 0.03, 0.12), (0.01, 0.02, 0.03))
    mesh.vertices = mesh.vertices @ R.T
    obj = sim_object(mesh)
    centres = obj.inertial.com + np.array([[0.028, 0.0, 0.0], [-0.03, 0.005, 0.01], [0.0, -0.03, 0.02]]) @ R.T
    radius = np.array([0.01, 0.012, 0.02])
    scene = build_scene(radius, obj.pieces, scaled(obj.inertial, 1.0), gravity.PARAMS)
    data = mujoco.MjData(scene.model)
    data.mocap_pos[:] = centres
    physics = fixed_physics(tuple(radius.tolist()), gravity.PARAMS, 1.0)
    bodies = stack_bodies((obj,), 1)
    own = jax.tree.map(lambda x: jnp.asarray(x[0]), bodies)
    axes = Rotation.from_quat(np.asarray(own.axes)[[1, 2, 3, 0]])

    @jax.jit
    def forward(qpos, qvel, warm, spheres):
        def f(qpos, qvel, warm, spheres):
            d = physics.data.replace(qpos=qpos, qvel=qvel, qacc_warmstart=warm)
            d, _ = physics.forward(physics.with_object(physics.model, own), d, own, spheres)
            return d.qacc, d._impl.contact.dist, d._impl.contact.pos, d._impl.contact.frame

        return traced(f)(qpos, qvel, warm, spheres)

    def local(v: np.ndarray) -> np.ndarray:
        return np.concatenate([v[:3], axes.inv().apply(v[3:])]).astype(np.float32)

    touched = 0
    for _ in range(20):
        mujoco.mj_forward(scene.model, data)
        turn = (Rotation.from_quat(data.qpos[[4, 5, 6, 3]]) * axes).as_quat()[[3, 0, 1, 2]]
        at = np.concatenate([data.qpos[:3] - np.asarray(own.com), turn]).astype(np.float32)
        qacc, dist, pos, frame = forward(
            at,
            local(data.qvel),
            local(data.qacc_warmstart),
            (centres - np.asarray(own.com)).astype(np.float32),
        )
        # contacts of some 100 rad/s² cancel, in single precision
        np.testing.assert_allclose(qacc, local(data.qacc), rtol=5e-3, atol=0.2)
        near = np.asarray(dist) < 1e-3
        got = np.flatnonzero(near)[np.argsort(np.asarray(pos)[near][:, 0])]
        want = np.argsort(data.contact.pos[:, 0])
        np.testing.assert_allclose(np.asarray(dist)[got], data.contact.dist[want], atol=2e-6)
        np.testing.assert_allclose(
            np.asarray(pos)[got] + np.asarray(own.com), data.contact.pos[want], atol=5e-6
        )
        np.testing.assert_allclose(
            np.asarray(frame)[got].reshape(-1, 9)[:, :3], data.contact.frame[want][:, :3], atol=2e-4
        )
        touched += len(got)
        mujoco.mj_Euler(scene.model, data)
    assert touched > 20


@pytest.mark.slow
def test_distances_are_those_of_a_projection():
    """Outside a piece: the exact distance, found here by least squares over its corners."""
    rng = np.random.default_rng(2)
    obj = shape("rod")
    slots = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), obj.slots)
    corners = np.concatenate([p - obj.inertial.com for p in obj.pieces])
    for _ in range(12):
        x = 0.06 * rng.normal(size=3)
        got = touches(jnp.asarray(x[None], jnp.float32), jnp.zeros(1), slots, 4)
        nearest = _distance_to_hull(x, corners)
        if nearest > 1e-6:  # outside the rod, which is convex
            np.testing.assert_allclose(float(got.dist.min()), nearest, atol=2e-5)
        else:
            assert float(got.dist.min()) < 1e-6


def _distance_to_hull(x: np.ndarray, corners: np.ndarray) -> float:
    """The nearest convex combination of the corners, by non-negative least squares."""
    heavy = 1e3
    A = np.vstack([corners.T - x[:, None], heavy * np.ones(len(corners))])
    weights, _ = nnls(A, np.array([0.0, 0.0, 0.0, heavy]))
    return float(np.linalg.norm(weights / weights.sum() @ corners - x))


@pytest.mark.parametrize("name", HERE)
def test_free_fall(name):
    job = dataclasses.replace(scattered(16), p_obj_spheres=np.full((16, SPHERES, 3), -5.0))
    got = backends.backend(name).drop(job)
    n, dt = gravity.STEPS, gravity.TIMESTEP
    np.testing.assert_allclose(got.move()[:, -1], 9.8 * dt**2 * n * (n + 1) / 2, rtol=1e-4)
    np.testing.assert_allclose(got.move()[:, -1], 0.107, rtol=0.01)
    np.testing.assert_allclose(got.turn()[:, -1], 0.0, atol=1e-3)
    assert not got.contact.any()


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(("angle", "holds"), [(83.0, True), (84.5, False)])
def test_friction_cone(name, angle, holds):
    """On a slope of spheres a block slides once tan(angle) > 9, at 83.66 degrees."""
    a = np.deg2rad(angle)
    along, up = np.array([np.cos(a), np.sin(a), 0.0]), np.array([-np.sin(a), np.cos(a), 0.0])
    mesh = box((0.08, 0.002, 0.08))
    turn = np.eye(4)
    turn[:3, :3] = np.stack([along, up, [0.0, 0.0, 1.0]], axis=1)
    mesh.apply_transform(turn)
    grid = [(u, v) for u in (-0.03, 0.0, 0.03) for v in (-0.03, 0.0, 0.03)]
    slope = np.array([u * along + v * np.array([0, 0, 1.0]) - 0.011 * up for u, v in grid])
    job = Drop(
        (sim_object(mesh),), np.zeros(16, int), np.full(SPHERES, 0.01), np.tile(slope, (16, 1, 1)), 1.0,
        gravity.PARAMS, gravity.STEPS,
    )  # fmt: skip
    went = backends.backend(name).drop(job).move()[0]
    slid = went[-1] - went[17]  # after the contact has settled
    free = 9.8 * (np.sin(a) - 9 * np.cos(a)) * gravity.TIMESTEP**2 * sum(range(18, 36))
    if holds:
        assert slid < 0.002
    else:
        assert slid > 0.8 * free > 0.002


@pytest.mark.slow
def test_a_batch_is_the_loop_over_its_rows(both):
    job, _, together = both
    pick = [3, 7, 5]
    few = dataclasses.replace(job, index=job.index[pick], p_obj_spheres=job.p_obj_spheres[pick])
    alone = mjx.drop(few)
    np.testing.assert_array_equal(alone.p_world_com, together.p_world_com[pick])
    chunked = mjx.drop(job, rows_a_chunk=(16, 16))
    np.testing.assert_array_equal(chunked.p_world_com, together.p_world_com)


def some_boxes(count: int) -> tuple[SimObject, ...]:
    rng = np.random.default_rng(0)
    return tuple(sim_object(box(tuple(rng.uniform(0.02, 0.1, 3)))) for _ in range(count))


@pytest.mark.slow
def test_other_objects_compile_nothing(both):
    job, _, _ = both
    others = some_boxes(3)
    with Compilations() as seen:
        mjx.drop(dataclasses.replace(job, objects=others, index=job.index % 3))
        mjx.drop(dataclasses.replace(job, objects=others[:1], index=job.index * 0))
    assert seen.count == 0


@pytest.mark.slow
def test_a_hundred_objects_compile_once_and_share_batches(both):
    """120 objects, more than a chunk's 64; each row as it is alone in C."""
    objects = some_boxes(120)
    rng = np.random.default_rng(1)
    index = rng.permutation(np.repeat(np.arange(120), 2))
    job = dataclasses.replace(
        scattered(240), objects=objects, index=index, p_obj_spheres=0.03 * rng.normal(size=(240, SPHERES, 3))
    )
    mjx.drop(job)  # the large chunk's shape
    with Compilations() as seen:
        got = mjx.drop(dataclasses.replace(job, objects=objects[::-1]))
        got = mjx.drop(job)
    assert seen.count == 0
    assert np.median(np.abs(got.move()[:, -1] - c.drop(job, 2).move()[:, -1])) < 5e-5


# --- the contract of all protocols -------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch):
    """Few steps: the same compiled functions serve any number."""
    monkeypatch.setattr(six_force, "RAMP", (2, 5))
    monkeypatch.setattr(six_force, "CHECKS", 2)
    monkeypatch.setattr(six_force, "CHECK_STEPS", 10)
    monkeypatch.setattr(gravity_hold, "CHECKS", 2)
    monkeypatch.setattr(gravity_hold, "CHECK_STEPS", 10)


def call(protocol: str, name: str, pose: np.ndarray, joints: np.ndarray, index: np.ndarray):
    objects, hand, simulator = tuple(shape(n) for n in SHAPES), human16(), backends.backend(name)
    if protocol == "gravity":
        return gravity.run(hand, objects, index, pose, joints, simulator)
    pre, squeeze = closing(hand, joints)
    return TESTS[protocol].run(hand, objects, index, pose, pre, joints, squeeze, simulator)


def numbers(result) -> np.ndarray:
    names = [f.name for f in dataclasses.fields(result) if not f.name.startswith("status")]
    return np.stack([np.asarray(getattr(result, n), float) for n in names], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("protocol", ["gravity", "gravity_hold", "six_force"])
def test_contract(short, protocol, name):
    """Bad rows are named, never successes, and leave the others bit for bit as they were."""
    hand = human16()
    pose, joints = wrapped(hand, SHAPES)
    index = np.arange(4)
    good = call(protocol, name, pose, joints, index)
    assert set(good.status) == {"ok"}
    assert np.isfinite(numbers(good)).all()
    more = [0, 0, 1, 1, 2, 3]
    bad_pose, bad_joints = pose[more].copy(), joints[more].copy()
    bad_joints[1, 2] = np.nan
    bad_joints[3, 1] = hand.upper[1] + 0.2
    bad_pose[4, 3:] = 0.0
    got = call(protocol, name, bad_pose, bad_joints, index[more])
    assert got.status == ("ok", "invalid_pose", "ok", "joint_limits", "invalid_pose", "ok")
    assert all(got.status_reason[i] for i in (1, 3, 4))
    assert "index_mcp" in got.status_reason[3]
    np.testing.assert_array_equal(numbers(got)[[0, 2, 5]], numbers(good)[[0, 1, 3]])
    success = got.contact_every_step if protocol == "gravity" else got.success
    assert not success[[1, 3, 4]].any()
    assert np.isnan(numbers(got)[[1, 3, 4]]).any(axis=1).all()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", TESTS)
def test_hold_in_mjx_is_c(short, protocol):
    pose, joints = wrapped(human16(), SHAPES)
    one, other = (call(protocol, name, pose, joints, np.arange(4)) for name in BOTH)
    np.testing.assert_allclose(one.start_depth_m, other.start_depth_m, atol=1e-5)
    np.testing.assert_allclose(one.move_m, other.move_m, rtol=0.15, atol=5e-4)
    np.testing.assert_array_equal(one.success, other.success)


@pytest.mark.slow
def test_mjx_leaves_a_force_that_is_decided_with_the_same_verdict(monkeypatch):
    """What holds and what is let go: the spared checks repeat the last, and the next force acts on it."""
    monkeypatch.setattr(six_force, "CHECKS", 6)
    monkeypatch.setattr(six_force, "CHECK_STEPS", 20)
    hand, pose, joints = held("rod", 3)
    pose[1, 1] += 0.02
    plan = plan_closing(hand, field("rod"), pose, joints)
    start, simulator, seen = plan.pregrasp, backends.backend("mjx"), []
    given = hand, (shape("rod"),), np.zeros(3, int), pose, start.joints, joints, plan.squeeze, simulator
    monkeypatch.setattr(mjx, "settle", lambda *x: (still := settle(*x), seen.append(int(still.sum())))[0])
    whole, early = (six_force.run(*given, start.hand_pose, until_decided=u) for u in (False, True))
    assert sum(seen) > 0
    assert whole.success.any()
    assert not whole.success.all()
    np.testing.assert_array_equal(early.success, whole.success)
    np.testing.assert_array_equal(early.forces_held, whole.forces_held)


def test_an_object_is_at_rest_when_it_slows_down_far_from_the_limits():
    """Rows: slowing down, creeping slowly, creeping, faster and faster, slowing down near the limit."""
    ways = [[5, 2, 0.5, 0.2], [5, 0.2, 0.2, 0.2], [5, 2, 2, 2], [5, 0.1, 0.2, 0.3], [46, 2, 0.5, 0.2]]
    rows = len(ways)
    com = np.zeros((rows, 11, 3))
    com[:, 1:5, 0] = 1e-3 * np.cumsum(ways, axis=1)
    quat = np.tile([1.0, 0, 0, 0], (rows, 11, 1))
    nothing = np.zeros((rows, 11))
    out = Rollout(com, quat, nothing > 0, nothing, ("",) * rows)
    job = scattered(1)
    hold = Hold(
        human16(), job.objects, job.index, np.zeros((1, 2, 7)), np.zeros((1, 2, 1)), 1.0, job.params, (1, 1),
        np.zeros((6, 3)), 10, 50, 0.05, 0.26,
    )  # fmt: skip
    assert decided(hold, out, 4).tolist() == [True, True, False, False, False]
    assert not decided(hold, out, 2).any()
    turned = Rotation.from_euler("x", 0.2 * np.arange(11)[:, None]).as_quat()[:, [3, 0, 1, 2]]
    spun = dataclasses.replace(out, q_world_obj=np.tile(turned, (rows, 1, 1)))
    assert not decided(hold, spun, 4).any()
    one = [bool(decided(hold, out.take(np.array([k])), 4)[0]) for k in range(rows)]
    assert one == decided(hold, out, 4).tolist()


@pytest.mark.parametrize("name", HERE)
def test_an_exploding_row_is_no_success(name, monkeypatch):
    """A burst is named, and the others go on."""
    monkeypatch.setattr(c, "MAX_TRAVEL", 0.05)
    monkeypatch.setattr(mjx, "MAX_TRAVEL", 0.05)
    job = scattered(16)
    job.p_obj_spheres[5] = -5.0
    got = backends.backend(name).drop(job)
    assert "burst" in got.failure[5]
    assert np.isnan(got.p_world_com[5]).all()
    assert not got.contact[5].any()
    fine = [i for i, why in enumerate(got.failure) if not why]
    assert len(fine) > 5
    assert np.isfinite(got.p_world_com[fine]).all()


@pytest.mark.parametrize("name", HERE)
def test_an_unstable_row_is_no_success(name):
    job = scattered(16)
    job.p_obj_spheres[2] = np.nan
    job.p_obj_spheres[3] = 1e30
    got = backends.backend(name).drop(job)
    assert got.failure[2] == "a hand sphere is not at a finite place"
    assert np.isnan(got.p_world_com[2]).all()
    others = [0, 1, 4, 5]
    want = backends.backend(name).drop(scattered(16))
    np.testing.assert_array_equal(got.p_world_com[others], want.p_world_com[others])


def test_names():
    assert backends.resolve("auto") == "c"  # the tests run on a CPU
    with pytest.raises(UserError, match="mjx, warp, c"):
        backends.resolve("bullet")
    with pytest.raises(UserError, match="CUDA"):
        backends.resolve("warp")
