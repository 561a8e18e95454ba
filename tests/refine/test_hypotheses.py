"""Neighbours of the reasoned grasp, and starts that have the prior of their own type."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.refine.things import SHORT, STARTS, grasp_on, shape
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.objects.hull import EXPANSION, expanded_hull
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.config import MOST_HYPOTHESES
from zdg_jax.refine.hypotheses import NEIGHBOURS, PINCH, REASONED, hypotheses
from zdg_jax.refine.problem import jittered


def test_one_hypothesis_is_the_papers() -> None:
    hand, obj = load_hand("human16"), shape("rod")
    grasp = grasp_on(obj)
    (only,) = hypotheses(hand, obj, grasp, 1, 64)
    assert (only.name, only.num) == (REASONED.name, 64)
    assert only.initial is grasp.initial


@pytest.mark.parametrize("count", range(2, MOST_HYPOTHESES + 1))
def test_starts_are_shared_and_the_reasoned_grasp_has_most(count: int) -> None:
    found = hypotheses(load_hand("human16"), shape("rod"), grasp_on(shape("rod")), count, 64)
    assert len(found) == count
    assert sum(h.num for h in found) == 64
    assert found[0].name == REASONED.name
    assert all(h.num >= 2 for h in found)
    assert found[0].num >= max(h.num for h in found[1:])


def test_few_starts_have_few_hypotheses() -> None:
    hand, obj = load_hand("human16"), shape("rod")
    assert len(hypotheses(hand, obj, grasp_on(obj), 8, 1)) == 1
    assert [h.num for h in hypotheses(hand, obj, grasp_on(obj), 8, 6)] == [2, 2, 2]


def test_neighbours_turn_by_their_angle_and_start_on_the_hull() -> None:
    hand, obj = load_hand("human16"), shape("box")
    grasp = grasp_on(obj)
    assert grasp.initial is not None
    planes = expanded_hull(np.asarray(obj.mesh.vertices), EXPANSION)
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


def test_hypotheses_are_refined_as_each_would_be_alone() -> None:
    """Every start has the prior of its own type, whatever shares its task."""
    hand, obj = load_hand("human16"), shape("rod")
    grasp, config = grasp_on(obj), replace(SHORT, hypotheses=3)
    (found,) = refine_many(hand, [Task(obj, grasp, 2 * STARTS)], config=config)
    assert Counter(found["hypothesis"]) == {REASONED.name: 4, "tilted 45": 2, "other type": 2}
    for place, h in enumerate(hypotheses(hand, obj, grasp, 3, 2 * STARTS)):
        rows = found["hypothesis"] == h.name
        assert set(found["grasp_type"][rows]) == {h.initial.grasp_type}
        starts = jittered(hand, h.initial, h.num, place, config)
        own = replace(grasp, initial=h.initial)
        (alone,) = refine_many(hand, [Task(obj, own, starts=starts)], config=SHORT)
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
