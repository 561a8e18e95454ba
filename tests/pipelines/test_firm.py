from __future__ import annotations

import numpy as np

from pipelines.firm import DEEP_CM, Firm, firm_rank, firm_shortlist, make_firm
from tests.sim_eval.helpers import as_object, box
from tests.sim_eval.simulation import human16, wrapped
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.result import RefinedGrasps


def batch(pose: np.ndarray, joints: np.ndarray, score: list[float], status: list[str]) -> RefinedGrasps:
    zeros = np.zeros(len(pose))
    energy = dict.fromkeys(TERMS, zeros)
    return RefinedGrasps(
        hand_pose=pose, joints=joints, init_pose=pose, init_joints=joints, energy=energy, energy_total=zeros,
        init_energy=energy, init_energy_total=zeros, drift=zeros, score=np.array(score),
        status=tuple(status), status_reason=("",) * len(pose),
    )  # fmt: skip


def firm(score: list[float], status: list[str], success: list[bool], held: list[int]) -> Firm:
    k, hand = len(score), human16()
    pose = np.tile([0, 0, 0, 1.0, 0, 0, 0], (k, 1))
    joints = np.zeros((k, len(hand.active_names)))
    nan = np.full_like(joints, np.nan)
    return Firm(batch(pose, joints, score, status), nan, nan, np.array(success), np.array(held))


def test_what_holds_comes_first_by_score_then_what_nearly_holds_and_no_failure_is_taken() -> None:
    found = firm(
        [3.0, 1.0, 2.0, 0.5, 0.1],
        ["ok", "ok", "ok", "ok", "refine_nan"],
        [True, True, False, False, False],
        [6, 6, 5, 0, 0],
    )
    assert firm_shortlist(found, 9).tolist() == [1, 0, 2, 3]
    assert firm_shortlist(found, 2).tolist() == [1, 0]


def test_deep_grasps_come_after_shallow_ones_that_hold_as_well() -> None:
    found = firm([1.0, 2.0, 0.0], ["ok"] * 3, [True, True, False], [6, 6, 3])
    chosen = np.array([0, 1, 2])
    assert firm_rank(found, chosen, np.array([2 * DEEP_CM, 0.0, 0.0])).tolist() == [1, 0, 2]
    assert firm_rank(found, chosen, np.array([0.0, 0.0, 0.0])).tolist() == [0, 1, 2]
    assert firm_rank(found, chosen, np.array([np.nan, 0.0, 0.0])).tolist() == [1, 0, 2]


def test_closing_makes_a_power_grasp_firm_and_leaves_a_far_one_as_it_was() -> None:
    hand = human16()
    obj = as_object(box((0.03, 0.03, 0.2)))
    pose, joints = wrapped(hand, ("rod", "rod"))
    pose[1, 1] += 0.5
    found = make_firm(hand, obj, batch(pose, joints, [1.0, 2.0], ["ok", "ok"]), threads=1)
    assert found.success.tolist() == [True, False]
    assert found.forces_held.tolist() == [6, 0]
    np.testing.assert_array_equal(found.refined.hand_pose[1], pose[1])
    assert np.isnan(found.squeeze[1]).all()
    assert np.isfinite(found.squeeze[0]).all()
    assert np.isfinite(found.pregrasp[0]).all()
