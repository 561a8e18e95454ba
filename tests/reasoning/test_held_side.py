"""Which side of a grip a right hand is on, and how high it holds a vessel."""

from __future__ import annotations

import numpy as np
import pytest

from zdg_jax.api import make_reasoner, reason_task
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel


def _reasoned(name: str, task: str) -> tuple[ObjectModel, ReasonedGrasp]:
    thing = load_object(name)
    return thing, reason_task(thing, load_hand("human16"), task, make_reasoner("offline")).grasp


@pytest.mark.parametrize("number", range(4))
def test_the_fingers_of_who_holds_a_drill_point_ahead(number: int) -> None:
    _, grasp = _reasoned(f"zoo:drill/{number}", "drill a hole")
    assert grasp.initial is not None
    R = np.asarray(grasp.initial.R_obj_palm)
    assert R[0, 0] > 0.5  # D_finger, towards the bit at +x
    assert R[1, 1] < -0.8  # the thumb's side is up


def _held(name: str, task: str) -> tuple[np.ndarray, np.ndarray]:
    thing, grasp = _reasoned(name, task)
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
