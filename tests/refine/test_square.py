"""A box is held with the palm on one of its faces, thumb and fingers on two that face each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tests.refine.things import R_DOWN, grasp_on, model_of, shape
from zdg_jax.hands import load_hand
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.hypotheses import AROUND, SQUARE, hypotheses
from zdg_jax.refine.square import FURTHEST, WIDEST, Box, box_of, squared

TURNED = Rotation.from_euler("ZYX", [25.0, -15.0, 20.0], degrees=True)


def _whole(obj: ObjectModel) -> np.ndarray:
    return np.ones(len(obj.samples.points), bool)


def _box(obj: ObjectModel) -> Box:
    found = box_of(obj, _whole(obj))
    assert found is not None
    return found


def test_the_palm_comes_to_a_face_and_the_hand_reaches_across() -> None:
    obj = shape("box")  # 4 x 6 x 18 cm along x, y, z
    found = squared(_box(obj), TURNED.as_matrix() @ R_DOWN, True)
    assert found is not None
    # no face is further from the palm's axes than the scan's samples blur it
    np.testing.assert_allclose(np.abs(found), np.abs(R_DOWN), atol=0.02)
    assert Rotation.from_matrix(found @ R_DOWN.T).magnitude() < 0.05
    assert _box(obj).across(found) <= WIDEST


def test_it_turns_with_the_object() -> None:
    obj, turn = shape("box"), Rotation.from_rotvec([0.3, 1.1, -0.5])
    moved = trimesh.creation.box((0.04, 0.06, 0.18))
    moved.apply_transform(np.block([[turn.as_matrix(), np.zeros((3, 1))], [np.zeros((1, 3)), 1.0]]))
    R = TURNED.as_matrix() @ R_DOWN
    here = squared(_box(obj), R, True)
    other = model_of(moved, "moved")
    there = squared(_box(other), turn.as_matrix() @ R, True)
    assert here is not None
    assert there is not None
    off = Rotation.from_matrix(there.T @ turn.as_matrix() @ here).magnitude()
    assert np.rad2deg(off) < 2.0


def test_a_hand_that_would_span_the_length_is_turned_the_other_way() -> None:
    obj = shape("box")
    along = np.column_stack([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # D_finger along 18 cm
    halfway = Rotation.from_euler("Y", 43.0, degrees=True).as_matrix() @ along
    found = squared(_box(obj), halfway, True)
    assert found is None or _box(obj).across(found) <= WIDEST


@pytest.mark.parametrize("thing", ["square already", "round", "too wide"])
def test_others_are_left_as_they_are(thing: str) -> None:
    askew = TURNED.as_matrix() @ R_DOWN
    if thing == "square already":
        obj = shape("box")
        assert squared(_box(obj), R_DOWN, True) is None
    elif thing == "round":
        obj = model_of(trimesh.creation.icosphere(radius=0.04), "ball")
        assert box_of(obj, _whole(obj)) is None
    else:
        obj = model_of(trimesh.creation.box((0.15, 0.16, 0.2)), "crate")
        assert squared(_box(obj), askew, True) is None


def test_one_face_is_no_box_and_none_is_asked_of_nothing() -> None:
    obj = shape("box")
    face = obj.samples.normals[:, 1] > 0.9
    assert face.sum() > 10
    assert box_of(obj, face) is None
    assert box_of(obj, np.zeros(len(face), bool)) is None


@pytest.mark.parametrize("any_side", [True, False])
def test_the_side_is_the_tasks_unless_it_may_be_any(any_side: bool) -> None:
    obj = shape("box")
    rolled = R_DOWN @ Rotation.from_euler("Z", 30.0, degrees=True).as_matrix()  # about D_palm
    tilted = R_DOWN @ Rotation.from_euler("X", 30.0, degrees=True).as_matrix()
    assert squared(_box(obj), rolled, any_side) is not None
    assert (squared(_box(obj), tilted, any_side) is not None) == any_side


def test_neighbours_start_from_the_square_hand_and_reach_across_the_box() -> None:
    obj, hand = shape("box"), load_hand("human16")
    grasp = grasp_on(obj)
    assert grasp.initial is not None
    assert grasp.guidance is not None
    initial = replace(grasp.initial, R_obj_palm=TURNED.as_matrix() @ R_DOWN, grasp_type="wrap-grasp")
    guidance = replace(grasp.guidance, hand_mask=_whole(obj), any_side=True, p_obj_points=None)
    found = hypotheses(hand, obj, replace(grasp, initial=initial, guidance=guidance), 8, 64)
    assert sum(h.num for h in found) == 64
    assert found[0].initial is initial  # what was reasoned keeps its starts
    square = next(h for h in found if h.name == SQUARE.name)
    other = {n.name for n in AROUND if n.other_type}
    rest = [h for h in found[1:] if h.name not in other]
    assert len(rest) > 1
    assert all(_box(obj).across(np.asarray(h.initial.R_obj_palm)) <= FURTHEST for h in rest)
    by_name = {n.name: n for n in AROUND}
    for h in rest:
        if h.name in by_name:
            want = square.initial.R_obj_palm @ by_name[h.name].rotation
            np.testing.assert_allclose(h.initial.R_obj_palm, want, atol=1e-9)
