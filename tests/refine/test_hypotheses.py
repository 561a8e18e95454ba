"""Neighbours of the reasoned grasp, and starts that have the prior of their own type."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.refine.things import SHORT, STARTS, grasp_all_of, grasp_on, shape
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.objects.model import EXPANSION, expanded
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.config import MOST_HYPOTHESES
from zdg_jax.refine.hypotheses import LAID, NEIGHBOURS, PINCH, REASONED, hypotheses
from zdg_jax.refine.lying import laid
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.samples import BATCHES, SAMPLES
from zdg_jax.refine.starts import jittered


def test_one_hypothesis_is_the_papers() -> None:
    hand, obj = load_hand("human16"), shape("rod")
    grasp = grasp_on(obj)
    (only,) = hypotheses(hand, obj, grasp, 1, 64)
    assert (only.name, only.num) == (REASONED.name, 64)
    assert only.initial is grasp.initial


@pytest.mark.parametrize("count", range(2, MOST_HYPOTHESES + 1))
def test_starts_are_shared_and_the_reasoned_grasp_has_most(count: int) -> None:
    found = hypotheses(load_hand("human16"), shape("pole"), grasp_on(shape("pole")), count, 64)
    assert len(found) == count
    assert sum(h.num for h in found) == 64
    assert found[0].name == REASONED.name
    assert all(h.num >= 2 for h in found)
    assert found[0].num >= max(h.num for h in found[1:])


def test_few_starts_have_few_hypotheses() -> None:
    hand, obj = load_hand("human16"), shape("pole")
    assert len(hypotheses(hand, obj, grasp_on(obj), 8, 1)) == 1
    assert [h.num for h in hypotheses(hand, obj, grasp_on(obj), 8, 6)] == [2, 2, 2]


def test_neighbours_turn_by_their_angle_and_start_on_the_hull() -> None:
    hand, obj = load_hand("human16"), shape("box")
    grasp = grasp_on(obj)
    assert grasp.initial is not None
    planes = expanded(obj.hull, EXPANSION)
    by_name = {n.name: n for n in NEIGHBOURS}
    for h in hypotheses(hand, obj, grasp, MOST_HYPOTHESES, 64)[1:]:
        n = by_name[h.name]
        turn = Rotation.from_matrix(grasp.initial.R_obj_palm.T @ h.initial.R_obj_palm)
        want = max(abs(x) for x in (n.turn, n.tilt, n.swing))
        assert np.rad2deg(turn.magnitude()) == pytest.approx(want, abs=1e-9)
        assert h.initial.grasp_type == (PINCH if n.other_type else "handle-grasp")
        if n.tilt or n.swing:
            off = planes[:, :3] @ h.initial.p_obj_palm + planes[:, 3]
            assert off.max() == pytest.approx(0.0, abs=1e-9)
        else:
            np.testing.assert_array_equal(h.initial.p_obj_palm, grasp.initial.p_obj_palm)


@pytest.mark.slow
def test_hypotheses_are_refined_as_each_would_be_alone() -> None:
    """Every start has the prior of its own type, whatever shares its task."""
    hand, obj = load_hand("human16"), shape("pole")
    grasp, config = grasp_on(obj), replace(SHORT, hypotheses=3)
    (found,) = refine_many(hand, [Task(obj, grasp, 2 * STARTS)], config=config)
    assert Counter(found["hypothesis"]) == {REASONED.name: 4, "tilted 45": 2, "other type": 2}
    for place, h in enumerate(hypotheses(hand, obj, grasp, 3, 2 * STARTS)):
        rows = found["hypothesis"] == h.name
        assert set(found["grasp_type"][rows]) == {h.initial.grasp_type}
        starts = jittered(hand, h.initial, h.num, place, config)
        # as often as it takes to have one compiled shape for all
        starts = tuple(np.tile(x, (2 * STARTS // h.num, 1)) for x in starts)
        own = replace(grasp, initial=h.initial)
        (many,) = refine_many(hand, [Task(obj, own, starts=starts)], config=SHORT)
        alone = many.take(np.arange(h.num))
        np.testing.assert_array_equal(found["init_pose"][rows], alone["init_pose"])
        for term in ("cmap", "cont_unf", "pen"):
            np.testing.assert_allclose(
                found[f"init_energy.{term}"][rows], alone[f"init_energy.{term}"], rtol=1e-5, atol=1e-6
            )
        np.testing.assert_allclose(found["pose_deviation"][rows], alone["pose_deviation"], atol=1e-3)


@pytest.mark.parametrize("count", [0, MOST_HYPOTHESES + 1])
def test_a_number_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(UserError, match="hypotheses"):
        RefineConfig(hypotheses=count)


@pytest.mark.parametrize("kind", ["tripod", "index-extension"])
def test_a_long_thing_lies_in_the_hand_as_its_type_says(kind: str) -> None:
    hand, obj = load_hand("human16"), shape("pole")
    grasp = grasp_all_of(obj)
    assert grasp.initial is not None
    assert grasp.guidance is not None
    tripod = replace(grasp, initial=replace(grasp.initial, grasp_type=kind))
    bar = hand.grasp_types[kind].bar
    assert bar is not None
    lying = laid(hand, obj, tripod)
    assert lying is not None
    assert lying.joints is None
    found = lying.initial
    held = obj.samples.points[grasp.guidance.hand_mask]
    axis = np.linalg.svd(held - held.mean(axis=0), full_matrices=False)[2][0]
    tail = found.R_obj_palm @ bar.tail
    assert abs(axis @ tail) == pytest.approx(1.0, abs=1e-9)
    off = found.R_obj_palm @ bar.point + found.p_obj_palm - held.mean(axis=0)
    assert np.linalg.norm(np.cross(off, axis)) < 1e-9  # on the axis
    assert off @ tail < 0  # towards the working end, where the reasoned hand has its thumb
    assert tail @ grasp.initial.R_obj_palm[:, 1] > -1e-9
    named = {h.name: h.num for h in hypotheses(hand, obj, tripod, 8, 64)}
    assert sum(named.values()) == 64
    assert named[LAID.name] == 2 * min(named.values())
    assert laid(hand, obj, grasp) is None  # in a handle-grasp only what is thin
    block = grasp_on(shape("box"))
    assert block.initial is not None
    assert (
        laid(hand, shape("box"), replace(block, initial=replace(block.initial, grasp_type="tripod"))) is None
    )


def test_a_flat_thing_lies_between_thumb_and_index_and_its_narrow_end_stands_out() -> None:
    hand, sheet = load_hand("human16"), shape("plate")
    slab = hand.grasp_types["lateral"].slab
    assert slab is not None
    given = grasp_on(sheet)
    assert given.guidance is not None
    assert given.initial is not None
    points = sheet.samples.points
    # a key along z: broad behind, narrow in front, of which more is there
    for end in (1.0, -1.0):
        key = (np.abs(points[:, 0]) < 0.02) & (end * points[:, 2] < 0)
        key |= (np.abs(points[:, 0]) < 0.006) & (end * points[:, 2] < 0.06)
        grasp = replace(
            given,
            guidance=replace(given.guidance, hand_mask=key, func_mask=key),
            initial=replace(given.initial, grasp_type="lateral"),
        )
        lying = laid(hand, sheet, grasp)
        assert lying is not None
        found = lying.initial
        R = np.asarray(found.R_obj_palm)
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
        assert abs((R @ slab.normal)[1]) > 0.99
        assert end * (R @ slab.out)[2] > 0.95
        at = R @ slab.point + found.p_obj_palm
        assert np.abs(at[:2]).max() < 0.004
        back = (end * points[key, 2]).min()
        assert end * at[2] - back == pytest.approx(0.012, abs=0.004)
    block = grasp_on(shape("box"))
    assert block.initial is not None
    assert (
        laid(hand, shape("box"), replace(block, initial=replace(block.initial, grasp_type="lateral"))) is None
    )


def test_what_hangs_hangs_by_the_top_of_its_handle() -> None:
    hand, rod = load_hand("human16"), shape("rod")
    bar = hand.grasp_types["hook"].bar
    assert bar is not None
    given = grasp_on(rod)
    assert given.guidance is not None
    assert given.initial is not None
    grasp = replace(given, initial=replace(given.initial, grasp_type="hook"))
    lying = laid(hand, rod, grasp)
    assert lying is not None
    found = lying.initial
    R = np.asarray(found.R_obj_palm)
    assert np.trace(R.T @ np.asarray(given.initial.R_obj_palm)) > 2.9  # not turned about
    assert abs((R @ bar.tail)[2]) > 0.98
    top = rod.samples.points[given.guidance.hand_mask][:, 1].max()
    at = R @ bar.point + found.p_obj_palm
    assert abs(at[0]) < 0.004
    assert at[1] == pytest.approx(top - 0.015, abs=0.004)


def test_points_to_keep_free_are_samples_of_more_than_one_hypothesis_alone() -> None:
    hand, obj = load_hand("human16"), shape("rod")
    grasp = grasp_on(obj)
    assert grasp.guidance is not None
    center = obj.samples.points[grasp.guidance.hand_mask].mean(axis=0)
    free = center + np.array([[0.05, 0.0, 0.0], [0.0, 0.05, 0.0]])
    grasp = replace(grasp, guidance=replace(grasp.guidance, free_points=free))
    want = {tuple(p) for p in (free @ obj.field.R_field_obj.T).round(9)}
    for count, there in ((1, False), (2, True)):
        problem = build_problem(hand, obj, grasp, RefineConfig(hypotheses=count))
        rows = problem.object_samples.transpose(0, 2, 1).reshape(BATCHES * SAMPLES, 3)
        assert ({tuple(p) for p in rows.round(9)} & want == want) is there


def test_idle_fingers_start_as_the_type_curls_them() -> None:
    hand, given = load_hand("human16"), grasp_on(shape("box")).initial
    assert given is not None
    for kind, idle in (("tripod", ("ring", "little")), ("pinch", ("middle", "ring", "little")), ("lift", ())):
        joints = jittered(hand, replace(given, grasp_type=kind), 16, 0, RefineConfig())[1]
        still = np.ptp(joints, axis=0) == 0.0
        assert still.tolist() == [bool(idle) and name.startswith(idle) for name in hand.active_names]
        assert (joints[:, still] == hand.grasp_types[kind].joints[still]).all()
