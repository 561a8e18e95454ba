"""Every format: detected by its contents, read into one shape, frames and joints where they belong."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipelines.formats import FORMATS, read_grasps
from pipelines.formats.affordpose import graspit_bones, human16_bones, human16_joints
from pipelines.formats.dexgraspnet import DEXGRASPNET_JOINTS, palm_in_base
from pipelines.formats.npy import load_npy
from tests.pipelines.formats import writers
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed
from zdg_jax.pose import compose, relative_pose, wxyz_to_matrix

JOINTS = np.random.default_rng(1).uniform(-0.1, 0.3, size=(3, 22))
BOX = trimesh.creation.box((0.06, 0.2, 0.06)).subdivide()
LABELS = np.where(BOX.vertices[:, 1] > 0, 5, 0)


def make(name: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    if name == "dexgraspnet":
        return writers.dexgraspnet(folder / "core-mug-12.npy", writers.poses(3), JOINTS)
    if name == "dexgraspbench":
        stages = np.concatenate([writers.poses(3), JOINTS], axis=1)
        return writers.dexgraspbench(folder / "0.npy", stages, writers.poses(1, 5)[0])
    return writers.affordpose(folder / "1.json", BOX, LABELS)


OTHERS = [name for name in FORMATS if name != "zdg"]


@pytest.mark.parametrize("name", OTHERS)
def test_contract(name: str, tmp_path: Path) -> None:
    for place in (make(name, tmp_path / name), tmp_path / name):  # one file, and its folder
        found = read_grasps(str(place))
        assert found.format == name
        model = load_hand(found.hand)
        n = len(found)
        assert n >= 1
        lengths = {len(x) for x in (found.object_key, found.category, found.status, found.status_reason)}
        assert lengths == {n}
        assert found.hand_pose.shape == (n, 7)
        for q in (found.joints, found.pregrasp, found.squeeze):
            assert q.shape == (n, len(model.active_names))
        np.testing.assert_allclose(np.linalg.norm(found.hand_pose[:, 3:], axis=1), 1.0)
        assert np.isfinite(found.joints).all()
        assert set(found.object_key) <= set(found.objects)
        assert len(set(found.grasp_id)) == n
        assert set(found.status) == {"ok"}


@pytest.mark.parametrize("name", OTHERS)
def test_only_one_reader_claims_a_file(name: str, tmp_path: Path) -> None:
    place = make(name, tmp_path / name)
    assert [n for n, module in FORMATS.items() if module.detect(place)] == [name]


@pytest.mark.parametrize("name", OTHERS)
def test_a_bad_file_in_a_folder_is_a_row(name: str, tmp_path: Path) -> None:
    place = make(name, tmp_path / name)
    (place.parent / f"zz{place.suffix}").write_bytes(place.read_bytes()[:150])
    found = read_grasps(str(place.parent))
    assert found.status[-1] == "unreadable"
    assert found.status_reason[-1]
    assert set(found.status[:-1]) == {"ok"}
    with pytest.raises(UserError):
        read_grasps(str(place.parent / f"zz{place.suffix}"))


@pytest.mark.parametrize(("content", "said"), [(b"", "empty"), (b"hello", "no known format")])
@pytest.mark.parametrize("suffix", [".npy", ".json", ".bin"])
def test_no_grasp_file(content: bytes, said: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_grasps(str(path))


def palm_of(pose: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Where our Shadow's palm link comes to lie."""
    hand = load_hand("shadow")
    return posed(hand, pose, joints, "link")[:, hand.link_names.index("rh_palm")]


def test_dexgraspnet_palm_joints_and_scale(tmp_path: Path) -> None:
    palm = writers.poses(3)
    found = read_grasps(str(writers.dexgraspnet(tmp_path / "core-mug-12.npy", palm, JOINTS)))
    np.testing.assert_allclose(palm_of(found.hand_pose, found.joints), palm[:, :3], atol=1e-5)
    (source,) = found.objects.values()
    assert (source.name, source.scale, set(found.category)) == ("core-mug-12", 0.08, {"mug"})
    hand = load_hand("shadow")
    for k, name in enumerate(writers.DGN_JOINTS):
        ours, sign = DEXGRASPNET_JOINTS[name]
        np.testing.assert_allclose(found.joints[:, hand.active_names.index(ours)], sign * JOINTS[:, k])


def test_dexgraspnet_joints_turn_the_same_way() -> None:
    """Axes of shadow_hand_wrist_free.xml at zero, in the palm's frame, against our kinematics."""
    x, y = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    axes = {f"{f}J{k}": y if k == 3 else x for f in ("FF", "MF", "RF", "LF") for k in range(4)}
    w, v = 0.923956, 0.382499  # thbase is turned about y
    R = np.array([[1 - 2 * v * v, 0, 2 * w * v], [0, 1, 0], [-2 * w * v, 0, 1 - 2 * v * v]])
    axes |= {"LFJ4": np.array([0.570977, 0, 0.820966]), "THJ4": -R[:, 2], "THJ3": R @ x, "THJ2": R @ x,
             "THJ1": R @ y, "THJ0": R @ y}  # fmt: skip
    hand = load_hand("shadow")
    rest = posed_rotation(hand)
    for name, axis in axes.items():
        ours, sign = DEXGRASPNET_JOINTS[f"robot0:{name}"]
        j = hand.joint_names.index(ours)
        assert sign * rest[hand.joint_link[j]] @ hand.joint_axis[j] @ axis > 0.99, name


def posed_rotation(hand) -> list[np.ndarray]:
    """Each link's rotation at rest in the base, which the palm shares."""
    found: list[np.ndarray] = []
    for parent, q in zip(hand.link_parent, hand.q_parent_link, strict=True):
        own = wxyz_to_matrix(q)
        found.append(own if parent < 0 else found[parent] @ own)
    found = [found[0].T @ R for R in found]
    np.testing.assert_allclose(found[hand.link_names.index("rh_palm")], np.eye(3), atol=1e-9)
    return found


def test_dexgraspbench_root_and_object(tmp_path: Path) -> None:
    root, world_obj = writers.poses(3), writers.poses(1, 5)[0]
    stages = np.concatenate([root, JOINTS], axis=1)
    found = read_grasps(str(writers.dexgraspbench(tmp_path / "0.npy", stages, world_obj)))
    world_palm = compose(root[1], np.array([0, 0, 0.034, 1, 0, 0, 0]))
    want = relative_pose(world_obj, world_palm)
    np.testing.assert_allclose(palm_of(found.hand_pose, found.joints)[0], want[:3], atol=1e-5)
    np.testing.assert_allclose(found.pregrasp, JOINTS[:1])
    np.testing.assert_allclose(found.joints, JOINTS[1:2])
    np.testing.assert_allclose(found.squeeze, JOINTS[2:])
    (source,) = found.objects.values()
    assert (source.name, source.scale, found.category) == ("core_mug_1234", 0.1, ("mug",))


def test_dexgraspbench_older_layout_says_the_same(tmp_path: Path) -> None:
    root = np.tile(writers.poses(1), (3, 1))
    new = read_grasps(
        str(writers.dexgraspbench(tmp_path / "n.npy", np.concatenate([root, JOINTS], 1), root[0]))
    )
    old = read_grasps(str(writers.dexgraspbench(tmp_path / "o.npy", JOINTS, root[0], grasp_pose=root[0])))
    np.testing.assert_allclose(old.hand_pose, new.hand_pose)
    np.testing.assert_array_equal(old.joints, new.joints)


def test_bodex_raw(tmp_path: Path) -> None:
    """Thumb first, the pose that of the palm, two grasps of three stages and a leading axis."""
    palm = writers.poses(2)
    raw = np.zeros((1, 2, 3, 29))
    raw[0, :, :, :7] = palm[:, None]
    raw[0, :, :, 7:] = np.concatenate([JOINTS[:, 17:], JOINTS[:, :17]], axis=1)
    data = {"robot_pose": raw, "obj_pose": np.array([[0.0, 0, 0, 1, 0, 0, 0]]), "obj_scale": np.array([0.06])}
    (tmp_path / "core_bowl_9").mkdir()
    np.save(tmp_path / "core_bowl_9" / "scale006_grasp.npy", data, allow_pickle=True)
    found = read_grasps(str(tmp_path))
    assert len(found) == 2
    np.testing.assert_allclose(palm_of(found.hand_pose, found.joints), palm[:, :3], atol=1e-5)
    np.testing.assert_allclose(found.joints, np.tile(JOINTS[1], (2, 1)))
    assert found.objects[found.object_key[0]].name == "core_bowl_9"


def test_dexonomy_scene(tmp_path: Path) -> None:
    body = {"type": "rigid_object", "urdf_path": "assets/DGN/core_jar_7/urdf/coacd.urdf",
            "scale": np.array([0.1] * 3), "pose": np.array([0.0, 0, 0, 1, 0, 0, 0])}  # fmt: skip
    scene = {"scene": {"jar": body, "floor": {"type": "plane"}}, "task": {}}
    q = np.concatenate([writers.poses(1), JOINTS[:1]], axis=1)
    np.save(tmp_path / "d.npy", {"grasp_qpos": q, "scene_cfg": scene, "hand_type": "shadow"})
    (source,) = read_grasps(str(tmp_path / "d.npy")).objects.values()
    assert (source.name, source.path, source.scale) == ("core_jar_7", "assets/DGN/core_jar_7", 0.1)


def test_names_that_no_hand_has_are_listed(tmp_path: Path) -> None:
    path = writers.dexgraspnet(tmp_path / "a.npy", writers.poses(1), JOINTS[:1])
    grasps = load_npy(path)
    grasps[0]["qpos"]["robot0:XXJ9"] = 0.0
    np.save(path, list(grasps), allow_pickle=True)
    with pytest.raises(UserError, match=r"robot0:XXJ9.*valid names.*robot0:THJ0") as raised:
        read_grasps(str(path))
    assert "\n" not in str(raised.value)
    stages = np.concatenate([writers.poses(3), JOINTS], axis=1)
    other = writers.dexgraspbench(
        tmp_path / "b.npy", stages, writers.poses(1)[0], joint_names=["joint_0", *writers.SHADOW[1:]]
    )
    with pytest.raises(UserError, match=r"joint_0.*rh_FFJ4"):
        read_grasps(str(other))


def test_a_hand_that_can_not_be_told_is_asked_for(tmp_path: Path) -> None:
    stages = np.concatenate([writers.poses(3), JOINTS[:, :16]], axis=1)
    path = writers.dexgraspbench(tmp_path / "a.npy", stages, writers.poses(1)[0])
    with pytest.raises(UserError, match="--hand"):
        read_grasps(str(path))  # Allegro, LEAP and human16 all have 16
    assert read_grasps(str(path), "human16").hand == "human16"
    with pytest.raises(UserError, match="22 joints"):
        read_grasps(str(path), "shadow")


def test_a_pickle_can_not_run_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    path = tmp_path / "x.npy"
    np.save(path, {"grasp_qpos": Bomb()}, allow_pickle=True)
    with pytest.raises(UserError, match="mkdir"):
        load_npy(path)
    assert not (tmp_path / "boom").exists()
    np.save(path, {"a": [1, 2.5, "x"], "b": np.arange(3), "c": np.float32(2)}, allow_pickle=True)
    assert load_npy(path)["b"].tolist() == [0, 1, 2]
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match="unreadable"):
        load_npy(path)


def test_affordpose_lies_where_the_published_hand_lies(tmp_path: Path) -> None:
    """Fingertips of the sample's own hand mesh (metres, read off the file); human16 is another hand."""
    tips = {
        "thumb": (0.036, 0.012, 0.050),
        "index": (-0.037, 0.011, -0.043),
        "middle": (-0.043, -0.013, -0.039),
        "ring": (-0.034, -0.033, -0.041),
        "little": (-0.013, -0.049, -0.050),
    }
    found = read_grasps(str(writers.affordpose(tmp_path / "1.json", BOX, LABELS)))
    hand = load_hand("human16")
    pads = posed(hand, found.hand_pose, found.joints, "pad")[0]
    for name, tip in tips.items():
        assert np.linalg.norm(pads[hand.pad_names.index(name)] - tip) < 0.02, name
    (source,) = found.objects.values()
    assert source.part is not None
    assert set(source.part) == set(np.flatnonzero(LABELS == 5))
    assert found.category == ("bottle",)


def test_affordpose_thumbs_point_alike() -> None:
    hand = load_hand("human16")
    limits = np.deg2rad([[-10, 70], [-50, 25], [0, 90], [0, 100]]).T
    dofs = np.zeros((200, 16))
    dofs[:, 12:] = np.random.default_rng(0).uniform(*limits, size=(200, 4))
    dofs[7, 2] = np.nan
    joints = human16_joints(hand, dofs)
    assert np.isnan(joints[7]).all()
    fine = np.arange(200) != 7
    assert (joints[fine] >= hand.lower - 1e-9).all()
    assert (joints[fine] <= hand.upper + 1e-9).all()
    wanted = graspit_bones(dofs[fine, 12:]) * [-1, -1, -1]
    wanted = wanted[..., [0, 2, 1]]  # GraspIt!'s palm has x, z, y of ours, all reversed
    cosine = (human16_bones(hand, joints[fine]) * wanted).sum(-1)
    assert np.degrees(np.arccos(np.median(cosine, axis=0).clip(-1, 1))).max() < 10


def test_thumb_bones_against_the_kinematics() -> None:
    hand = load_hand("human16")
    joints = np.random.default_rng(3).uniform(hand.lower, hand.upper, size=(8, 16))
    names = ("thumb_metacarpal", "thumb_proximal", "thumb_distal")
    where = posed(hand, np.array([0.0, 0, 0, 1, 0, 0, 0]), joints, "link")
    a, b, c = (where[:, hand.link_names.index(n)] for n in names)
    bones = human16_bones(hand, joints)
    for k, step in enumerate((b - a, c - b)):
        np.testing.assert_allclose(bones[:, k], step / np.linalg.norm(step, axis=1, keepdims=True), atol=1e-4)


def test_palm_of_our_shadow() -> None:
    np.testing.assert_allclose(palm_in_base(load_hand("shadow")), [0, -0.01, 0.247, 1, 0, 0, 0], atol=1e-4)
