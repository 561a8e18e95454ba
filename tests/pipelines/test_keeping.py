from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import trimesh

from pipelines.keeping import CLOSING, MEASURED, SELECT, check_select, keep_best
from tests.sim_eval.helpers import as_object, box, with_field
from tests.sim_eval.select.things import held
from tests.sim_eval.simulation import human16, wrapped
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp
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


REASONED = ReasonedGrasp("lift it", "ok", "", None, None, ())


def of_gravity() -> tuple[np.ndarray, np.ndarray, trimesh.Trimesh]:
    """Hands that lie on a bar and in it a little: a fixed hand carries it, pads that press do not."""
    return *wrapped(human16(), ("rod", "rod", "rod")), box((0.03, 0.03, 0.2))


def of_six_force() -> tuple[np.ndarray, np.ndarray, trimesh.Trimesh]:
    """Fingers around a rod, 0.1 mm from it: held once they press."""
    return *held("rod", 3)[1:], trimesh.creation.cylinder(radius=0.018, height=0.2, sections=24)


@pytest.mark.parametrize(
    ("select", "given", "verdict"),
    [("gravity", of_gravity, "sim_suc"), ("six_force", of_six_force, "six_force_suc")],
)
def test_every_test_keeps_what_holds_first_and_never_what_failed(
    select: str, given: Callable[[], tuple[np.ndarray, np.ndarray, trimesh.Trimesh]], verdict: str
) -> None:
    hand, (pose, joints, mesh) = human16(), given()
    obj = with_field(as_object(mesh))
    pose[0, 1] += 0.5  # far above: the object falls
    refined = batch(pose, joints, [0.0, 1.0, 0.5], ["ok", "ok", "refine_nan"])
    kept = keep_best(select, hand, obj, REASONED, refined, 3, threads=1)
    assert kept.places.tolist() == [1, 0]
    assert kept.columns["rank"].tolist() == [0, 1]
    assert kept.columns[verdict].tolist() == [True, False]
    assert kept.simulated == 2
    assert {*MEASURED, *CLOSING, "initial_p_dep_cm", "status", "pregrasp_joints"} <= set(kept.columns)
    assert kept.columns["approach_free"].tolist() == [True, True]
    np.testing.assert_array_equal(kept.batch.hand_pose, refined.hand_pose)


@pytest.mark.parametrize("select", SELECT)
def test_a_task_without_a_usable_grasp_keeps_none(select: str) -> None:
    hand, obj = human16(), with_field(as_object(box((0.03, 0.03, 0.2))))
    refined = batch(*wrapped(hand, ("rod",)), [0.0], ["refine_nan"])
    kept = keep_best(select, hand, obj, REASONED, refined, 2, threads=1)
    assert len(kept.places) == 0
    assert not kept.columns


def test_an_unknown_test_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"--select 'drop'.*gravity, six_force"):
        check_select("drop")
