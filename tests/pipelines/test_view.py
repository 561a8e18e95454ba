"""`zdg view`: filters, the hand's way, what the page shows; the page in a browser where there is one."""

from __future__ import annotations

import importlib.util
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from pipelines import cli
from pipelines.dataset import write_dataset
from pipelines.export import export
from pipelines.hand import LIFT, at_stage
from pipelines.report.table import Seen, chosen, ordered, view_files
from tests import browser as chromium
from tests.test_grasps import TASK
from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.paint import plain
from zdg_jax.refine.energies import TERMS

COLUMNS = {
    "good": np.array([1.0, 0.0, np.nan, 1.0]),
    "p_dep_cm": np.array([0.3, 0.1, 0.05, np.nan]),
    "grasp_type": np.array(["lift", "press", "lift", "twist"], object),
}


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("good", [0, 3]),
        ("not good", [1, 2]),
        ("p_dep_cm < 0.2", [1, 2]),
        ("good and p_dep_cm >= 0.3", [0]),
        ("grasp_type = lift, p_dep_cm<0.1", [2]),
        ("grasp_type != 'lift'", [1, 3]),
        ("good = true", [0, 3]),
    ],
)
def test_a_filter_keeps_what_meets_all_terms(where: str, rows: list[int]) -> None:
    assert np.flatnonzero(chosen(COLUMNS, where)).tolist() == rows


@pytest.mark.parametrize("where", ["depth < 1", "p_dep_cm <", "p_dep_cm < deep", "good or bad"])
def test_a_bad_filter_says_what_is_valid(where: str) -> None:
    with pytest.raises(UserError, match=r"p_dep_cm|a number"):
        chosen(COLUMNS, where)


def test_an_object_keeps_its_own_colours(tmp_path: Path) -> None:
    mesh = trimesh.creation.box(extents=(0.04, 0.06, 0.05))
    mesh.visual = trimesh.visual.ColorVisuals(mesh, face_colors=np.tile([[200, 30, 10, 255]], (12, 1)))
    mesh.export(tmp_path / "red.ply")
    obj = load_object(str(tmp_path / "red.ply"))
    seen = Seen(np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces), obj.face_part, obj.paint)
    some = np.arange(len(seen.faces)) % 2 == 0
    own = seen.painted(some)
    assert own is not None
    np.testing.assert_allclose(own.triangles, np.asarray(obj.mesh.triangles)[some])
    linear = trimesh.visual.color.to_rgba(np.array([0.577, 0.013, 0.003]))[:3]  # of 200, 30, 10 in sRGB
    assert np.abs(np.asarray(own.visual.vertex_colors)[:, :3].astype(int) - linear).max() <= 1
    assert Seen(seen.vertices, seen.faces, None).painted(some) is None


def test_missing_values_come_last_either_way() -> None:
    assert ordered(COLUMNS, "p_dep_cm").tolist() == [2, 1, 0, 3]
    assert ordered(COLUMNS, "p_dep_cm", descending=True).tolist() == [0, 1, 2, 3]
    assert ordered(COLUMNS, "grasp_type").tolist() == [0, 2, 1, 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three grasps of a stick as `zdg synth` writes them; the second has no closing, the third no pose."""
    from zdg_jax.objects import load_object

    out = tmp_path_factory.mktemp("view") / "stick"
    out.mkdir()
    mesh = out / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(mesh)
    obj, hand = load_object(str(mesh)), load_hand("human16")
    n = 3
    pose = np.tile([0.0, 0.0, 0.08, 1.0, 0.0, 0.0, 0.0], (n, 1))
    joints = np.tile(hand.grasp_types["lift"].joints, (n, 1))
    away, squeeze = pose + np.eye(7)[2] * 0.05, joints + 0.1
    away[1], squeeze[1] = np.nan, np.nan
    pose[2] = np.nan
    told = {
        **TASK,
        "object_id": obj.object_id,
        "mesh_sha256": obj.mesh_sha256,
        "part_ids": (int(obj.face_part[0]),),
    }
    told |= {"contact_points": np.array([[0.015, 0.0, 0.0], [-0.015, 0.0, 0.0]])}
    grasps = Grasps.of(
        hand.name, hand.active_names, pose, joints, status=["ok", "ok", "refine_nan"],
        pregrasp_pose=away, pregrasp=joints - 0.1, squeeze=squeeze, tasks=(told,),
        columns={
            "start": np.arange(n), "rank": np.array([0.0, 1.0, np.nan]),
            "p_dep_cm": np.array([0.2, 0.1, np.nan]),
            "good": np.array([0.0, 1.0, np.nan]), **{f"energy.{t}": np.ones(n) for t in TERMS},
        },
    )  # fmt: skip
    source = {"source": str(mesh), "scale": 1.0, "up": None, "name": "stick"}
    info = {"hand": hand.name, "joint_names": list(hand.active_names), "objects": {obj.object_id: source}}
    write_dataset(out, grasps, info)
    return out


def test_the_way_goes_through_pregrasp_grasp_squeeze_and_lift(folder: Path) -> None:
    (file,) = view_files([str(folder)])
    grasps = file.grasps
    at = {t: at_stage(grasps, 0, t) for t in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)}
    np.testing.assert_allclose(at[0.0].pose, grasps.pregrasp_pose[0], atol=1e-6)
    np.testing.assert_allclose(at[0.5].pose[2], 0.105, atol=1e-6)
    np.testing.assert_allclose(at[1.0].pose, grasps.hand_pose[0], atol=1e-6)
    np.testing.assert_allclose(at[1.5].joints, grasps.joints[0] + 0.05, atol=1e-6)
    np.testing.assert_allclose(at[2.0].joints, grasps.squeeze[0], atol=1e-6)
    assert [a.lift for a in at.values()] == [0, 0, 0, 0, 0, LIFT]
    np.testing.assert_allclose(at_stage(grasps, 1, 0.0).pose, grasps.hand_pose[1])  # no pregrasp: the grasp
    np.testing.assert_allclose(at_stage(grasps, 1, 2.0).joints, grasps.joints[1])


def test_one_table_of_every_format(folder: Path, tmp_path: Path) -> None:
    assert export(str(folder), "dexgraspbench", str(tmp_path / "dexgraspbench")).written == 2
    ours, theirs = view_files([str(folder), str(tmp_path / "dexgraspbench")])
    assert (len(ours), len(theirs)) == (3, 2)
    assert {"good", "p_dep_cm", "task", "energy.pen"} <= set(ours.columns)
    assert set(theirs.columns) == {"grasp_id", "object_id", "status"}
    assert ours.parts[0]
    assert np.isfinite(ours.points[0]).all()
    np.testing.assert_allclose(theirs.grasps.hand_pose[0, :3], ours.grasps.hand_pose[0, :3], atol=1e-5)


def test_without_viser_it_says_what_to_install(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "viser", None)
    assert cli.main(["view", str(folder)]) == 2
    assert "pip install 'zdg-jax[view]'" in capfd.readouterr().err


@pytest.fixture
def viewer(folder: Path) -> Iterator[Any]:
    pytest.importorskip("viser", reason="the extra `view`")
    from pipelines.report.serve import start

    made = start([str(folder), str(folder)], port=18080)
    yield made
    made.server.stop()


needs_browser = pytest.mark.skipif(
    chromium.found() is None or importlib.util.find_spec("websockets") is None, reason="no Chromium here"
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_follows_its_controls(viewer: Any) -> None:
    server = viewer.server
    with urllib.request.urlopen(f"http://127.0.0.1:{server.get_port()}") as page:
        assert b"<html" in page.read().lower()
    scene, part = server.scene, viewer.files[0].parts[0][0]
    assert len(viewer.rows) == 6
    for name in (f"/object/part {part}", "/hand", "/points/thumb"):
        assert scene.get_handle_by_name(name) is not None, name
    before = scene.get_handle_by_name("/hand").vertices.copy()
    viewer.time.value = 3.0
    viewer.draw()
    hand = scene.get_handle_by_name("/hand")
    assert hand.position[1] == pytest.approx(LIFT)
    assert scene.get_handle_by_name(f"/object/part {part}").position[1] == pytest.approx(LIFT)
    assert np.abs(hand.vertices - before).max() > 1e-3
    seen = viewer.objects.of(viewer.files[0], viewer.files[0].grasps.object_key[0])
    place = next(key for key, known in viewer.objects._known.items() if known is seen)
    viewer.show["contact region"].value = False
    for paint, kind in ((plain(len(seen.faces)), "GlbHandle"), (None, "MeshHandle")):
        viewer.objects._known[place] = replace(seen, paint=paint)
        viewer.draw()
        rest = scene.get_handle_by_name("/object/rest")
        assert (type(rest).__name__, rest.position[1]) == (kind, pytest.approx(LIFT))
    viewer.show["contact region"].value = True
    viewer.go(1)
    assert "2 of 6" in viewer.panel.content
    viewer.go(1)
    assert scene.get_handle_by_name("/hand") is None  # a row without a pose
    assert "refine_nan" in viewer.panel.content
    viewer.where.value = "good"
    viewer.choose()
    assert viewer.rows == [(0, 1), (1, 1)]
    viewer.where.value = "nothing < 1"
    viewer.choose()
    assert "nothing" in viewer.panel.content
    assert viewer.rows == [(0, 1), (1, 1)]
    viewer.where.value, viewer.sort.value = "", "p_dep_cm"
    viewer.choose()
    assert viewer.rows[0] == (0, 1)
    viewer.show["hand"].value = False
    viewer.draw()
    assert scene.get_handle_by_name("/hand") is None


@pytest.mark.slow
@needs_browser
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_page_in_a_browser(viewer: Any) -> None:
    with chromium.browser() as page:
        page.open(f"http://127.0.0.1:{viewer.server.get_port()}")
        page.until("document.querySelectorAll('canvas').length > 0")
        page.until("document.body.innerText.includes('1 of 6')")
        page.run("document.activeElement.blur()")
        page.key("n")
        page.until("document.body.innerText.includes('2 of 6')")
        page.key("p")
        page.until("document.body.innerText.includes('1 of 6')")
        assert page.errors == []
