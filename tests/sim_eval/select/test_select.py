from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import trimesh

from sim_eval.select import SelectBy
from sim_eval.select import select as selection
from sim_eval.select.select import select
from tests.sim_eval.helpers import as_object, box, with_field
from tests.sim_eval.select.things import closed_batch, held, refined_batch
from tests.sim_eval.simulation import human16, wrapped
from zdg_jax.columns import measured
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object


def of_gravity() -> tuple[np.ndarray, np.ndarray, trimesh.Trimesh]:
    """Hands that lie on a bar and in it a little: a fixed hand carries it, pads that press do not."""
    return *wrapped(human16(), ("rod", "rod", "rod")), box((0.03, 0.03, 0.2))


def of_hold() -> tuple[np.ndarray, np.ndarray, trimesh.Trimesh]:
    """Fingers around a rod, 0.1 mm from it: held once they press."""
    return *held("rod", 3)[1:], trimesh.creation.cylinder(radius=0.018, height=0.2, sections=24)


@pytest.mark.parametrize(
    ("by", "given", "verdict"),
    [("gravity", of_gravity, "sim_suc"), ("hold", of_hold, "six_force_suc")],
)
def test_every_test_keeps_what_holds_first_and_never_what_failed(
    by: SelectBy, given: Callable[[], tuple[np.ndarray, np.ndarray, trimesh.Trimesh]], verdict: str
) -> None:
    hand, (pose, joints, mesh) = human16(), given()
    obj = with_field(as_object(mesh))
    pose[0, 1] += 0.5  # far above: the object falls
    refined = refined_batch(pose, joints, [0.0, 1.0, 0.5], ["ok", "ok", "refine_nan"])
    found = select(hand, obj, refined, 3, by=by, threads=1)
    kept = found.kept
    assert kept["start"].tolist() == [1, 0]
    assert kept["rank"].tolist() == [0, 1]
    assert kept[verdict].tolist() == [True, False]
    assert found.simulated == 2
    wanted = {column.name for column in measured() if "correct" not in column.of}
    assert wanted | {"initial_p_dep_cm", "good", "pregrasp_gap_cm", "six_force_held"} <= set(kept.columns)
    assert kept["approach_free"].tolist() == [True, True]
    np.testing.assert_array_equal(kept.hand_pose, refined.hand_pose[[1, 0]])
    assert np.isfinite(kept.pregrasp).all()


@pytest.mark.parametrize("by", get_args(SelectBy))
def test_a_task_without_a_usable_grasp_keeps_none(by: SelectBy) -> None:
    hand, obj = human16(), with_field(as_object(box((0.03, 0.03, 0.2))))
    refined = refined_batch(*wrapped(hand, ("rod",)), [0.0], ["refine_nan"])
    found = select(hand, obj, refined, 2, by=by, threads=1)
    assert len(found.kept) == found.simulated == 0


@pytest.fixture
def simulated(monkeypatch):
    """Stands in for the simulation: which grasps hold is told by their first joint; notes what was asked."""
    asked: list[int] = []

    def evaluate(hand, obj, pose, joints, **_):
        asked.append(len(pose))
        held = joints[:, 0] > 0
        return {
            "p_dep_cm": np.zeros(len(pose)), "p_vol_cm3": np.zeros(len(pose)),
            "sim_dis_cm": np.where(held, 0.5, 9.0), "contact_end": held,
            "p_dep_object_cm": np.zeros(len(pose)),
        }  # fmt: skip

    monkeypatch.setattr("sim_eval.select.select.evaluate", evaluate)
    monkeypatch.setattr(
        "sim_eval.select.select.measure_shape",
        lambda hand, obj, pose, joints, only: {name: np.zeros(len(pose)) for name in only},
    )
    return asked


def choice(held: np.ndarray, keep: int, status: list[str] | None = None, **how: bool):
    n = len(held)
    joints = np.zeros((n, 16))
    joints[:, 0] = held
    hand, obj = load_hand("human16"), load_object("zoo:box/1")
    grasps = refined_batch(np.zeros((n, 7)), joints, np.arange(n, dtype=float), status or ["ok"] * n)
    found = select(hand, obj, grasps, keep, by="gravity", close=False, **how)
    return found.kept["start"], found.kept, found.simulated


def test_one_round_is_enough_where_enough_hold(simulated):
    kept, columns, count = choice(np.ones(20), keep=2)
    assert (kept.tolist(), simulated, count) == ([0, 1], [6], 6)
    assert columns["contact_end"].all()


def test_a_second_round_finds_those_that_hold(simulated):
    held = np.zeros(20)
    held[[7, 9]] = 1
    kept, columns, count = choice(held, keep=2)
    assert (kept.tolist(), simulated, count) == ([7, 9], [6, 6], 12)
    assert columns["sim_dis_cm"].tolist() == [0.5, 0.5]


def test_without_a_choice_they_stay_in_their_order(simulated):
    status = ["ok", "refine_nan", "ok", "ok"]
    kept, columns, count = choice(np.array([0.0, 1.0, 1.0, 1.0]), 2, status, choose=False)
    assert (kept.tolist(), simulated, count) == ([0, 2], [2], 2)
    assert columns["contact_end"].tolist() == [False, True]
    assert choice(np.ones(1), 2, ["refine_nan"], choose=False)[2] == 0


def test_there_is_no_third_round_and_none_without_usable_grasps(simulated):
    kept, _, count = choice(np.zeros(20), keep=2)
    assert (len(kept), simulated, count) == (2, [6, 6], 12)
    kept, columns, count = choice(np.ones(3), keep=2, status=["refine_nan"] * 3)
    assert (kept.tolist(), len(columns), count) == ([], 0, 0)


def test_synth_is_imported_without_jax():
    said = "import sys, pipelines.synth; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_what_is_lost_in_most_perturbed_tests_gives_its_place_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand, obj = human16(), as_object(box((0.03, 0.03, 0.2)))
    survived = np.array([0.2, 1.0, 0.0, 0.6, 0.8, 1.0])
    tested: list[int] = []

    def share(hand: object, target: object, index: np.ndarray, pose: np.ndarray, *_: object) -> np.ndarray:
        rows = np.round(pose[:, 0]).astype(int)
        tested.extend(rows)
        return survived[rows]

    monkeypatch.setattr(selection, "hold_share", share)
    tried = closed_batch(6, p_vol_cm3=np.zeros(6), sim_dis_cm=np.zeros(6), contact_end=np.ones(6))
    tried = tried.with_columns({"score": np.arange(6.0)})
    pose = tried.hand_pose.copy()
    pose[:, 0] = np.arange(6)  # so that a row is known again
    kept = selection._surely(hand, obj, replace(tried, hand_pose=pose), 3, False, 1)
    assert np.round(kept.hand_pose[:, 0]).tolist() == [1, 3, 4]
    assert kept["hold_share"].tolist() == [1.0, 0.6, 0.8]
    assert tested == [0, 1, 2, 3, 4]  # nobody twice, and nobody who is not needed
    survived[3:] = 0.0  # where too few survive, what is left is kept, and known to be lost
    few = selection._surely(hand, obj, replace(tried, hand_pose=pose), 3, False, 1)
    assert np.round(few.hand_pose[:, 0]).tolist() == [1, 0, 2]
    assert few["hold_share"].tolist() == [1.0, 0.2, 0.0]
