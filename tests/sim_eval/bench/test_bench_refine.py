"""The benchmarks as a user calls them, on two small objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from pipelines import cli
from sim_eval.bench.paths import compared
from sim_eval.bench.refine import PATHS, RefineBench
from sim_eval.bench.tasks import FUNC_RADIUS, HAND_RADIUS, PALM_OFF, bench_objects, bench_specs, bench_tasks
from zdg_jax.errors import UserError
from zdg_jax.hands import HAND_NAMES, load_hand
from zdg_jax.refine.problem import NO_POINT, build_problem

FIGURES = {
    "grasps", "steps", "devices", "compile_s", "compilations", "compilations_after_first_run", "run_s",
    "run_cpu_s", "grasps_per_s", "host_s", "step_ms", "step_grasps", "grasp_steps_per_s", "peak_device_bytes",
    "peak_host_bytes", "energy", "roofline", "ratio_to_pairwise",
}  # fmt: skip


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("meshes")
    trimesh.creation.box((0.05, 0.05, 0.12)).export(folder / "box.stl")
    trimesh.creation.cylinder(radius=0.02, height=0.15, sections=32).export(folder / "rod.stl")
    return f"{folder / 'box.stl'},{folder / 'rod.stl'}"


def _small(meshes: str, *options: str) -> list[str]:
    counts = ["--objects", "2", "--grasps", "8", "--seeds", "4", "--steps", "3", "--meshes", meshes]
    return ["bench", "refine", *counts, *options]


@pytest.mark.slow
def test_every_path_that_runs_here_is_measured(
    meshes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(_small(meshes, "--pairwise-grasps", "4", "--json", str(tmp_path / "x.json"))) == 0
    report: dict[str, Any] = json.loads((tmp_path / "x.json").read_text())
    assert set(report) == {"machine", "ceilings", "tasks", "paths", "notes"}
    assert set(report["paths"]) == {"pairwise", "xla"}
    for row in report["paths"].values():
        assert set(row) >= FIGURES
        assert row["compilations_after_first_run"] == 0
        assert row["energy"]["grasps"] == 4
        assert 0.0 < row["roofline"]["share_of_fp32"] < 1.0
    # three steps apart from the same starts
    assert report["paths"]["xla"]["energy"]["ratio"] == pytest.approx(1.0, abs=0.05)
    said = capsys.readouterr().out
    assert "no kernel path: it needs a CUDA device, this is cpu" in said
    assert "pairwise" in said


@pytest.mark.slow
def test_scale_is_one_call(meshes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(_small(meshes, "--scale-test", "--json", str(tmp_path / "x.json"))) == 0
    scale = json.loads((tmp_path / "x.json").read_text())["scale"]
    assert (scale["objects"], scale["grasps"], scale["compilations_after_first_chunk"]) == (2, 8, 0)
    assert sum(scale["status"].values()) == 8
    assert set(scale["shapes_compiled"].values()) <= {0, 1}  # 0 where a test before this one compiled it
    assert "grasps_per_s" in capsys.readouterr().out


def test_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--objects", "077_rubiks_cube", "--points", "500", "--json", str(tmp_path / "x.json")]
    assert cli.main(["bench", "fields", *options]) == 0
    report = json.loads((tmp_path / "x.json").read_text())
    assert report["summary"]["objects"] == len(report["objects"]) == 1
    assert "077_rubiks_cube" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("refine", "--paths", "xla,cuda9"), ", ".join(PATHS)),
        (("refine", "--paths", "kernel"), "CUDA"),
        (("refine", "--paths", ","), ", ".join(PATHS)),
        (("refine", "--hand", "claw"), ", ".join(HAND_NAMES)),
        (("refine", "--devices", "0"), "--devices"),
        (("refine", "--devices", "many"), "--devices"),
        (("refine", "--steps", "0"), "--steps"),
        (("refine", "--objects", "9999"), "scales"),
        (("refine", "--objects", "4", "--grasps", "3"), "--grasps"),
        (("refine", "--grasps", "64", "--pairwise-grasps", "65"), "--pairwise-grasps"),
        (("refine", "--meshes", "missing.stl", "--objects", "1"), "missing.stl"),
        (("refine", "--scale-test"), "accelerator"),
        (("fields", "--objects", "no_such_scan"), "no_such_scan"),
        (("fields", "--points", "0"), "--points"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    capfd: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert cli.main(["bench", *options]) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("zdg bench")]
    assert len(lines) == 1
    assert said in lines[0]


def test_tasks_are_dealt_evenly_and_differ(meshes: str) -> None:
    hand = load_hand("human16")
    objects = bench_objects(bench_specs(2, tuple(meshes.split(","))))
    tasks = bench_tasks(hand, objects, 21, 4)
    again = bench_tasks(hand, objects, 21, 4)
    assert sum(t.num for t in tasks) == 21
    assert {t.num for t in tasks} <= {3, 4}
    assert [t.obj.object_id for t in tasks].count("box") == len(tasks) / 2
    kinds = {t.grasp.initial.grasp_type for t in tasks if t.grasp.initial}
    assert len(kinds) == min(len(tasks), len(hand.grasp_types))
    for task, same in zip(tasks, again, strict=True):
        assert task.starts is not None
        assert same.starts is not None
        np.testing.assert_array_equal(task.starts[0], same.starts[0])
        initial, guidance = task.grasp.initial, task.grasp.guidance
        assert initial is not None
        assert guidance is not None
        R, points = initial.R_obj_palm, task.obj.samples.points
        np.testing.assert_allclose(R.T @ R, np.eye(3), atol=1e-12)
        assert np.linalg.det(R) > 0
        middle = initial.p_obj_palm + PALM_OFF * R[:, 2]
        away = np.linalg.norm(points - middle, axis=1)
        assert away.min() < 1e-9
        np.testing.assert_array_equal(guidance.hand_mask, away < HAND_RADIUS)
        np.testing.assert_array_equal(guidance.func_mask, away < FUNC_RADIUS)
        assert guidance.p_obj_points is None


def test_many_objects_are_meshes_at_several_scales() -> None:
    specs = bench_specs(200)
    assert len(set(specs)) == 200
    assert len({name for name, _ in bench_specs(8)}) == 8
    with pytest.raises(UserError, match="scales"):
        bench_specs(4, ("a.stl",))


def test_energies_are_compared_start_by_start() -> None:
    reference = np.array([1.0, 2.0, 3.0, np.nan])
    got = compared(np.array([1.005, 2.0, 3.3, 1.0]), reference)
    assert got["ratio"] == pytest.approx(6.305 / 6.0)
    assert got["not_worse"] == pytest.approx(2 / 3)
    assert got["ratio_ci95"][0] <= got["ratio"] <= got["ratio_ci95"][1]


def test_key_points_are_where_the_fingers_may_touch(meshes: str) -> None:
    """And change nothing else of a task; they work because the measure asks for several hypotheses."""
    hand = load_hand("human16")
    objects = bench_objects(bench_specs(2, tuple(meshes.split(","))))
    plain, pointed = (bench_tasks(hand, objects, 8, 4, points=points) for points in (False, True))
    for one, other in zip(plain, pointed, strict=True):
        assert one.starts is not None
        assert other.starts is not None
        np.testing.assert_array_equal(one.starts[0], other.starts[0])
        assert other.grasp.guidance is not None
        points = other.grasp.guidance.p_obj_points
        assert points is not None
        allowed = other.obj.samples.points[other.grasp.guidance.func_mask]
        assert all((np.abs(allowed - point).max(axis=1) == 0).any() for point in points)
        assert np.linalg.norm(points[0] - points[1]) > 0.005
        problem = build_problem(hand, other.obj, other.grasp, RefineBench(points=True).config)
        assert (problem.key_points[3] < NO_POINT).sum() == 2
        papers = build_problem(hand, other.obj, other.grasp, RefineBench().config)
        assert (papers.key_points[3] == NO_POINT).all()
