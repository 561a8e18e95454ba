"""GraspTTA's gravity test against the laws of mechanics."""

from __future__ import annotations

import numpy as np
import pytest

from sim_eval.backends import c
from sim_eval.protocols import gravity
from tests.sim_eval.helpers import box, sphere

FAR = np.array([[0.0, -5.0, 0.0]])


@pytest.mark.parametrize("mesh", [sphere(0.03, level=3), box((0.02, 0.1, 0.04), (0.3, 0.1, 0.0))])
def test_free_fall(mesh):
    scene, note = gravity.gravity_scene(np.array([0.01]), mesh)
    result = gravity.drop(scene, FAR[None])
    n, dt = gravity.STEPS, gravity.TIMESTEP
    np.testing.assert_allclose(result.displacement_m, 9.8 * dt**2 * n * (n + 1) / 2, rtol=1e-6)
    np.testing.assert_allclose(result.displacement_m, 0.107, rtol=0.01)
    assert not result.contact_end.any()
    assert not result.contact_every_step.any()
    assert (note, result.status, result.status_reason) == ("", ("ok",), ("",))


def test_free_fall_goes_down_and_does_not_turn():
    scene, _ = gravity.gravity_scene(np.array([0.01]), box((0.02, 0.1, 0.04)))
    rollout = c.run(scene, FAR[None], gravity.STEPS)
    way = rollout.p_world_com[0, -1] - rollout.p_world_com[0, 0]
    np.testing.assert_allclose(way, np.linalg.norm(way) * np.array([0.0, -1.0, 0.0]), atol=1e-12)
    np.testing.assert_allclose(rollout.q_world_obj[0, -1], [1, 0, 0, 0], atol=1e-12)


def test_rests_on_a_floor_of_spheres():
    floor = np.array([[x, -0.02 - 0.01, z] for x in (-0.03, 0.0, 0.03) for z in (-0.03, 0.0, 0.03)])
    scene, _ = gravity.gravity_scene(np.full(9, 0.01), box((0.08, 0.04, 0.08)))
    result = gravity.drop(scene, floor[None])
    assert result.displacement_m[0] < 1e-4
    assert result.contact_every_step[0]


@pytest.mark.parametrize("press", [0.0005, 0.002])
def test_ball_is_held_between_two_fingers(press):
    """Friction 9: a slight pinch carries 1 kg; the object may sink by far less than it would fall."""
    scene, _ = gravity.gravity_scene(np.array([0.01, 0.01]), sphere(0.03, level=3))
    pinch = np.array([[0.04 - press, 0.0, 0.0], [-0.04 + press, 0.0, 0.0]])
    result = gravity.drop(scene, pinch[None])
    assert result.displacement_m[0] < 0.005
    assert result.contact_every_step[0]
    np.testing.assert_allclose(result.sim_depth_m[0], press, atol=4e-4)  # the ball is a polyhedron


@pytest.mark.parametrize(("angle", "holds"), [(83.0, True), (86.0, False)])
def test_friction_cone(angle, holds):
    """A block on a slope slides once tan(angle) > 9 (83.7 degrees); the spheres are the slope."""
    a = np.deg2rad(angle)
    along, normal = np.array([np.cos(a), np.sin(a), 0.0]), np.array([-np.sin(a), np.cos(a), 0.0])
    mesh = box((0.08, 0.002, 0.08))
    turn = np.eye(4)
    turn[:3, :3] = np.stack([along, normal, [0.0, 0.0, 1.0]], axis=1)
    mesh.apply_transform(turn)
    slope = np.array(
        [u * along + v * np.array([0, 0, 1.0]) - 0.011 * normal for u in (-0.03, 0.03) for v in (-0.03, 0.03)]
    )
    scene, _ = gravity.gravity_scene(np.full(4, 0.01), mesh)
    moved = gravity.drop(scene, slope[None]).displacement_m[0]
    free = 9.8 * gravity.TIMESTEP**2 * gravity.STEPS * (gravity.STEPS + 1) / 2
    if holds:
        assert moved < 0.003
    else:  # sliding down with g (sin a - 9 cos a)
        np.testing.assert_allclose(moved, free * (np.sin(a) - 9 * np.cos(a)), rtol=0.05)


def test_a_gap_below_the_tolerance_is_contact_without_force():
    scene, _ = gravity.gravity_scene(np.array([0.01]), box((0.04, 0.04, 0.04)))
    beside = np.array([[0.03 + 0.0008, 0.0, 0.0]])
    result = gravity.drop(scene, beside[None])
    np.testing.assert_allclose(result.displacement_m, 0.107, rtol=0.01)
    rollout = c.run(scene, beside[None], 1)
    assert rollout.contact[0, 0]
    assert rollout.depth[0, 0] == 0.0


def test_bad_rows_leave_the_others_bit_identical():
    scene, _ = gravity.gravity_scene(np.array([0.01, 0.01]), sphere(0.03, level=3))
    pinch = np.array([[0.039, 0.0, 0.0], [-0.039, 0.001, 0.0]])
    batch = np.stack([pinch, np.full((2, 3), np.nan), pinch * 1.01, pinch, pinch])
    batch[3, 0, 2] = np.inf
    with_bad = gravity.drop(scene, batch)
    alone = gravity.drop(scene, batch[[0, 2, 4]])
    assert with_bad.status == ("ok", "invalid_pose", "ok", "invalid_pose", "ok")
    np.testing.assert_array_equal(with_bad.displacement_m[[0, 2, 4]], alone.displacement_m)
    assert np.isnan(with_bad.displacement_m[[1, 3]]).all()
    assert not with_bad.contact_every_step[[1, 3]].any()
    assert with_bad.displacement_m[0] == with_bad.displacement_m[4]


def test_batch_is_the_loop_over_its_rows_with_any_threads():
    scene, _ = gravity.gravity_scene(np.array([0.01, 0.01]), box((0.06, 0.03, 0.02)))
    rng = np.random.default_rng(1)
    batch = 0.03 * rng.normal(size=(6, 2, 3))
    one = [gravity.drop(scene, row[None]).displacement_m[0] for row in batch]
    for threads in (1, 3):
        np.testing.assert_array_equal(gravity.drop(scene, batch, threads=threads).displacement_m, one)


def test_a_burst_is_no_success(monkeypatch):
    monkeypatch.setattr(c, "MAX_TRAVEL", 0.05)
    scene, _ = gravity.gravity_scene(np.array([0.01]), sphere(0.03, level=3))
    result = gravity.drop(scene, FAR[None])
    assert result.status == ("sim_unstable",)
    assert "burst" in result.status_reason[0]
    assert np.isnan(result.displacement_m[0])


def test_the_object_falls_the_same_wherever_its_origin_is():
    """Sim.Dis is that of the centre of mass: an off-centre origin must not add the turn of the object."""
    way = []
    for shift in ((0.0, 0.0, 0.0), (0.4, -0.2, 0.1)):
        scene, _ = gravity.gravity_scene(np.array([0.01]), box((0.1, 0.02, 0.03), shift))
        way.append(
            gravity.drop(scene, np.array([[[0.03, -0.0199, 0.0]]]) + np.array(shift)).displacement_m[0]
        )
    assert 0.01 < way[0] < 0.1
    np.testing.assert_allclose(way[1], way[0], rtol=1e-3)
