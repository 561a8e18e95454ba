"""Which side of a grip a right hand is on, and how high it holds a vessel."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import reasoned
from zdg_jax.objects import load_object
from zdg_jax.refine.aims import aims_of


@pytest.mark.parametrize("number", range(4))
def test_the_fingers_of_who_holds_a_drill_point_ahead(number: int) -> None:
    _, grasp = reasoned(f"zoo:drill/{number}", "drill a hole")
    assert grasp.initial is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[0, 0] > 0.5  # D_finger, towards the bit at +x
    assert R[1, 1] < -0.8  # the thumb's side is up


def _held(name: str, task: str) -> tuple[np.ndarray, np.ndarray]:
    thing, grasp = reasoned(name, task)
    assert grasp.guidance is not None
    return thing.samples.points, grasp.guidance.hand_mask


@pytest.mark.parametrize(
    ("name", "task"),
    [("zoo:cup/1", "drink the coffee"), ("zoo:cup/3", "drink it"), ("zoo:mug/0", "hand me the mug")],
)
def test_a_vessel_is_wrapped_below_its_brim_and_not_from_below(name: str, task: str) -> None:
    points, mask = _held(name, task)
    low, high = points[:, 1].min(), points[:, 1].max()
    assert points[mask, 1].max() < high - 0.018
    assert np.quantile(points[mask, 1], 0.1) > low + 0.05 * (high - low)
    assert np.ptp(points[mask][:, 2]) > 0.06  # all around


def test_a_low_bowl_keeps_its_rim() -> None:
    points, mask = _held("zoo:bowl/1", "carry the bowl to the table")
    assert points[mask, 1].max() > points[:, 1].max() - 0.004


@pytest.mark.parametrize(
    ("name", "task"), [("zoo:bottle/3", "drink"), ("ycb:006_mustard_bottle", "squeeze it")]
)
def test_a_bottle_is_wrapped_below_its_shoulder(name: str, task: str) -> None:
    points, mask = _held(name, task)
    low, high = points[:, 1].min(), points[:, 1].max()
    assert points[mask, 1].max() < low + 0.75 * (high - low)
    assert points[mask, 1].min() > low  # not what it stands on
    assert np.median(points[mask, 1]) > low + 0.25 * (high - low)


def test_a_long_grip_is_held_at_its_barrel() -> None:
    points, mask = _held("zoo:drill/0", "drill a hole")
    grip = load_object("zoo:drill/0").part_mask((3,))
    assert mask.sum() < grip.sum()
    assert points[mask, 1].max() > points[grip, 1].max() - 1e-6  # its upper end
    assert np.ptp(points[mask, 1]) < 0.1


@pytest.mark.parametrize("number", [0, 3])
def test_a_bow_does_not_turn_the_hand_on_a_grip(number: int) -> None:
    _, grasp = reasoned(f"zoo:glue_gun/{number}", "glue the wood")
    assert grasp.initial is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[2, 1] > 0.9  # the thumb's side is at the body, which is at -z; along the grip, not across


def test_a_power_drill_is_held_from_the_right_hands_side() -> None:
    _, grasp = reasoned("ycb:035_power_drill", "drill a hole")
    assert grasp.initial is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[0, 0] < -0.5  # the fingers go on towards the bit, at -x
    assert R[0, 2] < -0.5  # and the palm is behind the grip, as much as beside it
    assert R[1, 2] > 0.5


@pytest.mark.parametrize("number", range(2))
def test_a_gamepads_right_grip_is_held_from_the_player(number: int) -> None:
    _, grasp = reasoned(f"zoo:game_controller/{number}", "play a game")
    assert grasp.initial is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[2, 0] < -0.8  # fingers ahead, where the player looks
    assert R[1, 1] < -0.8  # the thumb's side up


def test_soap_is_held_by_its_bottle() -> None:
    points, mask = _held("zoo:soap_dispenser/0", "use the soap")
    assert points[mask, 1].max() < 0.75 * points[:, 1].max()


def test_a_wide_low_box_is_taken_from_its_side() -> None:
    _, grasp = reasoned("zoo:box/0", "carry the box")
    assert grasp.initial is not None
    assert abs(np.asarray(grasp.initial.R_obj_palm)[1, 2]) < 0.5
    _, grasp = reasoned("zoo:box/3", "carry the box")
    assert grasp.initial is not None
    assert np.asarray(grasp.initial.R_obj_palm)[1, 2] < -0.9


@pytest.mark.parametrize("number", [0, 3])
def test_the_thumbs_ring_of_scissors_is_on_its_side(number: int) -> None:
    thing, grasp = reasoned(f"zoo:scissors/{number}", "cut the paper")
    assert grasp.initial is not None
    assert grasp.guidance is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    aims = aims_of(thing, grasp.guidance, grasp.initial.grasp_type)
    assert aims.thumb is not None
    assert aims.fingers is not None
    assert (aims.thumb.center - aims.fingers.center) @ -R[:, 1] > 0.05


def test_headphones_are_put_on_by_an_ear_cup() -> None:
    thing, grasp = reasoned("zoo:headphones/0", "put on the headphones")
    assert grasp.initial is not None
    assert grasp.guidance is not None
    out = thing.samples.points[grasp.guidance.hand_mask].mean(axis=0)[0]  # its cups are at both ends of x
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[0, 2] * np.sign(out) < -0.7  # the palm is outside of it and looks at the other one
    assert R[1, 0] > 0.5
