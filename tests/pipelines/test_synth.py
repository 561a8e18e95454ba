"""The whole line with real objects, reasoning, pictures and files; refinement and simulation are fakes here.

The real ones run in `test_the_real_line` (slow) and in their own packages' tests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from pipelines import cli
from pipelines.dataset import read_dataset
from pipelines.options import SynthOptions
from pipelines.runtime import start_jax
from pipelines.stages import refine as stage
from pipelines.synth import synth
from tests.pipelines.glb import scenes
from zdg_jax.arrow import array
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.protocol import Answer, Question, ReasonerError
from zdg_jax.refine import Task
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.starts import jittered

LOST = 2
real = stage.refine_many


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mesh") / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(path)
    return path


def fake_refine(hand: HandModel, tasks: Sequence[Task], **_: object) -> list[Grasps]:
    """The starts themselves; energy falls with the index, and one is lost."""
    (task,) = tasks
    grasp, num = task.grasp, task.num
    assert grasp.initial is not None
    pose, joints = jittered(hand, grasp.initial, num, task.seed, RefineConfig())
    energy = np.arange(num, 0.0, -1.0)
    status = ["refine_nan" if i == LOST else "ok" for i in range(num)]
    made = Grasps.of(
        hand.name, hand.active_names, pose, joints, status=status,
        status_reason=["" if s == "ok" else "became non-finite" for s in status],
        columns={
            "start": np.arange(num), "init_pose": pose, "init_joints": joints, "energy_total": energy,
            "score": energy, **{f"energy.{term}": energy / len(TERMS) for term in TERMS},
        },
    )  # fmt: skip
    return [made]


def fake_evaluate(
    hand: HandModel,
    obj: ObjectModel,
    pose: np.ndarray,
    joints: np.ndarray,
    protocol: str = "gravity",
    **_: object,
) -> dict[str, np.ndarray]:
    """Depth by the palm's distance, so that measures differ and depend on the grasp alone."""
    far = np.linalg.norm(pose[:, :3], axis=1)
    moved = np.where(np.arange(len(far)) % 2 == 0, 0.5, 5.0)
    return {
        "p_dep_cm": far,
        "p_dep_object_cm": far,
        "p_vol_cm3": 2 * far,
        "sim_dis_cm": moved,
        "sim_suc": moved < 2,
        "contact_end": np.ones(len(far), bool),
        "status": np.full(len(far), "ok"),
        "status_reason": np.full(len(far), ""),
        "p_vol_method": np.full(len(far), "exact"),
    }


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "refine_many", fake_refine)
    for name in ("sim_eval.select.select.evaluate", "pipelines.evaluate.evaluate"):
        monkeypatch.setattr(name, fake_evaluate)
    monkeypatch.setattr("sim_eval.select.select.measure_shape", fake_evaluate)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return read_dataset(folder)[0].to_pylist()


@pytest.mark.usefixtures("fakes")
def test_every_file_is_there_and_agrees(stick: Path, tmp_path: Path) -> None:
    result = synth(
        SynthOptions(str(stick), "lift it", str(tmp_path), num=9, keep=2, name="stick", select="gravity")
    )
    for name in (
        "grasps.parquet",
        "dataset_info.json",
        "trace.json",
        "report.html",
        "grasps.png",
        "scene.glb",
    ):
        assert (tmp_path / name).stat().st_size > 0
    trace = json.loads((tmp_path / "trace.json").read_text())
    shown = {name for stage in trace["stages"] for name in stage["images"]}
    assert shown <= {p.name for p in (tmp_path / "views").iterdir()}
    page = (tmp_path / "report.html").read_text()
    assert 'src="http' not in page
    assert "lift it" in page
    seen = {name: set(s.graph.nodes_geometry) for name, s in scenes(tmp_path / "scene.glb").items()}
    assert seen == {f"grasp_{n}": {"object", f"grasp_{n}"} for n in (1, 2)}

    rows = rows_of(tmp_path)
    assert [row["rank"] for row in rows] == [0, 1, None]
    assert [row["status"] for row in rows] == ["ok", "ok", "refine_nan"]
    assert len({row["grasp_id"] for row in rows}) == 3
    assert rows[2]["p_dep_cm"] is None
    assert result.failed == 1
    assert "2 grasps kept" in result.summary()
    kept = rows[:2]
    assert all(row["sim_suc"] for row in kept)
    assert all(row["initial_p_vol_cm3"] == pytest.approx(row["p_vol_cm3"]) for row in kept)
    assert kept[0]["energy_total"] <= kept[1]["energy_total"]
    assert {call["stage"] for call in kept[0]["calls"]} == {stage["stage"] for stage in trace["stages"]}

    table, info = read_dataset(tmp_path)
    assert info["joint_names"] == list(load_hand("human16").active_names)
    assert info["objects"][rows[0]["object_id"]]["source"] == str(stick)
    assert array(table, "joints").shape == (3, 16)


@pytest.mark.usefixtures("fakes")
@pytest.mark.slow
def test_same_seed_same_grasps_and_another_seed_others(stick: Path, tmp_path: Path) -> None:
    tables = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        synth(
            SynthOptions(
                str(stick), "lift it", str(tmp_path / name), num=6, keep=2, seed=seed, select="gravity"
            )
        )
        tables.append([{k: v for k, v in row.items() if k != "calls"} for row in rows_of(tmp_path / name)])
    assert str(tables[0]) == str(tables[1])  # NaN is NaN
    assert tables[0][0]["hand_pose"] != tables[2][0]["hand_pose"]
    assert tables[0][0]["task_id"] == tables[2][0]["task_id"]
    assert not {row["grasp_id"] for row in tables[0]} & {row["grasp_id"] for row in tables[2]}


class Silent:
    """A provider that never answers."""

    name = "offline"

    async def ask(self, question: Question) -> Answer:
        raise ReasonerError("refused", "no comment")


@pytest.mark.usefixtures("fakes")
def test_a_task_that_fails_leaves_its_row_and_its_report(
    stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("zdg_jax.api.make_reasoner", lambda name, **_: Silent())
    assert cli.main(["synth", str(stick), "lift it", "--select", "gravity", "--out", str(tmp_path)]) == 1
    assert "no grasp" in capsys.readouterr().out
    (row,) = rows_of(tmp_path)
    assert row["status"] == "other"  # of a reasoner of somebody else
    assert row["status_reason"].startswith("refused: ")
    assert "no comment" in row["status_reason"]
    assert np.isnan(row["hand_pose"]).all()
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "grasps.png").exists()


@pytest.mark.usefixtures("fakes")
def test_a_task_that_cannot_be_refined_is_a_failed_task(
    stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_region(hand: HandModel, tasks: Sequence[Task], **more: Any) -> list[Grasps]:
        none = np.zeros(len(tasks[0].obj.samples.points), dtype=bool)
        guidance = ContactGuidance(none, none, None, (1,), (1,))
        empty = [replace(task, grasp=replace(task.grasp, guidance=guidance)) for task in tasks]
        return real(hand, empty, **more)

    monkeypatch.setattr(stage, "refine_many", no_region)
    assert (
        cli.main(
            [
                "synth",
                str(stick),
                "lift it",
                "--select",
                "gravity",
                "--num",
                "3",
                "--keep",
                "2",
                "--out",
                str(tmp_path),
            ]
        )
        == 1
    )
    said = capsys.readouterr().out
    assert "no grasp, 3 failed: empty_region: got an empty contact region" in said
    rows = rows_of(tmp_path)
    assert [row["status"] for row in rows] == ["empty_region"] * 3
    assert all("expected at least one" in row["status_reason"] for row in rows)
    assert all(np.isnan(row["hand_pose"]).all() and row["energy_total"] is None for row in rows)
    assert all(np.isfinite(row["init_pose"]).all() for row in rows)
    assert (tmp_path / "report.html").exists()


@pytest.mark.usefixtures("fakes")
def test_an_object_that_cannot_be_simulated_keeps_its_rows_with_a_status(
    stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **_: Any) -> dict[str, np.ndarray]:
        columns = fake_evaluate(*args)
        n = len(columns["status"])
        no = {
            "sim_dis_cm": np.full(n, np.nan),
            "contact_end": np.zeros(n, bool),
            "sim_suc": np.zeros(n, bool),
        }
        return {**columns, **no, "status": np.full(n, "bad_object"), "status_reason": np.full(n, "too thin")}

    monkeypatch.setattr("sim_eval.select.select.evaluate", refuse)
    result = synth(SynthOptions(str(stick), "lift it", str(tmp_path), num=4, keep=2, select="gravity"))
    assert (result.succeeded, result.num_good, result.failed, result.status) == (0, 0, 3, "bad_object")
    rows = rows_of(tmp_path)
    assert [row["status"] for row in rows] == ["bad_object", "bad_object", "refine_nan"]
    assert rows[0]["status_reason"] == "too thin"
    assert rows[0]["sim_dis_cm"] is None
    assert rows[0]["p_dep_cm"] is not None
    assert (tmp_path / "grasps.png").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_eval_measures_again_what_synth_wrote(
    stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synth(SynthOptions(str(stick), "lift it", str(tmp_path), num=4, keep=2, select="gravity"))
    metrics = tmp_path / "metrics.json"
    assert cli.main(["eval", str(tmp_path / "grasps.parquet"), "--out", str(metrics)]) == 0
    assert "2 grasps measured, 1 failed" in capsys.readouterr().out
    report = json.loads(metrics.read_text())
    assert report["measured"] == 2
    by_id = {row["grasp_id"]: row for row in rows_of(tmp_path)}
    assert [grasp["status"] for grasp in report["grasps"]] == ["ok", "ok", "refine_nan"]
    for grasp in report["grasps"][:2]:
        assert grasp["p_dep_cm"] == pytest.approx(by_id[grasp["grasp_id"]]["p_dep_cm"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_a_home_that_cannot_be_written_is_enough(
    stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("ZDG_CACHE_DIR")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    start_jax()  # leaves the tests' own cache of compiled functions as it is
    out = tmp_path / "out"
    assert (
        cli.main(
            [
                "synth",
                str(stick),
                "lift it",
                "--select",
                "gravity",
                "--out",
                str(out),
                "--num",
                "4",
                "--keep",
                "2",
            ]
        )
        == 0
    )
    assert sum(row["rank"] is not None for row in rows_of(out)) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("fakes")
def test_eval_refuses_a_mesh_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = tmp_path / "box.stl"
    trimesh.creation.box((0.03, 0.03, 0.15)).export(mesh)
    synth(SynthOptions(str(mesh), "lift it", str(tmp_path / "out"), num=4, keep=2, select="gravity"))
    trimesh.creation.box((0.04, 0.03, 0.15)).export(mesh)
    capsys.readouterr()
    assert cli.main(["eval", str(tmp_path / "out")]) == 2
    assert "other contents" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_line(stick: Path, tmp_path: Path) -> None:
    result = synth(SynthOptions(str(stick), "lift it", str(tmp_path), num=16, keep=4))
    assert result.status == "ok"
    rows = rows_of(tmp_path)
    assert sum(row["rank"] is not None for row in rows) == 4
    kept = [row for row in rows if row["rank"] is not None]
    before, after = (np.mean([row[name] for row in kept]) for name in ("initial_p_vol_cm3", "p_vol_cm3"))
    assert after <= max(before, 0.5)
    assert cli.main(["eval", str(tmp_path), "--out", str(tmp_path / "metrics.json")]) == 0
    again = {g["grasp_id"]: g for g in json.loads((tmp_path / "metrics.json").read_text())["grasps"]}
    for row in kept:
        # Poses are stored as float32.
        assert again[row["grasp_id"]]["p_dep_cm"] == pytest.approx(row["p_dep_cm"], abs=1e-3)
        assert again[row["grasp_id"]]["contact_end"] == row["contact_end"]
