"""The edge of what lies flat: fingers under it, the forearm nearly level."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import reasoned
from zdg_jax.hands import load_hand
from zdg_jax.refine.edge import SWING, under_edge
from zdg_jax.refine.hypotheses import EDGE, REASONED, hypotheses


@pytest.mark.parametrize(
    ("name", "task"), [("zoo:book/0", "read the book"), ("zoo:plate/0", "serve the food")]
)
def test_fingers_go_under_the_edge_of_what_lies_flat(name: str, task: str) -> None:
    obj, grasp = reasoned(name, task)
    assert grasp.guidance is not None
    assert grasp.initial is not None
    mask, R0 = grasp.guidance.hand_mask, np.asarray(grasp.initial.R_obj_palm)
    found = under_edge(obj, mask, R0)
    assert found is not None
    p, R = found
    outward = -R0[:, 2]  # where the reasoned hand comes from
    assert np.allclose(R[:, 1], R0[:, 1])  # the thumb's side stays
    assert np.isclose(np.degrees(np.arccos(R[:, 2] @ R0[:, 2])), -SWING[0])
    assert R[:, 2] @ outward < -0.4  # the palm looks in and up
    assert R[1, 2] > 0.8
    assert R[:, 0] @ outward < -0.8  # the fingers point in
    points = obj.samples.points
    assert p[1] < points[mask, 1].max()
    assert (p @ outward) > (points @ outward).max()  # beside its edge and not under its middle
    if name != "zoo:book/0":
        return
    names = [h.name for h in hypotheses(load_hand("human16"), obj, grasp, 10, 64)]
    assert names[0] == REASONED.name
    assert names.count(EDGE.name) == 1


@pytest.mark.parametrize(("name", "task"), [("zoo:mug/0", "hand me the mug"), ("zoo:box/3", "carry the box")])
def test_what_is_not_flat_has_no_such_edge(name: str, task: str) -> None:
    obj, grasp = reasoned(name, task)
    assert grasp.guidance is not None
    assert grasp.initial is not None
    assert under_edge(obj, grasp.guidance.hand_mask, np.asarray(grasp.initial.R_obj_palm)) is None
