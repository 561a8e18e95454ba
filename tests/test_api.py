from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import trimesh

import zdg_jax as zdg
from pipelines import cli
from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.protocol import Answer, Question, ReasonerError
from zdg_jax.reasoning.state import ReasonConfig
from zdg_jax.refine.refine import refine


class Silent:
    """A provider that never answers."""

    name = "silent"

    async def ask(self, question: Question) -> Answer:
        raise ReasonerError("refused", "no comment")


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> ObjectModel:
    path = tmp_path_factory.mktemp("mesh") / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(path)
    return load_object(str(path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num": 0}, "num 0"),
        ({"ablate": "all"}, "contact, initial, refine"),
        ({"reasoner": "oracle9"}, "offline"),
        ({"optimizer": "sgd9"}, "adam, amsgrad"),
        ({"hand": "claw"}, "human16"),
    ],
)
def test_bad_options_say_what_is_valid(stick: ObjectModel, options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        zdg.synthesize(stick, "hold it", **options)


def test_a_task_without_an_answer_is_a_status_not_an_error(stick: ObjectModel) -> None:
    done = zdg.synthesize(stick, "hold it", reasoner=Silent())
    assert done.status == "refused"
    assert "no comment" in done.reason
    assert len(done.kept) == len(done.best) == 0
    assert len(done.grasps) == 1
    with pytest.raises(ValueError, match="no comment"):
        done.show()


def test_reasoning_works_inside_a_running_event_loop(stick: ObjectModel) -> None:
    hand = load_hand("human16")

    async def notebook() -> ReasonedGrasp:
        return api.reason_task(stick, hand, "hold it", Silent()).grasp

    assert asyncio.run(notebook()).status == "refused"


@pytest.mark.slow
def test_reasoning_repeats_and_its_ablation_takes_the_whole_object(
    stick: ObjectModel,
) -> None:
    hand, reasoner = load_hand("human16"), api.make_reasoner("offline")
    one, two = (api.reason_task(stick, hand, "lift it", reasoner, seed=3).grasp for _ in range(2))
    assert one.status == two.status == "ok", one.status_reason
    assert one.initial is not None
    assert two.initial is not None
    np.testing.assert_array_equal(one.initial.p_obj_palm, two.initial.p_obj_palm)
    np.testing.assert_array_equal(one.initial.R_obj_palm, two.initial.R_obj_palm)
    whole = api.reason_task(
        stick, hand, "lift it", reasoner, seed=3, config=ReasonConfig(contact=False)
    ).grasp
    assert whole.guidance is not None
    assert whole.guidance.hand_mask.all()


def test_the_front_door_is_small_documented_and_quick() -> None:
    said = "import sys, zdg_jax; print('jax' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    for name in zdg.__all__:
        assert name == "__version__" or f"`{name}`" in (zdg.__doc__ or ""), name
        assert getattr(zdg, name) is not None
    assert set(zdg.__all__) <= set(dir(zdg))
    with pytest.raises(AttributeError, match="there are synthesize"):
        _ = zdg.synthesise


@pytest.mark.slow
def test_refinement_is_the_same_again_and_beats_its_start(stick: ObjectModel) -> None:
    hand = load_hand("human16")
    grasp = api.reason_task(stick, hand, "lift it", api.make_reasoner("offline"), seed=1).grasp
    one, two = (refine(hand, stick, grasp, num=8, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one.hand_pose, two.hand_pose)
    np.testing.assert_array_equal(one.joints, two.joints)
    assert np.median(one["energy_total"]) < np.median(one["init_energy_total"])
    unrefined = refine(hand, stick, grasp, num=8, seed=1, config=zdg.RefineConfig(ablation="refine"))
    np.testing.assert_allclose(unrefined.hand_pose[:, :3], one["init_pose"][:, :3], atol=1e-5)
    # q and -q are the same turn.
    same = np.abs(np.sum(unrefined.hand_pose[:, 3:] * one["init_pose"][:, 3:], axis=1))
    np.testing.assert_allclose(same, 1.0, atol=1e-5)


@pytest.mark.slow
def test_the_front_door_gives_what_the_command_gives(tmp_path: Path) -> None:
    mesh = tmp_path / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(mesh)
    words = ["synth", str(mesh), "lift it", "--num", "8", "--keep", "3", "--out", str(tmp_path / "out")]
    assert cli.main(words) in (0, 4)
    done = zdg.synthesize(str(mesh), "lift it", num=8, keep=3)
    stored = zdg.Grasps.load(tmp_path / "out")
    assert len(done.kept) == 3
    for name in ("hand_pose", "joints", "pregrasp_pose", "pregrasp", "squeeze"):
        ours, theirs = (getattr(grasps, name).astype(np.float32) for grasps in (done.grasps, stored))
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    assert done.to_table()["grasp_id"].to_pylist() == list(stored["grasp_id"])
    assert done.best.to_table()["grasp_id"].to_pylist() == [stored["grasp_id"][0]]
    assert (done.save(tmp_path / "again") / "report.html").exists()
    assert done.show().width > 0


def test_large_pictures_are_for_who_looks(stick: ObjectModel, monkeypatch: pytest.MonkeyPatch) -> None:
    scales: list[int] = []

    async def reason(*said: Any) -> None:
        scales.append(said[4].shown_scale)
        raise UserError("enough", "no more", "stop")

    monkeypatch.setattr(api, "reason", reason)
    offline, large = api.make_reasoner("offline"), ReasonConfig()
    for reasoner, config in ((offline, None), (Silent(), None), (offline, large)):
        with pytest.raises(UserError, match="enough"):
            api.reason_task(stick, load_hand("human16"), "lift it", reasoner, config=config)
    assert scales == [1, large.shown_scale, large.shown_scale]


@pytest.fixture
def unchecked() -> Iterator[None]:
    """As in a user's process: without the checks of types and shapes that run in tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


BOX = trimesh.creation.box([0.05, 0.05, 0.05])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("obj", "task", "settings", "said"),
    [
        ("ycb:025_mug", "lift it", {"num": 8.5}, "got num 8.5 \\(float\\); expected a whole number"),
        ("ycb:025_mug", "lift it", {"num": "8"}, "got num '8' \\(str\\); expected a whole number"),
        ("ycb:025_mug", "lift it", {"num": True}, "got num True \\(bool\\); expected a whole number"),
        ("ycb:025_mug", "lift it", {"seed": None}, "got seed None"),
        ("ycb:025_mug", "lift it", {"scale": "1"}, "got scale '1' \\(str\\); expected a number"),
        ("ycb:025_mug", "lift it", {"up": 1}, "got up 1 \\(int\\); expected text or None"),
        ("ycb:025_mug", "lift it", {"types": "some"}, "types 'some'; expected one of all, paper"),
        ("ycb:025_mug", "lift it", {"hand": 3}, "got hand 3 \\(int\\); expected text"),
        ("ycb:025_mug", "lift it", {"nums": 3}, "got setting 'nums'.* did you mean num"),
        ("ycb:025_mug", "lift it", {"out": "x"}, "got setting 'out'.*Synthesis.save"),
        ("ycb:025_mug", None, {}, "got task None \\(NoneType\\); expected text"),
        ("ycb:025_mug", b"lift it", {}, "got task b'lift it' \\(bytes\\)"),
        (BOX, "lift it", {}, "got a Trimesh as object.*mesh.export"),
        (5, "lift it", {}, "got a int as object"),
    ],
)
def test_what_no_command_line_could_say_is_refused_in_a_line(
    obj: Any, task: Any, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        zdg.synthesize(obj, task, **settings)


@pytest.mark.usefixtures("unchecked")
def test_a_mesh_in_memory_is_no_file() -> None:
    with pytest.raises(UserError, match=r"got a Trimesh; expected a mesh file.*mesh.export"):
        load_object(BOX)  # type: ignore[arg-type]


def test_a_path_is_a_file_as_its_text_is(tmp_path: Path) -> None:
    BOX.export(tmp_path / "box.stl")
    assert load_object(tmp_path / "box.stl").mesh_sha256 == load_object(str(tmp_path / "box.stl")).mesh_sha256
    assert load_hand(Path(load_hand("human16").mjcf).parent / "card.yaml").name == "human16"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("pose", "joints", "said"),
    [
        (np.zeros((2, 7)), np.zeros((2, 5)), r"joints of shape \[2, 5\].*shape \[\S+ 16\]"),
        (np.zeros((2, 7)), np.zeros(16), r"joints of shape \[16\]"),
        (np.zeros((2, 6)), np.zeros((2, 16)), r"hand_pose of shape \[2, 6\].*shape \[\S+ 7\]"),
        (np.zeros((1, 7)), np.zeros((2, 16)), r"of shape \[[12], (7|16)\]"),
        (np.zeros((2, 7)), np.zeros((2, 16)).astype(str), r"joints of shape \[2, 16\], <U"),
        (np.zeros((2, 7)), np.zeros((2, 16), complex), r"joints of shape \[2, 16\], complex128"),
    ],
)
def test_grasps_of_another_shape_are_refused_where_they_come_in(
    stick: ObjectModel, pose: Any, joints: Any, said: str
) -> None:
    """Also by `evaluate`, which died twenty frames deep in JAX, or took text for numbers."""
    hand = load_hand("human16")
    with pytest.raises(UserError, match=said):
        zdg.Grasps.of(hand.name, hand.active_names, pose, joints)
    with pytest.raises(UserError, match=said):
        zdg.evaluate(hand, stick, pose, joints)


@pytest.mark.usefixtures("unchecked")
def test_names_are_told_from_what_they_name(stick: ObjectModel) -> None:
    hand, pose, joints = load_hand("human16"), np.zeros((1, 7)), np.zeros((1, 16))
    with pytest.raises(UserError, match="a HandModel as hand; expected its name"):
        zdg.Grasps.of(hand, hand.active_names, pose, joints)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="a ObjectModel as joint name"):
        zdg.Grasps.of(hand.name, [stick], pose, joints)  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"the name 'human16' as hand.*zdg.load_hand"):
        zdg.evaluate("human16", stick, pose, joints)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"the name 'stick.stl' as object.*zdg.load_object"):
        zdg.evaluate(hand, "stick.stl", pose, joints)  # type: ignore[arg-type]
