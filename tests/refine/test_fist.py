"""A thin bar is wrapped: the palm on it, fingers round it, nothing inside it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tests.refine.things import grasp_all_of, grasp_on, model_of, shape
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import base_from_palm, posed
from zdg_jax.refine.fist import GRIP, HeldBar, alone, closed_around, piece_of, section_of, spreads
from zdg_jax.refine.hypotheses import AIMED, LAID, REASONED, hypotheses
from zdg_jax.refine.lying import _middle, laid

R_TURN = Rotation.from_rotvec([0.4, -0.9, 0.3]).as_matrix()


@lru_cache(maxsize=8)
def bar(radius: float, turned: bool = False):
    """A rod along z, or along another way."""
    mesh = trimesh.creation.cylinder(radius=radius, height=0.2, sections=48)
    if turned:
        mesh.apply_transform(np.block([[R_TURN, np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]))
    return model_of(mesh, "bar")


def around(radius: float, kind: str, turned: bool = False):
    """(hand, object, how the bar lies in the hand at first, the same closed)."""
    hand, obj = load_hand("human16"), bar(radius, turned)
    grasp = grasp_on(obj)
    R = R_TURN if turned else np.eye(3)
    straight = grasp_on(bar(radius)).initial
    assert straight is not None
    initial = replace(
        straight, grasp_type=kind, p_obj_palm=R @ straight.p_obj_palm, R_obj_palm=R @ straight.R_obj_palm
    )
    assert grasp.guidance is not None
    held = np.abs((obj.samples.points @ R)[:, 2]) < 0.05
    guidance = replace(grasp.guidance, hand_mask=held)
    lying = laid(hand, obj, replace(grasp, initial=initial, guidance=guidance))
    assert lying is not None
    assert lying.joints is not None
    return hand, obj, lying


@pytest.mark.parametrize("radius", [0.005, 0.008, 0.012, 0.014])
@pytest.mark.parametrize("kind", ["handle-grasp", "index-extension"])
def test_fingers_are_round_the_bar_and_the_palm_on_it(kind: str, radius: float) -> None:
    hand, _, lying = around(radius, kind)
    pose = base_from_palm(hand, np.asarray(lying.initial.p_obj_palm), np.asarray(lying.initial.R_obj_palm))
    skin = posed(hand, pose, lying.joints, "skin")
    gap = np.linalg.norm(skin[:, :2], axis=1) - radius
    gap[np.abs(skin[:, 2]) > 0.1] = np.inf  # beyond the ends
    assert gap.min() > -0.004
    assert gap[hand.skin_finger < 0].min() < 0.011
    forward = np.asarray(lying.initial.R_obj_palm)[:2, 0]
    for k, name in enumerate(hand.pad_names):
        if k == hand.thumb or name in hand.grasp_types[kind].straight:
            continue
        assert gap[hand.skin_finger == hand.finger_names.index(name)].min() < 0.004
        pad = posed(hand, pose, lying.joints, "pad")[k, :2]
        assert pad @ forward < 0.0  # over the far side and back, as far as its length and limits let it
    assert (lying.joints >= hand.lower - 1e-6).all()
    assert (lying.joints <= hand.upper + 1e-6).all()
    own = hand.grasp_types[kind].joints
    bends = [k for k, name in enumerate(hand.active_names) if name.startswith(("middle_", "ring_"))]
    bends = [k for k in bends if not spreads(hand)[k]]
    assert (lying.joints[bends] > own[bends]).all()


def test_the_hand_turns_with_the_bar() -> None:
    _, _, one = around(0.008, "handle-grasp")
    _, _, other = around(0.008, "handle-grasp", turned=True)
    np.testing.assert_allclose(other.initial.p_obj_palm, R_TURN @ one.initial.p_obj_palm, atol=3e-3)
    turn = Rotation.from_matrix(other.initial.R_obj_palm @ (R_TURN @ one.initial.R_obj_palm).T).magnitude()
    assert np.rad2deg(turn) < 6.0
    assert np.rad2deg(np.abs(other.joints - one.joints)).max() < 12.0


def test_what_is_thick_is_left_to_the_types_own_curl() -> None:
    hand = load_hand("human16")
    thick = bar(0.5 * GRIP + 0.0007)
    grasp = grasp_all_of(thick)
    assert grasp.initial is not None
    assert laid(hand, thick, grasp) is None  # only what is thin lies wrapped in a handle-grasp
    along = laid(hand, thick, replace(grasp, initial=replace(grasp.initial, grasp_type="index-extension")))
    assert along is not None
    assert along.joints is None


def test_starts_of_a_thin_bar_are_those_of_its_hypothesis() -> None:
    hand, thin = load_hand("human16"), bar(0.008)
    found = hypotheses(hand, thin, grasp_on(thin), 8, 64)
    named = {h.name: h for h in found}
    assert sum(h.num for h in found) == 64
    assert AIMED.name not in named
    assert named[LAID.name].joints is not None
    assert named[LAID.name].num == 2 * min(h.num for h in found)
    assert found[0].name == REASONED.name
    assert found[0].num >= named[LAID.name].num
    thread = bar(0.003)  # hardly held in a fist: most starts are others
    few = {h.name: h.num for h in hypotheses(hand, thread, grasp_on(thread), 8, 64)}
    assert few[LAID.name] == min(few.values())


def test_a_bent_handle_is_a_bar_only_where_it_is_one() -> None:
    angle = np.linspace(0.0, np.pi, 200)
    ring = np.linspace(0.0, 2 * np.pi, 12, endpoint=False)
    a, b = (x.ravel() for x in np.meshgrid(angle, ring, indexing="ij"))
    reach = 0.06 + 0.006 * np.cos(b)
    bow = np.column_stack([reach * np.cos(a), reach * np.sin(a), 0.006 * np.sin(b)])
    found = piece_of(bow, bow[len(bow) // 2])
    assert found is not None
    assert found.radius == pytest.approx(0.006, abs=1e-3)
    assert abs(found.tip[0]) > 0.99
    assert found.center[1] == pytest.approx(0.058, abs=0.004)
    assert piece_of(shape("plate").samples.points, np.zeros(3)) is None
    # the middle of a bail with legs that leans over and is higher at one shoulder
    legs = [[x, y, 0.0] for x in (-0.066, 0.066) for y in np.linspace(-0.15, 0.0, 40)]
    bail = np.vstack([bow, legs, [[0.05, 0.07, 0.0]]])
    over = Rotation.from_euler("x", 50, degrees=True).as_matrix()
    middle = _middle(bail @ over.T) @ over
    assert abs(middle[0]) < 0.012
    assert middle[1] > 0.05


def test_fingers_that_a_type_stretches_stay_as_they_are() -> None:
    hand, obj = load_hand("human16"), bar(0.008)
    _, _, lying = around(0.008, "index-extension")
    index = [k for k, name in enumerate(hand.active_names) if name.startswith("index_")]
    own = hand.grasp_types["index-extension"].joints
    np.testing.assert_allclose(lying.joints[index], own[index], atol=np.deg2rad(3.0))
    held = HeldBar(np.zeros(3), np.array([0.0, 0.0, 1.0]), 0.008, 0.008)
    start = grasp_on(obj).initial
    assert start is not None
    _, joints = closed_around(hand, obj, start, held, own)
    thumb = [k for k, name in enumerate(hand.active_names) if name.startswith("thumb_")]
    np.testing.assert_allclose(joints[thumb], own[thumb], atol=np.deg2rad(3.0))


def test_what_runs_beside_a_bar_makes_it_none() -> None:
    """Pliers have two handles, and the edge of a plate is no bar."""
    hand, z = load_hand("human16"), np.array([0.0, 0.0, 1.0])
    one, two = (
        trimesh.creation.cylinder(radius=0.005, height=0.2, sections=24).apply_translation([x, 0.0, 0.0])
        for x in (-0.011, 0.011)
    )
    both = model_of(trimesh.util.concatenate([one, two]), "two")
    assert section_of(both.samples.points, np.zeros(3), z) is None
    assert laid(hand, both, grasp_on(both)) is None
    spread = np.vstack([c.vertices for c in (one.copy().apply_translation([-0.01, 0, 0]), two)])
    spread = np.vstack([spread + np.array([0.0, 0.0, dz]) for dz in np.linspace(-0.09, 0.09, 19)])
    assert piece_of(spread, spread[0] + np.array([0.0, 0.0, 0.1])) is None
    alone_ = section_of(bar(0.005).samples.points, np.zeros(3), z)
    assert alone_ is not None
    assert alone_.radius == pytest.approx(0.005, abs=3e-4)
    np.testing.assert_allclose(alone_.center, 0.0, atol=1e-3)
    plate = shape("plate")
    grasp = grasp_on(plate)
    assert grasp.guidance is not None
    edge = plate.samples.points[:, 0] > 0.06
    held = HeldBar(plate.samples.points[edge].mean(axis=0), z, 0.004, 0.004)
    assert not alone(plate, edge, held)
    assert alone(bar(0.005), np.ones(len(bar(0.005).samples.points), bool), alone_)
    on_edge = replace(grasp, guidance=replace(grasp.guidance, hand_mask=edge, func_mask=edge))
    assert laid(hand, plate, on_edge) is None
