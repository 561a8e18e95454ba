from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

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
