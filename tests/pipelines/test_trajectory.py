"""Joint trajectories in the robot's own order, and their files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from pipelines import cli, provenance
from pipelines.dataset import write_dataset
from pipelines.hand import base_path, joint_path, write_trajectories
from tests.pipelines.rows_as_grasps import grasps_of
from tests.pipelines.test_dataset import row
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.hands import load_hand
from zdg_jax.hands.io.model_files import hand_source
from zdg_jax.hands.model import pregrasp_and_squeeze

KINDS = ("lift", "press")


def _poses(hand):
    grasp = np.stack([hand.grasp_types[k].joints for k in KINDS])
    pregrasp, squeeze = pregrasp_and_squeeze(hand, grasp)
    return pregrasp, grasp, squeeze


@pytest.fixture(scope="module")
def grasps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grasps of Shadow and a failed row; the file's columns are in another order than the hand's."""
    hand = load_hand("shadow")
    order = np.random.default_rng(0).permutation(len(hand.active_names))
    written = [
        row(
            grasp_id=f"t-{i}", object_id=f"box{i}", hand="shadow",
            hand_pose=np.array([0, 0, i, 1.0, 0, 0, 0]),
            pregrasp_joints=p[order], joints=g[order], squeeze_joints=s[order],
        )
        for i, (p, g, s) in enumerate(zip(*_poses(hand), strict=True))
    ]  # fmt: skip
    info = provenance.table_info({}, hand, {}, {}) | {"joint_names": [hand.active_names[k] for k in order]}
    return write_dataset(
        tmp_path_factory.mktemp("grasps"),
        grasps_of([*written, row("refine_nan", grasp_id="t-lost")], info["joint_names"], "shadow"),
        info,
    )


def test_path_passes_all_three_poses_and_moves_followers() -> None:
    hand = load_hand("human16")
    pregrasp, grasp, squeeze = _poses(hand)
    path = joint_path(hand, pregrasp, grasp, squeeze, 5)
    assert path.shape == (2, 11, len(hand.joint_names))
    order = [hand.joint_names.index(j) for j in hand.active_names]
    for at, pose in ((0, pregrasp), (5, grasp), (10, squeeze)):
        np.testing.assert_allclose(path[:, at][:, order], pose, atol=1e-12)
    pip, dip = (hand.joint_names.index(j) for j in ("ring_pip", "ring_dip"))
    np.testing.assert_allclose(path[:, :, dip], 0.6 * path[:, :, pip], atol=1e-12)


def test_npz_holds_all_joints_in_the_models_own_order(grasps: Path, tmp_path: Path) -> None:
    """By name, as MuJoCo lists them in the model, fixed wrist included; failed rows are left out."""
    file = tmp_path / "t.npz"
    assert write_trajectories(str(grasps), str(file), steps=4) == 2
    hand = load_hand("shadow")
    model = hand_source(hand).model
    with np.load(file) as found:
        names = found["joint_names"].tolist()
        assert names == [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, j) for j in range(model.njnt)]
        assert found["grasp_id"].tolist() == ["t-0", "t-1"]
        assert dict(zip(found["stage_names"].tolist(), found["stage_ends"].tolist(), strict=True)) == {
            "pregrasp": 0,
            "grasp": 4,
            "squeeze": 8,
        }
        active = [names.index(j) for j in hand.active_names]
        for at, pose in zip((0, 4, 8), _poses(hand), strict=True):
            np.testing.assert_allclose(found["positions"][:, at][:, active], pose, atol=1e-6)
        assert not found["positions"][:, :, [names.index("rh_WRJ1"), names.index("rh_WRJ2")]].any()
        np.testing.assert_allclose(found["hand_pose"][:, 2], [0, 1])
        np.testing.assert_allclose(found["base_poses"], np.repeat(found["hand_pose"][:, None], 9, axis=1))


def test_the_base_comes_straight_to_the_grasp_and_then_stays() -> None:
    turn = np.array([np.cos(0.4), 0, 0, np.sin(0.4)])  # by 0.8 about z
    before, at = np.array([[0.0, 0.1, 0, 1, 0, 0, 0]]), np.array([[0.0, 0, 0, *turn]])
    path = base_path(before, at, 4)
    assert path.shape == (1, 9, 7)
    np.testing.assert_allclose(path[0, 0], before[0])
    np.testing.assert_allclose(path[0, 2], [0, 0.05, 0, np.cos(0.2), 0, 0, np.sin(0.2)], atol=1e-12)
    np.testing.assert_allclose(path[0, 4:], np.repeat(at, 5, axis=0), atol=1e-12)


def test_json_holds_the_same(grasps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    npz, plain = tmp_path / "t.npz", tmp_path / "new" / "t.json"
    write_trajectories(str(grasps), str(npz), steps=3)
    assert cli.main(["hand", "trajectory", str(grasps), "--out", str(plain), "--steps", "3"]) == 0
    assert "2 trajectories" in capsys.readouterr().out
    told = json.loads(plain.read_text())
    with np.load(npz) as found:
        np.testing.assert_allclose(told["positions"], found["positions"])
        assert told["joint_names"] == found["joint_names"].tolist()
        assert told["hand"] == str(found["hand"]) == "shadow"
    assert told["stages"] == {"pregrasp": 0, "grasp": 3, "squeeze": 6}
    assert told["units"] == {"angle": "rad", "length": "m"}


@pytest.mark.parametrize(
    ("out", "steps", "said"), [("t.csv", 3, "ends in .npz or .json"), ("t.npz", 0, "1 or more")]
)
def test_what_is_refused(grasps: Path, tmp_path: Path, out: str, steps: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        write_trajectories(str(grasps), str(tmp_path / out), steps=steps)
    assert not (tmp_path / out).exists()


def test_what_is_no_number_moves_no_robot(grasps: Path, tmp_path: Path) -> None:
    """A file that was changed: neither a pose of zeros nor joints that are no numbers become a trajectory."""
    found = Grasps.load(grasps)
    for field, at in (("joints", np.nan), ("hand_pose", 0.0), ("squeeze", np.nan)):
        values = np.array(getattr(found, field))
        values[0] = at
        info = json.loads((grasps.parent / "dataset_info.json").read_text())
        path = write_dataset(tmp_path, replace(found, **{field: values}), info)
        assert write_trajectories(str(path), str(tmp_path / "t.json"), steps=3) == 1
        assert "NaN" not in (tmp_path / "t.json").read_text()
