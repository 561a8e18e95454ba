"""The benchmark of simulation, on boxes and in C."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.cli import main
from sim_eval.bench.sim import SimBench, bench_sim, compare, show_sim
from sim_eval.bench.tasks import GraspSet, read_set, write_set
from tests.sim_eval.simulation import SHAPES, human16, shape, wrapped
from zdg_jax.errors import UserError


def small_set() -> GraspSet:
    pose, joints = wrapped(human16(), SHAPES)
    objects = tuple(shape(n) for n in SHAPES)
    return GraspSet(human16(), SHAPES, objects, np.arange(4), pose, joints, np.zeros(4))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sets") / "set.npz"
    write_set(small_set(), path)
    return path


def test_a_file_holds_the_set(file: Path) -> None:
    want, got = small_set(), read_set(file)
    assert (got.hand, got.names) == (want.hand, want.names)
    np.testing.assert_array_equal(got.hand_pose, want.hand_pose)
    for a, b in zip(want.objects, got.objects, strict=True):
        for p, q in zip(a.pieces, b.pieces, strict=True):
            np.testing.assert_array_equal(p, q)
        np.testing.assert_array_equal(a.inertial.inertia, b.inertial.inertia)


def test_a_batch_takes_all_objects_in_turn() -> None:
    many = small_set().repeated(10)
    assert many.index.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert len(small_set().spread(100).index) == 4


@pytest.mark.slow
def test_report() -> None:
    options = SimBench(backends=("c",), protocols=("gravity", "six_force"), batches=(8,), repeats=1)
    report = bench_sim(options, small_set())
    json.dumps(report)
    gravity, six = report["runs"]
    assert gravity["objects"] == 4
    assert gravity["ok"] == six["ok"] == 1.0
    assert gravity["steps_a_grasp"] == 35
    assert 200 < six["steps_a_grasp"] <= 3200
    assert six["grasps_per_s"] == pytest.approx(six["steps_per_s"] / six["steps_a_grasp"])
    assert "six_force" in show_sim(report)


def test_warp_is_left_out_where_it_cannot_run() -> None:
    options = SimBench(backends=("warp", "c"), protocols=("gravity",), batches=(4,), repeats=1)
    report = bench_sim(options, small_set())
    assert "CUDA" in report["notes"][0]
    assert {run["backend"] for run in report["runs"]} == {"c"}
    with pytest.raises(UserError, match="no backend"):
        bench_sim(SimBench(backends=("warp",)), small_set())


def test_differences_are_counted_and_listed() -> None:
    def result(success: list[bool], move: list[float]) -> dict:
        return {
            "success": np.array(success), "move": np.array(move), "depth": np.zeros(3),
            "status": np.array(["ok"] * 3), "seconds": 1.0, "cpu_seconds": 1.0,
        }  # fmt: skip

    a, b = (
        result([True, False, True], [0.001, 0.05, 0.002]),
        result([True, True, True], [0.0011, 0.05, 0.006]),
    )
    got = compare(a, b, ("x", "y"), np.array([0, 0, 1]))
    assert got["agree"] == pytest.approx(2 / 3)
    assert got["median_mm"] == pytest.approx(0.1)
    assert [row["row"] for row in got["rows"]] == [1, 2]
    assert got["rows"][1]["object"] == "y"


def test_command_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim.json"
    words = ["bench", "sim", "--objects", str(file), "--backends", "c", "--protocols", "gravity"]
    assert main([*words, "--batches", "4", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["runs"][0]["batch"] == 4
    assert "grasps/s" in capsys.readouterr().out
    assert main(["bench", "sim"]) == 2
    assert "--prepare" in capsys.readouterr().err
    assert main(["bench", "sim", "--objects", str(tmp_path / "no.npz")]) == 2
    assert main([*words, "--batches", "many"]) == 2
