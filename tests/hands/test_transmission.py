"""Actuators over joints and tendons: one linear map from joint angles to lengths."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from tests.hands.robots import MJCF
from zdg_jax.errors import UserError
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.hands.io.kinematic_tree import couple, subtree
from zdg_jax.hands.model import actuator_force, drawn_joints, transmission_of


@pytest.mark.parametrize("name", HAND_NAMES)
def test_only_shadow_has_tendons(name: str) -> None:
    hand = load_hand(name)
    if name != "shadow":
        assert hand.actuator_names == hand.active_names
        np.testing.assert_array_equal(hand.transmission, np.eye(len(hand.active_names)))
        return
    assert hand.transmission.shape == (18, 22)
    for finger in ("FF", "MF", "RF", "LF"):
        row = hand.transmission[hand.actuator_names.index(f"rh_{finger}J0")]
        pulled = {hand.active_names[k]: row[k] for k in np.flatnonzero(row)}
        assert pulled == {f"rh_{finger}J2": 1.0, f"rh_{finger}J1": 1.0}
    assert (np.count_nonzero(hand.transmission, axis=0) == 1).all()


def test_shadows_tendons_are_those_that_its_maker_commented_out() -> None:
    """Oracle: MuJoCo's own tendon lengths, of the wheel's file with its tendons switched on."""
    hand = load_hand("shadow")
    text = Path(hand.mjcf).read_text(encoding="utf-8")
    begin, end = text.index("<!-- <tendon>") + len("<!-- "), text.index("</tendon> -->") + len("</tendon>")
    alone = mujoco.MjSpec.from_string(
        "<mujoco><worldbody>"
        + "".join(f'<body><joint name="{j}"/><geom size="1"/></body>' for j in hand.joint_names)
        + f"</worldbody>{text[begin:end]}</mujoco>"
    )
    model = alone.compile()
    data = mujoco.MjData(model)
    q = np.random.default_rng(0).uniform(hand.lower, hand.upper)
    data.qpos[:] = hand.coupling @ q + hand.coupling_offset
    mujoco.mj_forward(model, data)
    for t in range(model.ntendon):
        row = hand.actuator_names.index(model.tendon(t).name)
        assert data.ten_length[t] == pytest.approx(hand.transmission[row] @ q)


def test_a_cards_tendon_leaves_its_joints_free_where_the_model_couples_them() -> None:
    """A tendon that the model pulls moves its joints in proportion, unless the card says it is a tendon."""
    tendon = (
        '<tendon><fixed name="t"><joint joint="a1" coef="1"/><joint joint="a2" coef="1"/></fixed></tendon>'
        '<actuator><position tendon="t"/><position joint="a0"/></actuator>'
    )
    model = mujoco.MjSpec.from_string(MJCF % tendon).compile()
    tree = subtree(model, 1)
    limits = model.jnt_range[tree.hinges]
    assert couple(model, tree.joints, limits, (), {}, {}, "test").active == ("a0", "a1")
    free = couple(model, tree.joints, limits, (), {}, {}, "test", {"pull": {"a1": 1.0, "a2": 1.0}})
    assert free.active == ("a0", "a1", "a2")


def test_moment_arms_are_kept_and_bad_tendons_refused() -> None:
    names, T = transmission_of(("a", "b", "c"), {"t": {"b": 0.5, "c": -2.0}}, "test")
    assert names == ("a", "t")
    np.testing.assert_array_equal(T, [[1, 0, 0], [0, 0.5, -2]])
    for tendons in (
        {"t": {"d": 1.0}},
        {"t": {"a": 0.0}},
        {"a": {"b": 1.0}},
        {"t": {"a": 1.0}, "u": {"a": 1.0}},
    ):
        with pytest.raises(UserError, match="tendon"):
            transmission_of(("a", "b", "c"), tendons, "test")


def test_forces_give_the_nearest_torques_and_draws_the_length_as_far_as_limits_go() -> None:
    """Oracle: least squares, and the reachable interval of each actuator's length."""
    hand, rng = load_hand("shadow"), np.random.default_rng(1)
    T = hand.transmission
    torque = rng.normal(size=(5, 22))
    want = np.linalg.lstsq(T.T, torque.T, rcond=None)[0].T
    np.testing.assert_allclose(actuator_force(hand, torque), want, atol=1e-12)
    q, draw = rng.uniform(hand.lower, hand.upper, (200, 22)), rng.uniform(-1, 1, (200, 18))
    found = drawn_joints(hand, q, draw)
    assert (found >= hand.lower).all()
    assert (found <= hand.upper).all()
    reached = np.clip(q @ T.T + draw, T @ hand.lower, T @ hand.upper)
    np.testing.assert_allclose(found @ T.T, reached, atol=1e-12)
    pair = [hand.active_names.index(j) for j in ("rh_FFJ2", "rh_FFJ1")]
    small = drawn_joints(
        hand, np.full(22, 0.1), 0.02 * (np.arange(18) == hand.actuator_names.index("rh_FFJ0"))
    )
    np.testing.assert_allclose(small[pair], 0.11)
