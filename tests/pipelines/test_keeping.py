from __future__ import annotations

import numpy as np
import pytest

from pipelines.keeping import MEASURED, SELECT, check_select, keep_best
from tests.pipelines.test_firm import batch
from tests.sim_eval.helpers import as_object, box
from tests.sim_eval.simulation import human16, wrapped
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp

REASONED = ReasonedGrasp("lift it", "ok", "", None, None, ())


@pytest.mark.parametrize("select", SELECT)
def test_every_test_keeps_what_holds_first_and_never_what_failed(select: str) -> None:
    hand, obj = human16(), as_object(box((0.03, 0.03, 0.2)))
    pose, joints = wrapped(hand, ("rod", "rod", "rod"))
    pose[0, 1] += 0.5  # far above: the object falls
    refined = batch(pose, joints, [0.0, 1.0, 0.5], ["ok", "ok", "refine_nan"])
    kept = keep_best(select, hand, obj, REASONED, refined, 3, threads=1)
    assert kept.places.tolist() == [1, 0]
    assert kept.columns["rank"].tolist() == [0, 1]
    assert kept.columns["sim_suc"].tolist() == [True, False]
    assert kept.simulated == 2
    assert {*MEASURED, "initial_p_dep_cm", "status"} <= set(kept.columns)
    assert (kept.closing is not None) == (select == "six_force")
    if kept.closing is not None:
        assert kept.columns["six_force_suc"].tolist() == [True, False]
        assert np.isfinite(kept.closing[1][1]).all()


@pytest.mark.parametrize("select", SELECT)
def test_a_task_without_a_usable_grasp_keeps_none(select: str) -> None:
    hand, obj = human16(), as_object(box((0.03, 0.03, 0.2)))
    refined = batch(*wrapped(hand, ("rod",)), [0.0], ["refine_nan"])
    kept = keep_best(select, hand, obj, REASONED, refined, 2, threads=1)
    assert len(kept.places) == 0
    assert not kept.columns


def test_an_unknown_test_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"--select 'drop'.*gravity, six_force"):
        check_select("drop")
