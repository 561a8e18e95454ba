"""The command itself: other methods' grasps in the default run, the whole line in the slow one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.benchmark.__main__ import main
from pipelines.benchmark.group import Bench, Group, given_view
from pipelines.benchmark.methods import read_method
from pipelines.benchmark.unit import UnitOptions, judge_of, judge_units, stored_unit, unit_key, unit_path
from sim_eval.benchmark.instructions import instructions
from zdg_jax.api import make_reasoner
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.parts.named import with_named_parts
from zdg_jax.reasoning.protocol import Answer, Call, ReasonerError
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface, side_views, visible_pixels

MUG = next(i for i in instructions("zoo") if i.id == "zoo-mug-0")


def grasp_file(path: Path, **changes: object) -> Path:
    hand = load_hand("human16")
    names = list(hand.active_names)[::-1]
    arrays = {
        "instruction": np.array([MUG.id] * 2),
        "hand_pose": np.array([[0.0, 0.05, 0.3, 1.0, 0, 0, 0], [0.0, 0.05, 5.0, 1.0, 0, 0, 0]]),
        "joints": np.tile(np.linspace(0, 0.1, len(names)), (2, 1)),
        "joint_names": np.array(names),
        "hand": np.array("human16"),
    } | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})  # type: ignore[arg-type]
    return path


def test_joints_are_read_by_name(tmp_path):
    found = read_method(f"theirs={grasp_file(tmp_path / 'a.npz')}")
    pose, joints = found.grasps[MUG.id]
    assert found.name == "theirs"
    assert pose.shape == (2, 7)
    np.testing.assert_allclose(joints[0], np.linspace(0, 0.1, 16)[::-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hand": None}, "without 'hand'"),
        ({"joints": np.zeros((2, 3))}, "one row a grasp"),
        ({"joint_names": np.array([f"j{i}" for i in range(16)])}, "joint 'j0'.*rename"),
    ],
)
def test_wrong_grasp_files_are_explained(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_method(f"theirs={grasp_file(tmp_path / 'a.npz', **changes)}")
    with pytest.raises(UserError, match=r"NAME=PATH"):
        read_method("theirs.npz")
    with pytest.raises(UserError, match="readable"):
        read_method("theirs=nowhere.npz")


@pytest.mark.slow
def test_other_methods_are_measured_once_and_reported(tmp_path, capsys):
    file = grasp_file(tmp_path / "a.npz")
    given = ["--set", "zoo", "--rows", "", "--methods", f"theirs={file}", "--only", "mug-0", "mug-1"]
    given += ["--out", str(tmp_path / "out"), "--pictures", "1"]
    assert main(given) == 0
    assert "| theirs |" in capsys.readouterr().out
    units = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "out/units/theirs").glob("*.json")}
    assert units["zoo-mug-1"]["status"] == "no_grasp"
    near, far = units["zoo-mug-0"]["grasps"]
    assert far["part_acc"] == 0.0
    assert not far["sim_suc"]
    assert near["p_vol_cm3"] is not None
    stamp = (tmp_path / "out/units/theirs/zoo-mug-0.json").stat().st_mtime_ns
    assert main(given) == 0  # nothing is measured again
    assert (tmp_path / "out/units/theirs/zoo-mug-0.json").stat().st_mtime_ns == stamp
    grasp_file(file, joints=np.zeros((2, 16)))  # other grasps under the same name
    assert main(given) == 0
    again = json.loads((tmp_path / "out/units/theirs/zoo-mug-0.json").read_text())["grasps"]
    assert again[0]["joints"] == [0.0] * 16
    assert main([*given[:-4], "--out", str(tmp_path / "out"), "--keep", "99", "--num", "2"]) == 2


def test_a_unit_is_known_by_all_that_shapes_it(tmp_path):
    keys = {
        unit_key(MUG, "ours", UnitOptions()),
        unit_key(MUG, "ours_star", UnitOptions()),
        unit_key(MUG, "ours", UnitOptions(seed=1)),
        unit_key(MUG.model_copy(update={"task": "Another sentence."}), "ours", UnitOptions()),
    }
    assert len(keys) == 4
    (tmp_path / "torn.json").write_text('{"key": "x"')
    assert stored_unit(tmp_path / "torn.json", "x") is None


def test_the_given_view_shows_the_labelled_part():
    obj = load_object(MUG.object)
    parted, names = with_named_parts(obj)
    handle = names.index("handle") + 1
    frames = [render(Surface.of(obj.mesh), camera) for camera in side_views(obj.mesh, size=256)]
    pixels = [visible_pixels(frame, parted.face_part).get(handle, 0) for frame in frames]
    assert pixels[given_view(frames, parted, names, MUG)] == max(pixels)


@pytest.mark.slow
def test_all_rows_on_one_instruction(tmp_path, capsys):
    given = ["--set", "zoo", "--reasoner", "oracle", "--only", "zoo-hammer-0", "--num", "8", "--keep", "2"]
    assert main([*given, "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "benchmark.json").read_text())
    lines = {entry["title"]: entry for entry in record["tables"]["All tasks"]}
    assert set(lines) == {"Ours", "Ours*", "W/O Contact", "W/O Initial", "Random approach", "W/O Refine"}
    assert lines["Ours"]["failed"] == 0
    assert lines["Ours"]["mean"]["part_acc"] == 100.0
    assert lines["W/O Refine"]["mean"]["p_dep_cm"] > lines["Ours"]["mean"]["p_dep_cm"]
    stored = json.loads((tmp_path / "units/ours/zoo-hammer-0.json").read_text())
    assert stored["region_precision"] > 0.9
    assert (tmp_path / "benchmark.html").stat().st_size > 1000


def test_a_unit_that_breaks_is_a_row_with_a_reason(tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr("pipelines.benchmark.group.load_object", broken)
    bench = Bench(UnitOptions(), load_hand("human16"), make_reasoner("offline"), tmp_path)
    (result,) = bench.run(Group(0, ((MUG, "ours"),)))
    assert (result["status"], result["grasps"]) == ("crashed", [])
    assert result["status_reason"] == "ZeroDivisionError: nothing to divide by"
    assert stored_unit(unit_path(tmp_path, "ours", MUG), unit_key(MUG, "ours", UnitOptions())) == result
    assert "Traceback" in capsys.readouterr().err


class Judge:
    """Says four, or breaks."""

    def __init__(self, name: str = "judge", broken: bool = False) -> None:
        self.name, self.broken, self.seen = name, broken, []

    async def ask(self, question):
        self.seen.append(question)
        if self.broken:
            raise ReasonerError("provider_timeout", "nobody there")
        return Answer(question.schema(reasoning="x", score=4), call=Call("judge", self.name, "m", "sha"))


def test_one_grasp_of_each_category_is_judged_once(tmp_path):
    hand = load_hand("human16")
    row = {"hand_pose": [0.0, 0.05, 0.3, 1.0, 0, 0, 0], "joints": [0.0] * len(hand.active_names)}
    known = {i.id: i for i in instructions("zoo") if i.id in ("zoo-mug-0", "zoo-mug-1", "zoo-die-0")}

    def units():
        return {"ours": [
            {"id": "zoo-mug-0", "grasps": [dict(row), dict(row)]}, {"id": "zoo-mug-1", "grasps": []}
        ]}  # fmt: skip

    given, first = units(), Judge()
    (verdict,) = judge_units(given, known, {"ours": hand}, first, tmp_path)
    assert verdict.score == 4
    assert sorted(g.get("p_score", 0) for u in given["ours"] for g in u["grasps"]) == [0, 4]
    assert MUG.task in first.seen[0].prompt
    again, second = units(), Judge()
    assert judge_units(again, known, {"ours": hand}, second, tmp_path) == []
    assert second.seen == []
    assert again == given
    (lost,) = judge_units(units(), known, {"ours": hand}, Judge("other", broken=True), tmp_path)
    assert (lost.score, lost.status) == (None, "provider_timeout")
    # what was not judged is asked again
    assert judge_units(units(), known, {"ours": hand}, Judge("other"), tmp_path)[0].score == 4


def test_who_may_judge():
    assert judge_of(None, None) is None
    with pytest.raises(UserError, match="looks at no pictures"):
        judge_of("offline", None)
    with pytest.raises(UserError, match="without --judge"):
        judge_of(None, 1.0)
