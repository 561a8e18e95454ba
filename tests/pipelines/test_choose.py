"""Rounds of simulation, and what fingers touch beside the region."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pipelines import choose
from sim_eval.metrics import contact
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.objects import load_object, signed_distance


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

    monkeypatch.setattr("sim_eval.evaluate.evaluate", evaluate)
    return asked


def choice(held: np.ndarray, keep: int, status: list[str] | None = None, **how: bool):
    n = len(held)
    joints = np.zeros((n, 16))
    joints[:, 0] = held
    hand, obj = load_hand("human16"), load_object("zoo:box/1")
    return choose.chosen(
        hand, obj, np.zeros((n, 7)), joints, np.arange(n, dtype=float), status or ["ok"] * n, keep, **how
    )


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
    assert choice(np.ones(1), 2, ["refine_nan"], choose=False)[1] == {}


def test_there_is_no_third_round_and_none_without_usable_grasps(simulated):
    kept, _, count = choice(np.zeros(20), keep=2)
    assert (len(kept), simulated, count) == (2, [6, 6], 12)
    kept, columns, count = choice(np.ones(3), keep=2, status=["refine_nan"] * 3)
    assert (kept.tolist(), columns, count) == ([], {}, 0)


def test_selection_and_synth_import_nothing_heavy():
    said = "import sys, pipelines.synth, pipelines.selection; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_stray_is_the_share_of_touching_fingers_beside_the_region() -> None:
    hand, obj = load_hand("human16"), load_object("zoo:box/1")
    grasp = np.r_[obj.mesh.bounds.mean(axis=0), 1.0, 0, 0, 0]
    far, broken = np.r_[grasp[:3] + 5, grasp[3:]], np.full(7, np.nan)
    pose, joints = np.stack([grasp, far, broken]), np.tile(hand.open_joints, (3, 1))
    everything = np.ones(len(obj.samples.points), bool)

    def share(region: np.ndarray) -> np.ndarray:
        return choose.stray(
            hand, obj, ContactGuidance(region, np.zeros_like(region), None, (1,), (1,)), pose, joints
        )

    assert share(everything).tolist() == [0, 1, 1]
    assert share(~everything).tolist() == [1, 1, 1]
    half = obj.samples.points[:, 1] > np.median(obj.samples.points[:, 1])
    assert 0 < share(half)[0] < 1
    # an independent count: the metric's own touch and part
    skin = np.asarray(posed_skin(hand, pose[:1], joints[:1]))
    touch = contact.touching(signed_distance(obj.mesh, skin[0])[None])
    ratio = contact.semantic_contact_ratio(
        touch, contact.on_part(skin, obj.samples.points, half), hand.skin_finger
    )
    assert abs(1 - ratio[0] - share(half)[0]) < 0.02
