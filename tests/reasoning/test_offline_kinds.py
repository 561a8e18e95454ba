"""Plans of kinds of things that a strict judge found badly held: each on the numbers of one of its kind."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
import trimesh

from tests.reasoning import offline_questions as asked
from tests.reasoning.offline_things import X, Y, Z, part, thing, umbrella
from tests.reasoning.test_offline_scans import scans
from tests.reasoning.test_offline_unnamed import camera, phone, remote
from tests.reasoning.things import model_of
from zdg_jax.reasoning.lifting import in_reach
from zdg_jax.reasoning.protocol import ObservedObject, Vec3
from zdg_jax.reasoning.rules.reasoner import RulesReasoner
from zdg_jax.reasoning.rules.scoring import region_of
from zdg_jax.reasoning.rules.task_plan import make_plan
from zdg_jax.reasoning.stages.grasp_type import GraspTypeObservations
from zdg_jax.reasoning.stages.rotation import RotationObservations


def approach(obj: ObservedObject, task: str, held: int, name: str) -> Vec3:
    """Where the hand comes from."""
    q = asked.direction_question(obj, task, held, name)
    return asked.eighteen()[asyncio.run(RulesReasoner().ask(q)).value.direction]


def turn(obj: ObservedObject, task: str, held: int, way: Vec3, name: str) -> tuple[Vec3, Vec3]:
    """Where the fingers and the thumb side point."""
    q = asked.rotation_question(obj, task, held, way, name)
    best, facts = asyncio.run(RulesReasoner().ask(q)).value.rotation, q.observations
    assert isinstance(facts, RotationObservations)
    return facts.finger_directions[best], facts.thumb_directions[best]


def test_back_and_edges_of_a_phone_lie_in_the_hand() -> None:
    plan = make_plan("call mom", None, phone())
    assert plan.holds[0] == (2, 3)
    assert plan.rule.grasp == "wrap-grasp"
    assert plan.parts_of(plan.rule.free) == (1,)
    assert approach(phone(), "call mom", 2, "phone")[1] < -0.9


def test_fingers_lie_under_a_remote_and_reach_its_far_edge() -> None:
    way = approach(remote(), "switch the channel", 1, "remote control")
    assert way[1] < -0.5
    assert abs(way[0]) > 0.5  # from beside it, not from its end
    fingers, _ = turn(remote(), "switch the channel", 1, way, "remote control")
    assert fingers[1] < -0.5
    assert fingers[0] * way[0] < -0.25
    assert make_plan("switch the channel", "remote control", remote()).rule.grasp == "lift"


@pytest.mark.parametrize(("name", "held"), [("umbrella", 3), ("cane", 4)])
def test_an_umbrella_is_held_by_its_shaft_and_a_cane_by_its_hook(name: str, held: int) -> None:
    for task in ("hold it up", "use it"):
        assert make_plan(task, name, umbrella()).holds[0] == (held,)


def test_a_straight_umbrella_is_held_by_its_handle_not_its_tip() -> None:
    straight = thing(
        (0.76, 0.06, 0.06),
        X,
        (0.7, 0.056, 0.056),
        part(1, (-0.02, 0.0, 0.0), X, (0.42, 0.057, 0.057), 0.042, 0.76, near=(2, 3)),
        part(2, (-0.31, 0.0, 0.0), X, (0.168, 0.031, 0.031), 0.03, 0.12, near=(1,)),
        part(3, (0.27, 0.0, 0.0), X, (0.191, 0.034, 0.033), 0.018, 0.12, near=(1,)),
    )
    assert make_plan("hold it open", "umbrella", straight).holds[0] == (2,)


def test_the_thumb_is_on_the_side_of_a_saw_s_back() -> None:
    for edge in (1.0, -1.0):  # the side of the teeth, to which the blade drops below its handle
        saw = thing(
            (0.41, 0.024, 0.145),
            X,
            (0.41, 0.145, 0.024),
            part(1, (0.04, 0.0, 0.016 * edge), (0.995, 0.0, 0.1 * edge), (0.3, 0.105, 0.003), 0.002, 0.52),
            part(2, (-0.14, 0.0, 0.0), Z, (0.145, 0.124, 0.024), 0.028, 0.48, hole=0.04),
        )
        way = approach(saw, "saw the branch", 2, "saw")
        assert way[0] < -0.9  # from behind
        fingers, thumb = turn(saw, "saw the branch", 2, way, "saw")
        assert abs(fingers[1]) > 0.9  # through its loop
        assert thumb[2] * edge < -0.9


def test_what_stands_out_of_a_camera_is_its_lens() -> None:
    reflex = thing(
        (0.12, 0.11, 0.1),
        X,
        (0.12, 0.11, 0.09),
        part(1, (0.0, 0.0, -0.02), X, (0.12, 0.11, 0.057), 0.051, 0.72),
        part(2, (0.01, -0.01, 0.028), Z, (0.077, 0.064, 0.057), 0.051, 0.28),
    )
    plan = make_plan("take a picture", None, reflex)
    assert plan.holds[0] == (1,)
    assert plan.parts_of(plan.rule.free) == (2,)
    assert approach(reflex, "take a picture", 1, "camera")[0] < -0.9  # the right of who looks along +z
    assert make_plan("take a picture", None, camera()).holds[0] == (1,)


def test_a_padlock_is_pinched_at_its_closed_end() -> None:
    lock = thing(
        (0.067, 0.029, 0.068),
        Z,
        (0.07, 0.055, 0.028),
        part(1, (0.0, 0.0, -0.01), X, (0.054, 0.045, 0.029), 0.026, 0.95),
        part(2, (0.0, 0.0, 0.025), X, (0.028, 0.008, 0.007), 0.005, 0.05),
    )
    plan = make_plan("lock the gate", "padlock", lock)
    assert plan.holds[0] == (1,)
    assert plan.parts_of(plan.rule.free) == (2,)
    assert (plan.rule.grasp, plan.rule.finer) == ("lift", "pinch")
    way = approach(lock, "lock the gate", 1, "padlock")
    assert way[2] < -0.9
    assert turn(lock, "lock the gate", 1, way, "padlock")[0][1] > 0.9  # on its broad faces


def test_a_sponge_lies_in_the_hand_between_its_long_edges() -> None:
    size = (0.11, 0.076, 0.018)
    sponge = thing((0.076, 0.018, 0.11), Z, size, part(1, (0.0, 0.0, 0.0), Z, size, 0.018, 1.0))
    plan = make_plan("wipe the counter", "sponge", sponge)
    assert plan.rule.grasp == "wrap-grasp"
    assert not plan.rule.free  # fingers that may not go below its edges slip off them
    way = approach(sponge, "wipe the counter", 1, "sponge")
    assert way[1] > 0.9
    assert abs(turn(sponge, "wipe the counter", 1, way, "sponge")[0][0]) > 0.9


def test_an_airplane_is_held_by_its_body() -> None:
    plane = thing(
        (0.255, 0.15, 0.263),
        Z,
        (0.263, 0.255, 0.15),
        part(1, (0.0, -0.04, -0.07), X, (0.253, 0.12, 0.03), 0.016, 0.36, near=(2,)),
        part(2, (0.0, 0.0, -0.06), Z, (0.161, 0.118, 0.11), 0.069, 0.2, near=(1, 3, 4, 5)),
        part(3, (0.0, 0.0, 0.08), (0.67, -0.14, 0.72), (0.25, 0.14, 0.11), 0.024, 0.22, near=(2,)),
        part(4, (-0.07, 0.05, -0.04), X, (0.137, 0.132, 0.027), 0.016, 0.11, near=(2,)),
        part(5, (0.07, 0.05, -0.04), X, (0.137, 0.132, 0.027), 0.016, 0.11, near=(2,)),
    )
    for task in ("play with it", "fly the plane", "hand it over"):
        assert make_plan(task, "toy airplane", plane).holds[0] == (3,)  # behind its wings
    level = thing(
        (0.2, 0.05, 0.2),
        Z,
        (0.2, 0.2, 0.05),
        part(1, (0.0, 0.0, 0.0), Z, (0.2, 0.04, 0.04), 0.036, 0.4, near=(2, 3)),
        part(2, (-0.06, 0.0, 0.02), X, (0.09, 0.05, 0.01), 0.009, 0.3, near=(1,)),
        part(3, (0.06, 0.0, 0.02), X, (0.09, 0.05, 0.01), 0.009, 0.3, near=(1,)),
    )
    assert make_plan("fly the plane", None, level).holds[0] == (1,)


def test_the_open_hand_goes_around_levers_that_stand_wide_apart() -> None:
    obj = scans()["052_extra_large_clamp"]
    plan = make_plan("clamp the boards", "clamp", obj)
    ref = region_of(obj, (2, 3), plan.parts_of(plan.rule.toward), (0.03, 0.02, 0.03), None, None).ref
    assert ref is not None
    along = asked.vec3(ref)
    for width, kind in ((0.095, "wrap-grasp"), (0.045, "handle-grasp")):
        q = asked.grasp_question(obj, "clamp the boards", 2, "clamp")
        facts = q.observations
        assert isinstance(facts, GraspTypeObservations)
        facts = facts.model_copy(
            update={"hand_parts": (2, 3), "center": (0.03, 0.02, 0.03), "region_axis": along,
                    "region_extents": (0.12, width, 0.025)}
        )  # fmt: skip
        q = asked.question("grasp_type", facts, asked.GRASPS)
        assert asyncio.run(RulesReasoner().ask(q)).value.grasp_type == kind


def levers(spread: float, gap: float = 0.02) -> tuple[trimesh.Trimesh, np.ndarray]:
    """Two bars 12 cm long in the plane of x and z, 1 cm thick, that begin at a gap and stand at an angle."""
    bars = []
    for side in (1.0, -1.0):
        bar = trimesh.creation.box(extents=(0.12, 0.01, 0.01)).subdivide().subdivide()
        bar.apply_translation([0.06, 0.0, 0.0])
        bar.apply_transform(trimesh.transformations.rotation_matrix(-side * spread / 2, Y))
        bar.apply_translation([0.0, 0.0, side * (0.5 * gap + 0.005)])
        bars.append(bar)
    both = trimesh.util.concatenate(bars)
    assert isinstance(both, trimesh.Trimesh)
    return both, np.repeat([1, 2], [len(bar.faces) for bar in bars])


def test_of_levers_that_spread_what_a_hand_spans_is_held() -> None:
    obj = model_of(*levers(np.deg2rad(70)), 600)
    held = in_reach(obj, obj.part_mask((1, 2)), (1, 2))
    kept, left = obj.samples.points[held], obj.samples.points[~held]
    assert kept[:, 0].max() < left[:, 0].min() + 0.01  # where they are near each other
    assert 0.06 < np.ptp(kept[:, 2]) < 0.1
    assert abs(kept[:, 2].mean()) < 0.01  # both of them


@pytest.mark.parametrize(("spread", "gap"), [(10.0, 0.02), (70.0, 0.0), (0.0, 0.1)])
def test_levers_in_reach_that_touch_or_are_far_apart_stay_whole(spread: float, gap: float) -> None:
    obj = model_of(*levers(np.deg2rad(spread), gap), 600)
    assert in_reach(obj, obj.part_mask((1, 2)), (1, 2)).all()


def test_pliers_in_two_halves_are_gripped_where_they_are_narrow() -> None:
    halves = thing(
        (0.186, 0.015, 0.062),
        X,
        (0.184, 0.062, 0.013),
        part(1, (0.0, 0.0, -0.016), X, (0.186, 0.03, 0.015), 0.013, 0.51),
        part(2, (0.0, 0.0, 0.016), X, (0.186, 0.026, 0.012), 0.013, 0.49),
    )
    q = asked.grasp_question(halves, "grip the wire", 1, "pliers")
    facts = q.observations
    assert isinstance(facts, GraspTypeObservations)
    facts = facts.model_copy(update={"hand_parts": (1, 2), "region_extents": (0.184, 0.062, 0.013)})
    q = asked.question("grasp_type", facts, asked.GRASPS)
    assert asyncio.run(RulesReasoner().ask(q)).value.grasp_type == "handle-grasp"
