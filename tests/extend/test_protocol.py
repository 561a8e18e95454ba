"""A protocol from outside: one object, and `evaluate` and the tables have its columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sim_eval import protocols
from sim_eval.backends import Backend
from sim_eval.evaluate import evaluate
from sim_eval.simobject import SimObject
from tests.sim_eval.helpers import as_object, box, grasps, hand
from zdg_jax.columns import COLUMNS, Column, shown
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel

RISE = Column("above_m", "real", "palm above the object (m) ↑", shown=("eval",), stored=False)


def above(
    hand: HandModel, objects: tuple[SimObject, ...], grasps: Grasps, simulator: Backend
) -> dict[str, np.ndarray]:
    """No simulation at all: the height of the base over the object's centre of mass, metres."""
    com = np.array([o.inertial.com for o in objects])[grasps.object_index]
    n = len(grasps)
    rise = grasps.hand_pose[:, 1] - com[:, 1]
    return {RISE.name: rise, "status": np.full(n, "ok"), "status_reason": np.full(n, "", object)}


@pytest.fixture
def _registered() -> Iterator[None]:
    protocols.register("above", protocols.Protocol((RISE.name,), above), [RISE])
    yield
    del protocols.PROTOCOLS["above"], COLUMNS[RISE.name]


@pytest.mark.usefixtures("_registered")
def test_a_protocol_from_outside_reaches_evaluate_and_tables() -> None:
    block = box((0.03, 0.03, 0.2))
    pose, joints = grasps(block, 2, seed=1)
    found = evaluate(hand(), as_object(block), pose, joints, "above", backend="c")
    np.testing.assert_allclose(found[RISE.name], pose[:, 1], atol=1e-9)
    assert found["status"].tolist() == ["ok", "ok"]
    assert RISE in shown("eval")


def test_an_unknown_one_lists_those_there_are() -> None:
    with pytest.raises(UserError, match="one of gravity, gravity_hold, six_force"):
        protocols.protocol("above")
    with pytest.raises(UserError, match="six_force"):
        protocols.register("six_force", protocols.Protocol((), above))
