"""`zdg eval` and `zdg export` over files of every kind; the measuring is real, the simulation is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh

from pipelines import cli
from pipelines.dataset import load_grasps, write_dataset
from pipelines.evaluate import EvalReport, evaluate_file
from pipelines.formats import read_grasps
from sim_eval.evaluate import measure_shape
from tests.pipelines.formats import writers
from tests.pipelines.glb import scenes
from tests.pipelines.rows_as_grasps import grasps_of
from tests.sim_eval.helpers import grasps as some_grasps
from zdg_jax.hands import load_hand
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.load import mesh_sha256

ROD = trimesh.creation.cylinder(radius=0.015, height=0.2, sections=24)
COUNT = 4


def evaluate(hand: Any, obj: Any, pose: np.ndarray, joints: np.ndarray, protocol: str, **more: Any) -> dict:
    n = len(pose)
    return {
        **measure_shape(hand, obj, pose, joints, more.get("part")),
        "sim_dis_cm": np.full(n, 0.5), "sim_suc": np.ones(n, bool), "contact_end": np.ones(n, bool),
        "status": np.full(n, "ok"), "status_reason": np.full(n, ""),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.evaluate.evaluate", evaluate)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of ours: four grasps of a rod, and a row that failed."""
    folder = tmp_path_factory.mktemp("ours")
    ROD.export(folder / "rod.stl")
    mesh = trimesh.load_mesh(folder / "rod.stl", process=False)
    sha = mesh_sha256(check_mesh(mesh, "rod")[0])
    hand = load_hand("human16")
    pose, joints = some_grasps(ROD, COUNT, seed=8)
    shared = {
        "task_id": "t", "object_id": "rod", "object_scale": 1.0, "mesh_sha256": sha, "hand": "human16",
        "task": "hold it", "reasoner": "offline", "status_reason": "", "seed": 0, "config_sha": "c",
        "code_version": "0", "calls": [],
    }  # fmt: skip
    rows = [
        {**shared, "grasp_id": f"t-{i}", "status": "ok", "hand_pose": p, "joints": q,
         "pregrasp_joints": 0.8 * q, "squeeze_joints": q}
        for i, (p, q) in enumerate(zip(pose, joints, strict=True))
    ]  # fmt: skip
    rows.append({**shared, "grasp_id": "t-none", "status": "empty_region", "status_reason": "no answer"})
    source = {"source": str(folder / "rod.stl"), "scale": 1.0, "up": None, "name": "rod"}
    info = {"hand": "human16", "joint_names": list(hand.active_names), "objects": {"rod": source}}
    write_dataset(folder, grasps_of(rows, hand.active_names), info)
    return folder


def test_a_type_without_thumb_is_not_asked_for_it(ours: Path, tmp_path: Path) -> None:
    """In a file that says the type; one that does not is judged as ever."""
    stored, info = load_grasps(ours)
    hand = load_hand("human16")
    joints = np.array(stored.joints)
    joints[:, [hand.active_names.index(n) for n in hand.active_names if "thumb" in n.lower()]] = 0.0
    pose = np.array(stored.hand_pose)
    pose[:, 2] += 0.2  # nobody touches: only what is asked of the thumb differs
    judged: dict[str, list[Any]] = {}
    for kind in ("hook", "wrap-grasp", ""):
        types = {"grasp_type": np.full(len(stored), kind, object)} if kind else {}
        told = replace(stored, hand_pose=pose, joints=joints).with_columns(types)
        folder = tmp_path / (kind or "none")
        folder.mkdir()
        write_dataset(folder, told, info)
        rows = [row for row in evaluate_file(str(folder)).rows if row["status"] == "ok"]
        assert not any(row["thumb_contact"] for row in rows)
        judged[kind] = [row["good"] for row in rows]
        assert [row.get("thumb_idle") for row in rows] == [{"hook": True, "": None}.get(kind, False)] * COUNT
    assert judged == {"hook": [True] * COUNT, "wrap-grasp": [False] * COUNT, "": [False] * COUNT}


def test_every_way_to_write(ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["eval", str(ours), "--out", str(tmp_path / "m")]) == 0
    said = capsys.readouterr().out
    assert "P.Dep (cm)" in said
    assert "empty_region: no answer" in said
    assert said.strip().splitlines()[-1].startswith("4 grasps measured, 1 failed")
    report = json.loads((tmp_path / "m/metrics.json").read_text())
    assert (report["measured"], report["failed"], report["format"]) == (COUNT, 1, "zdg")
    assert report["summary"]["p_dep_cm"]["count"] == COUNT
    assert report["summary"]["sim_suc"]["mean"] == COUNT / (COUNT + 1)  # a failed row is no success
    assert report["objects"][0]["name"] == "rod"
    assert report["diversity"]["rod"]["count"] == COUNT
    table = pq.read_table(tmp_path / "m/metrics.parquet")
    assert table.num_rows == COUNT + 1
    assert table["status"].to_pylist()[-1] == "empty_region"
    assert table["p_dep_cm"].to_pylist()[-1] is None
    page = (tmp_path / "m/metrics.md").read_text()
    assert "| P.Dep (cm) ↓ |" in page
    assert "## Diversity" in page


@pytest.mark.parametrize("kind", ["dexgraspbench", "dexgraspnet"])
def test_a_round_trip_measures_the_same(ours: Path, tmp_path: Path, kind: str) -> None:
    assert cli.main(["export", str(ours), "--format", kind, "--out", str(tmp_path / "e")]) == 0
    meshes = tmp_path / "e" / ("objects" if kind == "dexgraspbench" else "meshdata")
    before, after = evaluate_file(str(ours)), evaluate_file(str(tmp_path / "e"), objects=str(meshes))
    assert (after.format, after.hand, after.measured, after.failed) == (kind, "human16", COUNT, 0)
    again = {row["grasp_id"]: row for row in after.rows}
    for row in before.rows[:COUNT]:
        for name, value in row.items():
            if isinstance(value, float):
                assert again[row["grasp_id"]][name] == pytest.approx(value, rel=1e-3, abs=1e-3), name
            elif isinstance(value, bool | int):
                assert again[row["grasp_id"]][name] == value, name
    # the meshes of an export are found without being named: by the files' own obj_path, or in `meshdata`
    assert evaluate_file(str(tmp_path / "e")).measured == COUNT
    if kind == "dexgraspbench":
        found = read_grasps(str(tmp_path / "e"))
        np.testing.assert_allclose(found.pregrasp, 0.8 * found.joints, atol=1e-6)
        info = json.loads((meshes / "rod/info/simplified.json").read_text())
        assert info["mass"] == pytest.approx(1000 * ROD.volume, rel=0.05)


def named(folder: Path, mesh: trimesh.Trimesh, word: str | None, file: str = "simplified") -> Path:
    """One grasp of an object whose mesh file has a name that others have too."""
    folder.mkdir(parents=True)
    mesh.export(folder / f"{file}.stl")
    sha = mesh_sha256(check_mesh(trimesh.load_mesh(folder / f"{file}.stl", process=False), file)[0])
    hand = load_hand("human16")
    q = np.full(16, 0.1)
    row = {
        "task_id": "t", "object_id": file, "object_scale": 1.0, "mesh_sha256": sha, "hand": "human16",
        "task": "hold it", "reasoner": "offline", "status_reason": "", "seed": 0, "config_sha": "c",
        "code_version": "0", "calls": [], "grasp_id": f"t-{word}", "status": "ok",
        "hand_pose": np.array([0, 0.2, 0, 1.0, 0, 0, 0]), "joints": q, "pregrasp_joints": q,
        "squeeze_joints": q,
    }  # fmt: skip
    source = {"source": str(folder / f"{file}.stl"), "scale": 1.0, "up": None, "name": word}
    info = {"hand": "human16", "joint_names": list(hand.active_names), "objects": {file: source}}
    write_dataset(folder, grasps_of([row], hand.active_names), info)
    return folder


def test_objects_are_exported_under_their_names_and_never_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two meshes of one file name: by --name apart, by file name refused, the first left as it was."""
    out = tmp_path / "dgb"

    def run(source: Path, *more: str) -> int:
        return cli.main(["export", str(source), "--format", "dexgraspbench", "--out", str(out), *more])

    ball = trimesh.creation.icosphere(2, 0.04)
    assert run(named(tmp_path / "a", ROD, "rod")) == 0
    assert run(named(tmp_path / "b", ball, "a ball")) == 0
    assert {p.name for p in (out / "objects").iterdir()} == {"rod", "a_ball"}
    plain = named(tmp_path / "c", ROD, None)
    assert run(plain) == 0
    assert run(plain) == 0  # the same mesh again
    kept = (out / "objects/simplified/mesh/simplified.obj").read_bytes()
    files = sorted(out.rglob("*.npy"))
    other = named(tmp_path / "d", ball, None)
    capsys.readouterr()
    assert run(other) == 2
    assert "another object simplified" in capsys.readouterr().err
    assert (out / "objects/simplified/mesh/simplified.obj").read_bytes() == kept
    assert sorted(out.rglob("*.npy")) == files
    assert run(other, "--name", "ball2") == 0
    assert (out / "objects/ball2/mesh/simplified.obj").is_file()


def test_object_paths_of_an_export_hold_from_anywhere_and_after_a_move(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The benchmark runs in its own checkout; MuJoCo opens obj_path from there."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", str(ours), "--format", "dexgraspbench", "--out", "x/graspdata"]) == 0
    file = next((tmp_path / "x/graspdata/rod").glob("*.npy"))
    place = Path(np.load(file, allow_pickle=True).item()["obj_path"])
    assert place.is_absolute()
    assert (place / "urdf/meshes/convex_piece_000.obj").is_file()
    (tmp_path / "x").rename(tmp_path / "y")
    assert evaluate_file(str(tmp_path / "y/graspdata")).measured == COUNT


def test_shadow_survives_both_formats(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    palm, joints = writers.poses(3), np.random.default_rng(1).uniform(0, 0.3, size=(3, 22))
    writers.dexgraspnet(tmp_path / "in/core-rod-1.npy", palm, joints, scale=2.0)
    ROD.export(tmp_path / "in/core-rod-1.obj")
    want = read_grasps(str(tmp_path / "in"))
    for kind in ("dexgraspbench", "dexgraspnet"):
        place = tmp_path / kind
        assert cli.main(["export", str(tmp_path / "in"), "--format", kind, "--out", str(place)]) == 0
        got = read_grasps(str(place))
        np.testing.assert_allclose(got.hand_pose[:, :3], want.hand_pose[:, :3], atol=1e-6)
        np.testing.assert_allclose(np.abs((got.hand_pose * want.hand_pose)[:, 3:].sum(axis=1)), 1.0)
        np.testing.assert_allclose(got.joints, want.joints, atol=1e-9)
    mesh = trimesh.load_mesh(tmp_path / "dexgraspnet/meshdata/core-rod-1_x_2/coacd/decomposed.obj")
    np.testing.assert_allclose(mesh.extents, 2 * ROD.extents, rtol=1e-6)


def test_glb(ours: Path, tmp_path: Path) -> None:
    assert cli.main(["export", str(ours), "--format", "glb", "--out", str(tmp_path)]) == 0
    nodes = {name: set(s.graph.nodes_geometry) for name, s in scenes(tmp_path / "rod_grasps.glb").items()}
    assert nodes == {f"t-{i}": {"object", f"t-{i}"} for i in range(COUNT)}


def test_exports_of_one_folder_are_not_mixed(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each format has a folder of its own; a scene with hands in it is not taken for the object's mesh."""
    monkeypatch.chdir(tmp_path)
    for kind in ("glb", "dexgraspnet"):
        assert cli.main(["export", str(ours), "--format", kind]) == 0
        assert cli.main(["export", str(ours), "--format", kind, "--out", "both"]) == 0
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == ["dexgraspnet", "glb"]
    want = evaluate_file(str(ours)).means()["p_vol_cm3"]
    assert evaluate_file("both").means()["p_vol_cm3"] == pytest.approx(want, rel=1e-3, abs=1e-3)


def test_good_is_unknown_where_the_protocol_does_not_measure_it() -> None:
    row = {"grasp_id": "g", "object_id": "o", "category": None, "status": "ok", "status_reason": ""}
    pushed = EvalReport("f", "zdg", "human16", "six_force", "c", [{**row, "six_force_suc": True}])
    assert (pushed.good, pushed.to_json()["good"]) == (None, None)
    assert pushed.summary() == "1 grasps measured; mean six_force_suc 1"
    rows = [{**row, "p_dep_cm": 0.1, "good": good} for good in (True, False)]
    dropped = EvalReport("f", "zdg", "human16", "gravity", "c", rows)
    assert (dropped.good, dropped.to_json()["good"]) == (1, 1)
    assert dropped.summary().endswith("; 1 within the limits (no perturbed tests here)")


def test_a_missing_mesh_is_a_status_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "o/core-rod-1/coacd").mkdir(parents=True)
    joints = np.zeros((2, 22))
    for name in ("core-rod-1", "core-cup-2"):
        writers.dexgraspnet(tmp_path / f"g/{name}.npy", writers.poses(2), joints, scale=1.0)
    args = ["eval", str(tmp_path / "g"), "--objects", str(tmp_path / "o")]
    assert cli.main(args) == 2  # not one mesh: the folder is wrong
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("zdg:")]
    assert len(err) == 1
    assert "--objects" in err[0]
    ROD.export(tmp_path / "o/core-rod-1/coacd/decomposed.obj")
    assert cli.main([*args, "--out", str(tmp_path / "m.json")]) == 0
    report = json.loads((tmp_path / "m.json").read_text())
    assert [row["status"] for row in report["grasps"]] == ["no_object"] * 2 + ["ok"] * 2
    assert "core-cup-2" in report["grasps"][0]["status_reason"]
    assert {line["name"]: line["failed"] for line in report["categories"]} == {"cup": 2, "rod": 0}
    assert "core-cup-2" in capsys.readouterr().out


def test_affordpose_has_its_own_mesh_and_part(tmp_path: Path) -> None:
    box = trimesh.creation.box((0.06, 0.2, 0.06)).subdivide().subdivide()
    labels = np.where(box.vertices[:, 1] > -2, 5, 0)
    row = evaluate_file(str(writers.affordpose(tmp_path / "1.json", box, labels))).rows[0]
    assert row["part_acc"] == float(row["contact_5mm"])
    elsewhere = np.where(box.vertices[:, 1] > 2, 5, 3)
    row = evaluate_file(str(writers.affordpose(tmp_path / "2.json", box, elsewhere))).rows[0]
    assert "part_acc" not in row  # nothing carries the label


def test_up_turns_hand_and_mesh_together(tmp_path: Path) -> None:
    writers.dexgraspnet(tmp_path / "rod.npy", writers.poses(2), np.zeros((2, 22)), scale=1.0)
    ROD.export(tmp_path / "rod.obj")
    plain, turned = (evaluate_file(str(tmp_path / "rod.npy"), up=up) for up in (None, "z"))
    for a, b in zip(plain.rows, turned.rows, strict=True):
        assert a["p_vol_cm3"] == pytest.approx(b["p_vol_cm3"], abs=1e-3)
        assert a["contact_gap_cm"] == pytest.approx(b["contact_gap_cm"], abs=1e-3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["eval", "FILE", "--objects", "nowhere"], "--objects"),
        (["eval", "FILE", "--hand", "shadow"], "human16"),
        (["eval", "FILE", "--up", "z"], "--up"),
        (["eval", "FILE", "--up", "w"], "x, y or z"),
        (["eval", "FILE", "--out", "x.txt"], ".json, .parquet or .md"),
        (["eval", "FILE", "--protocol", "shake"], "gravity"),
        (["export", "FILE", "--format", "urdf"], "dexgraspbench, dexgraspnet, glb"),
        (["export", "missing.npy", "--format", "glb"], "no file"),
    ],
)
def test_one_line_and_exit_2(
    ours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    args: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert cli.main([str(ours) if a == "FILE" else a for a in args]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert said in lines[0]
