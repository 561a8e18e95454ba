"""Every built-in hand can be simulated."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from sim_eval.evaluate import evaluate
from tests.hands.things import EVERY_HAND, hand_or_skip
from tests.sim_eval.helpers import as_object

FAR = np.array([[0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize("name", EVERY_HAND)
def test_an_actuated_hand_that_touches_nothing_holds_nothing(name: str) -> None:
    hand = hand_or_skip(name)
    cube = as_object(trimesh.creation.box((0.05, 0.05, 0.05)))
    found = evaluate(hand, cube, FAR, hand.open_joints[None], "six_force", backend="c")
    assert found["status"].tolist() == ["ok"]
    assert not found["six_force_suc"][0]


@pytest.mark.parametrize("name", EVERY_HAND)
def test_a_hand_far_from_the_object_drops_it(name: str) -> None:
    hand = hand_or_skip(name)
    cube = as_object(trimesh.creation.box((0.05, 0.05, 0.05)))
    found = evaluate(hand, cube, FAR, hand.open_joints[None], backend="c")
    assert found["status"].tolist() == ["ok"]
    assert not found["sim_suc"][0]
    np.testing.assert_allclose(found["sim_dis_cm"], 10.7, atol=0.2)  # free fall of 35 / 240 s
