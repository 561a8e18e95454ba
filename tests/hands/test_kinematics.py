"""Kinematics against C MuJoCo, and the laws they obey."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.hands.things import EVERY_HAND, hand_or_skip, slow_but
from zdg_jax.hands import kinematics, load_hand
from zdg_jax.hands.io.hand_spec import read_card
from zdg_jax.hands.io.model_files import hand_source
from zdg_jax.hands.kinematics import (
    Transform,
    base_from_palm,
    chain,
    jacobian_transpose,
    link_transforms,
    place,
    posed,
    posed_points,
    posed_skin,
    posed_spheres,
    quat_mul,
)
from zdg_jax.hands.load import build_hand, card_path


def _random_joints(hand, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(hand.lower, hand.upper, size=(n, len(hand.active_names)))


def _random_pose(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(n, 4))
    return np.concatenate(
        [rng.uniform(-1, 1, size=(n, 3)), q / np.linalg.norm(q, axis=1, keepdims=True)], axis=1
    )


@pytest.mark.parametrize("name", EVERY_HAND)
def test_links_equal_c_mujoco(name: str) -> None:
    """Positions (m) and rotations (rad) of every link, 1,000 poses, within 1e-5."""
    hand = hand_or_skip(name)
    model = hand_source(hand).model
    data = mujoco.MjData(model)
    poses, joints = _random_pose(1000), _random_joints(hand, 1000)
    each, axes = np.arange(len(hand.link_names)), np.tile(np.eye(3), (len(hand.link_names), 1))
    few = [slice(k, k + 8) for k in range(0, len(poses), 8)]  # the batch that all tests of a hand compile
    pos = np.concatenate([posed(hand, poses[k], joints[k], "link") for k in few])
    turned = [posed_points(hand, poses[k], joints[k], np.repeat(each, 3), axes, turn_only=True) for k in few]
    rot = np.concatenate(turned).reshape(-1, 3, 3).transpose(0, 2, 1)  # rows were the turned axes
    ids = [model.body(n).id for n in hand.link_names]
    addresses = [model.joint(n).qposadr[0] for n in hand.joint_names]
    every = joints @ hand.coupling.T + hand.coupling_offset
    p, R = np.zeros((len(poses), len(ids), 3)), np.zeros((len(poses), len(ids), 3, 3))
    for k in range(len(poses)):
        data.qpos[:] = 0.0
        data.qpos[addresses] = every[k]
        mujoco.mj_kinematics(model, data)
        p[k], R[k] = data.xpos[ids], data.xmat[ids].reshape(-1, 3, 3)
    # the model's base may stand anywhere: its pose is taken out, ours put in
    turn = Rotation.from_quat(poses[:, [4, 5, 6, 3]]).as_matrix() @ R[:, 0].transpose(0, 2, 1)
    want = np.einsum("kij,klj->kli", turn, p - p[:, :1]) + poses[:, None, :3]
    np.testing.assert_allclose(pos, want, atol=1e-5)
    off = Rotation.from_matrix((turn[:, None] @ R).reshape(-1, 3, 3)).inv() * Rotation.from_matrix(rot)
    assert off.magnitude().max() < 1e-5


@pytest.mark.parametrize("name", slow_but("human16"))
def test_equivariance(name: str) -> None:
    """Moving the base by a rigid motion moves every skin vertex by it."""
    hand = hand_or_skip(name)
    pose, joints = _random_pose(4), _random_joints(hand, 4)
    at_origin = posed_skin(hand, np.tile([0, 0, 0, 1.0, 0, 0, 0], (4, 1)), joints)
    R = Rotation.from_quat(pose[:, [4, 5, 6, 3]]).as_matrix()
    want = np.einsum("kij,kvj->kvi", R, at_origin) + pose[:, None, :3]
    np.testing.assert_allclose(posed_skin(hand, pose, joints), want, atol=2e-6)


@pytest.mark.parametrize("name", slow_but("human16"))
def test_batch_equals_loop(name: str) -> None:
    hand = hand_or_skip(name)
    pose, joints = _random_pose(5), _random_joints(hand, 5)
    batch = posed_spheres(hand, pose, joints)
    for k in range(5):
        np.testing.assert_allclose(posed_spheres(hand, pose[k], joints[k]), batch[k], atol=1e-6)


@pytest.mark.parametrize("name", ["human16", pytest.param("shadow", marks=pytest.mark.slow)])
def test_gradients_are_finite_and_right(name: str) -> None:
    """At zero and elsewhere, against central differences."""
    hand = hand_or_skip(name)
    base = Transform(pos=jnp.zeros(3), rot=jnp.array([1.0, 0, 0, 0]))
    grad = jax.jit(jax.grad(lambda q: link_transforms(hand, base, q).pos.sum()))
    n, h = len(hand.active_names), 1e-2
    still = np.array([0, 0, 0, 1.0, 0, 0, 0])
    for q in (np.zeros(n), _random_joints(hand, 1)[0]):
        got = np.asarray(grad(jnp.asarray(q, jnp.float32)))
        assert np.isfinite(got).all()
        up, down = (posed(hand, still, q + d * h * np.eye(n), "link").sum(axis=(1, 2)) for d in (1, -1))
        np.testing.assert_allclose(got, (up - down) / (2 * h), atol=2e-3)


@pytest.mark.parametrize("name", slow_but("human16"))
def test_palm_lands_where_it_is_put(name: str) -> None:
    hand = hand_or_skip(name)
    R = Rotation.from_rotvec([0.3, -0.7, 1.1]).as_matrix()
    pose = base_from_palm(hand, np.array([0.1, 0.2, 0.3]), R)
    base = Rotation.from_quat(pose[[4, 5, 6, 3]]).as_matrix()
    np.testing.assert_allclose(base @ hand.p_base_palm + pose[:3], [0.1, 0.2, 0.3], atol=1e-9)
    np.testing.assert_allclose(base @ hand.R_base_palm, R, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_HAND)
def test_jacobian_transpose_is_that_of_autodiff(name: str) -> None:
    """Of E = sum_l g_l . p_l(points on every link), against jax.grad through `link_transforms`."""
    hand = hand_or_skip(name)
    rng = np.random.default_rng(4)
    links = len(hand.link_names)
    local = jnp.asarray(rng.normal(size=(links, 3)) * 0.05, jnp.float32)
    grad = jnp.asarray(rng.normal(size=(links, 3)), jnp.float32)
    each = np.arange(links)

    def energy(pos, turn, rot, joints):
        # a small turn about the object's axes, applied to the base from the left
        q = quat_mul(jnp.concatenate([jnp.ones(1), 0.5 * turn]), rot)
        base = Transform(pos=pos, rot=q / jnp.linalg.norm(q))
        return jnp.sum(grad * place(link_transforms(hand, base, joints), each, local))

    want = jax.jit(jax.grad(energy, argnums=(0, 1, 3)))

    @jax.jit
    def got(pos, rot, joints):
        at = chain(hand, Transform(pos=pos, rot=rot), joints)
        points = place(at.links, each, local)
        return jacobian_transpose(hand, at, grad, jnp.cross(points, grad))

    for pose, joints in zip(_random_pose(4), _random_joints(hand, 4), strict=True):
        pos, rot, q = (jnp.asarray(x, jnp.float32) for x in (pose[:3], pose[3:], joints))
        for mine, auto in zip(got(pos, rot, q), want(pos, jnp.zeros(3), rot, q), strict=True):
            np.testing.assert_allclose(mine, auto, atol=2e-5 * (1 + float(jnp.abs(auto).max())))


@pytest.mark.parametrize("name", EVERY_HAND)
@pytest.mark.parametrize("what", ["link", "hinge", "hinge_normal", "skin", "pad_normal"])
def test_one_hand_is_posed_like_a_batch(name: str, what: str) -> None:
    """[7] and [active] give the row of [8, 7] and [8, active], which is held against C MuJoCo above."""
    hand = hand_or_skip(name)
    poses, joints = _random_pose(8), _random_joints(hand, 8)
    poses[0, 3:] *= 2.0  # of another length, the same turn
    batch = posed(hand, poses, joints, what)
    for k in range(3):
        one = posed(hand, poses[k], joints[k], what)
        assert one.shape == batch[k].shape
        np.testing.assert_allclose(one, batch[k], atol=3e-6)


def test_one_hand_of_no_pose_is_nowhere() -> None:
    hand = hand_or_skip("human16")
    assert np.isnan(posed(hand, np.zeros(7), hand.open_joints, "skin")).all()
    assert np.isnan(posed(hand, np.full(7, np.nan), hand.open_joints, "skin")).all()


@pytest.mark.parametrize("name", EVERY_HAND)
def test_a_hand_is_loaded_without_compiling(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes ten seconds a hand, in every process and before anything can be said."""
    hand_or_skip(name)

    def compiled(*_):
        raise AssertionError("compiled")

    path = card_path(name)
    card = read_card(path)
    monkeypatch.setattr(kinematics.Stored, "__call__", compiled)
    hand = build_hand(card, path.parent, None if name == "human16" else lambda: load_hand("human16"))
    assert set(hand.grasp_types) == set(load_hand("human16").grasp_types)
