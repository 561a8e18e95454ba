"""Kinds within a kind: what hangs, combs with a handle, lamps, one barrel of two, a dryer's front."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import reasoned
from zdg_jax.guidance import ContactGuidance, InitialGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.hanging import crown_of
from zdg_jax.reasoning.rules.task_plan import Plan, make_plan
from zdg_jax.reasoning.state import observe_object


def _plan(name: str, task: str) -> tuple[ObjectModel, Plan]:
    thing = load_object(name)
    return thing, make_plan(task, None, observe_object(thing), tuple(load_hand("human16").grasp_types))


def _reasoned(name: str, task: str) -> tuple[ObjectModel, ContactGuidance, InitialGrasp]:
    thing, grasp = reasoned(name, task)
    assert grasp.guidance is not None
    assert grasp.initial is not None
    return thing, grasp.guidance, grasp.initial


def _line(*ends: tuple[float, float, float], count: int = 200) -> np.ndarray:
    return np.linspace(*np.array(ends), count)


def _pail() -> tuple[np.ndarray, np.ndarray]:
    """A wall of points and over it a bow, of which one end is more than the other; which are the bow's."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    rings = ((0.02, 0), (0.14, 0), (0.14, 0.1), (0.14, 0.2))
    wall = [np.stack([r * np.cos(angle), 0 * angle + y, r * np.sin(angle)], 1) for r, y in rings]
    span = np.linspace(0.4, 0.8 * np.pi, 300)
    bow = np.stack([0.14 * np.cos(span), 0.2 + 0.14 * np.sin(span), 0 * span], 1)
    return np.concatenate([*wall, bow]), np.arange(1900) >= 1600


def test_a_bow_is_held_at_its_crown() -> None:
    points, mask = _pail()
    taken = points[crown_of(points, mask)]
    assert abs(taken[:, 0].mean()) < 0.005
    assert np.ptp(taken[:, 0]) <= 0.11
    assert points[mask, 1].min() < 0.27 < taken[:, 1].min()


def test_what_is_no_bow_over_a_body_is_held_as_it_is() -> None:
    points, mask = _pail()
    aside = points.copy()
    aside[mask] = aside[mask][:, [1, 0, 2]]  # a handle at the side
    short = _line((-0.05, 0.25, 0), (0.05, 0.25, 0))
    knob = np.concatenate([points[~mask], short])
    band = points[400:], mask[400:]  # with nothing below its middle, as headphones
    for given, held in (
        band,
        (aside, mask),
        (knob, np.arange(len(knob)) >= 1600),
        (points, np.ones(1900, bool)),
    ):
        assert (crown_of(given, held) == held).all()


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("zoo:basket/0", "carry the basket"),
        ("zoo:bucket/0", "carry it"),
        ("zoo:suitcase/2", "carry the suitcase"),
        ("zoo:kettle/0", "carry the kettle"),
    ],
)
def test_what_hangs_from_a_bow_hangs_from_an_arm(name: str, task: str) -> None:
    thing, guidance, initial = _reasoned(name, task)
    assert initial.grasp_type == "handle-grasp"
    assert np.asarray(initial.R_obj_palm)[1, 0] < -0.9  # fingers down, the wrist above
    held = thing.samples.points[guidance.hand_mask]
    highest = held[held[:, 1] > held[:, 1].max() - 0.012]
    assert np.linalg.norm((held.mean(axis=0) - np.median(highest, axis=0))[::2]) < 0.012


@pytest.mark.parametrize("name", ["zoo:iron/0", "ycb:028_skillet_lid"])
def test_what_is_low_is_lifted_from_above(name: str) -> None:
    assert _plan(name, "move it")[1].rule.approach.get("up", 0.0) > 0


def test_tea_is_poured_by_the_bow_of_a_kettle_thumb_towards_the_spout() -> None:
    thing, plan = _plan("zoo:kettle/2", "pour the tea")
    (held,) = plan.holds[0]
    (spout,) = plan.parts_of(plan.rule.toward)
    at = {p.number: p.descriptor.center for p in thing.parts}
    assert at[held][1] > 0.7 * thing.mesh.extents[1]
    assert abs(at[spout][0]) > 0.05
    assert plan.rule.thumb == {"ref": 1}


@pytest.mark.parametrize(("number", "handled"), [(0, False), (1, True), (2, False), (3, True)])
def test_a_comb_is_held_by_its_handle_if_it_has_one(number: int, handled: bool) -> None:
    thing, plan = _plan(f"zoo:comb/{number}", "comb the hair")
    assert ("tang" in plan.roles) == handled
    if handled:
        (held,) = plan.holds[0]
        widths = {p.number: p.descriptor.extents[1] for p in thing.parts}
        assert widths[held] == min(widths.values())
        assert plan.rule.fingers["spine"] < 0  # towards the teeth


@pytest.mark.parametrize(
    ("number", "grasp"), [(0, "handle-grasp"), (1, "wrap-grasp"), (2, "handle-grasp"), (3, "wrap-grasp")]
)
def test_a_lamp_is_held_below_its_shade(number: int, grasp: str) -> None:
    thing, plan = _plan(f"zoo:lamp/{number}", "move the lamp")
    points = thing.samples.points
    held = points[thing.part_mask(plan.holds[0])]
    assert np.median(held[:, 1]) < 0.5 * points[:, 1].max()
    assert np.hypot(*held[:, ::2].mean(axis=0)) < 0.01  # in its middle
    assert plan.rule.grasp == grasp
    assert set(plan.parts_of(plan.rule.free)).isdisjoint(plan.holds[0])


@pytest.mark.parametrize("number", [0, 3])
def test_binoculars_are_held_by_the_right_barrel_from_its_outer_side(number: int) -> None:
    thing, guidance, initial = _reasoned(f"zoo:binoculars/{number}", "look at the birds")
    R = np.asarray(initial.R_obj_palm)
    assert thing.samples.points[guidance.hand_mask, 0].max() < 0  # who looks along +z has his right at -x
    assert np.asarray(initial.p_obj_palm)[0] < -0.05
    assert R[0, 2] > 0.9
    assert R[1, 0] > 0.9


@pytest.mark.parametrize("number", range(4))
def test_a_hair_dryers_nozzle_is_away_from_the_wrist(number: int) -> None:
    _, _, initial = _reasoned(f"zoo:hair_dryer/{number}", "dry the hair")
    R = np.asarray(initial.R_obj_palm)
    assert R[0, 2] > 0.6  # the palm looks towards the nozzle, at +x
    assert R[2, 1] > 0.8  # the thumb's side is towards the body
    assert initial.grasp_type == "handle-grasp"
