"""Every adapter: hands come back where the files put them, and what is broken stays at its instruction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.benchmark.methods import ADAPTERS, MethodGrasps, read_method
from pipelines.benchmark.methods.gather import benchmark_mesh, known, label
from pipelines.benchmark.page import line
from pipelines.benchmark.unit import UnitOptions, measure_unit
from pipelines.formats.affordpose import GRASPIT_FROM_HUMAN16, KNUCKLES
from pipelines.formats.dexgraspnet import DEXGRASPNET_JOINTS
from sim_eval.benchmark.instructions import instructions
from tests.pipelines.benchmark import method_files
from tests.pipelines.benchmark.method_files import SUFFIX, write
from tests.pipelines.formats.writers import DGN_JOINTS, poses
from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import posed
from zdg_jax.pose import wxyz_to_matrix, wxyz_to_rotation

MUGS = [i for i in instructions("zoo") if i.category == "mug"]
YCB = [i for i in instructions("ycb") if i.object == "ycb:025_mug"]
FORMS = list(ADAPTERS)


def read(path: Path) -> MethodGrasps:
    return read_method(f"theirs={path}")


@pytest.mark.parametrize("name", FORMS)
def test_what_is_broken_stays_at_its_instruction(name: str, tmp_path: Path) -> None:
    suffix = SUFFIX[name]
    write(name, tmp_path / f"aaa_nobody{suffix}")
    good = write(name, tmp_path / f"{MUGS[0].id}{suffix}", MUGS[0].id)
    (tmp_path / f"{MUGS[1].id}{suffix}").write_bytes(good.read_bytes()[:120])
    write(name, tmp_path / f"{MUGS[2].id}{suffix}", MUGS[2].id, bad=True)
    found = read(tmp_path)
    assert (found.name, found.form) == ("theirs", name)
    pose, joints = found.grasps[MUGS[0].id]
    assert pose.shape == (len(pose), 7)
    assert joints.shape == (len(pose), len(found.hand.active_names))
    np.testing.assert_allclose(np.linalg.norm(pose[:, 3:], axis=1), 1.0, atol=1e-5)
    # of three grasps with a bad one two are left; AffordPose's file holds one
    assert len(found.grasps.get(MUGS[2].id, ([],))[0]) == len(pose) - 1
    assert set(found.broken) == {MUGS[1].id, MUGS[2].id}
    assert "not finite" in found.broken[MUGS[2].id][0]
    assert any("aaa_nobody" in note for note in found.notes)
    assert any("2 grasps or files of 2 instructions" in note for note in found.notes)
    unit = measure_unit(MUGS[1], found, UnitOptions(), tmp_path)
    assert (unit["status"], unit["grasps"]) == ("unreadable", [])
    assert MUGS[1].id in unit["status_reason"]


@pytest.mark.parametrize("name", FORMS)
def test_a_grasp_is_named_by_file_folder_or_object(name: str, tmp_path: Path) -> None:
    suffix, first = SUFFIX[name], YCB[0].id
    places = (f"a/{first}{suffix}", f"b/{first}/000{suffix}", f"c/{label(YCB[0].object)}{suffix}")
    found = [read(write(name, tmp_path / place).parents[len(Path(place).parts) - 2]) for place in places]
    alone = read(tmp_path / places[0])
    for other in (found[1], found[2], alone):
        for a, b in zip(found[0].grasps[first], other.grasps[first], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert set(found[0].grasps) == {first}
    assert set(found[2].grasps) == {i.id for i in YCB}  # a method that is told no task
    assert found[0].source(first) == alone.source(first)
    assert found[0].source(first) != found[0].source(YCB[1].id)


@pytest.mark.parametrize("name", FORMS)
def test_nothing_to_read_is_explained(name: str, tmp_path: Path) -> None:
    good = write(name, tmp_path / f"aaa_nobody{SUFFIX[name]}")
    with pytest.raises(UserError, match=r"nothing names an instruction \(aaa_nobody"):
        read(good)
    (tmp_path / f"{MUGS[0].id}{SUFFIX[name]}").write_bytes(good.read_bytes()[:120])
    with pytest.raises(UserError, match="without a grasp that can be read"):
        read(tmp_path)
    good.unlink()
    with pytest.raises(UserError, match="no known form"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("affordpose", {"dofs": [0.0] * 16, "rhand_trans": "abc", "rhand_quat": [1, 0, 0, 0]}),
        ("affordpose", {"dofs": [0.0] * 16, "rhand_trans": [0, 0, 0], "rhand_quat": [0, 0, 0, 0]}),
        ("dexgys", [{"obj_id": MUGS[1].id, "predictions": {"x": 1}}]),
        ("grasptta", {"joints": [[[0.0, 0.0, 0.0]] * 20]}),
        ("npy", [{"scale": 1.0, "qpos": dict.fromkeys(["WRJTx", "WRJTy", "WRJTz"], "abc")}]),
        ("npy", [{"scale": 1.0, "qpos": {"robot0:FFJ3": None}}]),
    ],
)
def test_values_of_another_kind_cost_their_instruction_only(name: str, wrong: object, tmp_path: Path) -> None:
    write(name, tmp_path / f"{MUGS[0].id}{SUFFIX[name]}", MUGS[0].id)
    place = tmp_path / f"{MUGS[1].id}{SUFFIX[name]}"
    if name == "npy":
        np.save(place, np.array(wrong, dtype=object), allow_pickle=True)
    else:
        place.write_text(json.dumps(wrong))
    found = read(tmp_path)
    assert set(found.grasps) == {MUGS[0].id}
    assert set(found.broken) == {MUGS[1].id}


@pytest.mark.parametrize("name", ["ours", "wo_refine", "../up", "a/b", "."])
def test_a_method_s_name_is_no_other_row_s(name: str, tmp_path: Path) -> None:
    file = write("affordpose", tmp_path / f"{MUGS[0].id}.json")
    with pytest.raises(UserError, match="none of ours"):
        read_method(f"{name}={file}")


def test_names_are_no_two_things() -> None:
    """An object's name never is another object's instruction."""
    for key, named in known().items():
        assert len({i.object for i in named}) == 1, key


def test_affordpose_knuckles_and_fingers(tmp_path: Path) -> None:
    found = read(write("affordpose", tmp_path / "x.json", MUGS[0].id))
    pose, joints = found.grasps[MUGS[0].id]
    hand = found.hand
    palm = wxyz_to_rotation(np.array([0.747154, -0.625719, -0.087778, -0.206231]))
    want = palm.apply(KNUCKLES.mean(axis=0)) + 1e-3 * np.array([24.2139, -6.34088, -60.7976])
    links = posed(hand, pose, joints, "link")[0]
    fingers = ("index", "middle", "ring", "little")
    ours = np.mean([links[hand.link_names.index(f"{f}_proximal")] for f in fingers], axis=0)
    np.testing.assert_allclose(ours, want, atol=1e-5)
    R = wxyz_to_matrix(pose[0, 3:])
    np.testing.assert_allclose(R, palm.as_matrix() @ GRASPIT_FROM_HUMAN16, atol=1e-6)
    middle = joints[0, hand.active_names.index("middle_mcp")]
    assert middle == pytest.approx(method_files.DOFS[4] - np.deg2rad(3.42))


def test_dexgys_palm_and_joints_about_the_centred_mesh(tmp_path: Path) -> None:
    found = read(write("dexgys", tmp_path / "raw_results.json", MUGS[0].id))
    pose, joints = found.grasps[MUGS[0].id]
    hand, palm = found.hand, poses(3)
    center = benchmark_mesh(MUGS[0].object).mesh.bounds.mean(axis=0)
    assert np.linalg.norm(center) > 0.01  # the mug stands on the ground
    link = hand.link_names.index("rh_palm")
    np.testing.assert_allclose(posed(hand, pose, joints, "link")[:, link], palm[:, :3] + center, atol=1e-5)
    # wrist and palm are mounted without a turn on our forearm
    same = np.abs(np.einsum("nk,nk->n", pose[:, 3:], palm[:, 3:]))
    np.testing.assert_allclose(same, 1.0, atol=1e-9)
    for k, theirs in enumerate(DGN_JOINTS):
        ours, sign = DEXGRASPNET_JOINTS[theirs]
        np.testing.assert_allclose(joints[:, hand.active_names.index(ours)], sign * method_files.SHADOW[:, k])


def test_dexgys_one_grasp_an_entry_and_labels(tmp_path: Path) -> None:
    """matched_results.json and the labels; an entry without a grasp costs its own instruction only."""
    rows = method_files.dexgys_rows().tolist()
    table = [
        {"obj_id": "C10001", "instruction": MUGS[0].id, "predictions": rows[0], "targets": rows[1]},
        {"obj_id": MUGS[0].id, "dex_grasp": rows[1]},
        {"obj_id": MUGS[1].id, "predictions": rows[2][:-1]},
        {"obj_id": MUGS[2].id},
        {"obj_id": "C10001", "predictions": rows[2]},
    ]
    (tmp_path / "matched_results.json").write_text(json.dumps(table))
    found = read(tmp_path)
    assert {key: len(pose) for key, (pose, _) in found.grasps.items()} == {MUGS[0].id: 2}
    assert "shape (27,)" in found.broken[MUGS[1].id][0]
    assert "without predictions or dex_grasp" in found.broken[MUGS[2].id][0]
    assert any("C10001" in note for note in found.notes)


def test_grasptta_goes_back_to_the_object_and_gives_the_hand_back(tmp_path: Path) -> None:
    found = read(write("grasptta", tmp_path / f"{MUGS[0].id}.json"))
    pose, joints = found.grasps[MUGS[0].id]
    want_pose, want_joints = method_files.hands()
    np.testing.assert_allclose(joints, want_joints, atol=2e-3)
    np.testing.assert_allclose(pose[:, :3], want_pose[:, :3], atol=1e-5)
    assert any("mean distance 0.0 mm" in note for note in found.notes)


def test_grasptta_parameters_alone_are_explained(tmp_path: Path) -> None:
    path = write("grasptta", tmp_path / f"{MUGS[0].id}.json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in data.items() if k != "joints"}))
    with pytest.raises(UserError, match=r"MANO's 21 joints.*script"):
        read(path)
    path.write_text(json.dumps({**data, "joint_order": "openpose"}))
    with pytest.raises(UserError, match="joints in the order openpose"):
        read(path)
    path.write_text(json.dumps({**data, "R_list": data["R_list"][:2]}))
    with pytest.raises(UserError, match="3 joints and 2 of R_list"):
        read(path)


def test_npy_of_another_scale_is_refused(tmp_path: Path) -> None:
    from tests.pipelines.formats.writers import dexgraspnet

    dexgraspnet(tmp_path / f"{MUGS[0].id}.npy", poses(3), method_files.SHADOW, scale=0.08)
    with pytest.raises(UserError, match=r"scale 0\.08"):
        read(tmp_path)


def test_a_broken_grasp_among_others_counts_as_a_failure(tmp_path: Path) -> None:
    write("affordpose", tmp_path / MUGS[0].id / "0.json")
    write("affordpose", tmp_path / MUGS[0].id / "1.json", bad=True)
    unit = measure_unit(MUGS[0], read(tmp_path), UnitOptions(), tmp_path / "out")
    measured, broken = unit["grasps"]
    assert (measured["status"], broken["status"]) == ("ok", "unreadable")
    assert measured["part_acc"] is not None
    counted = line(
        "theirs", [{**unit, "grasps": [{**measured, "part_acc": 1.0}, broken]}], {i.id: i for i in MUGS}
    )
    assert counted.mean["part_acc"] == pytest.approx(50.0)
    assert counted.mean["p_dep_cm"] == pytest.approx(measured["p_dep_cm"])
