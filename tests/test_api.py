from __future__ import annotations

import asyncio

import numpy as np
import pytest
import trimesh

from zdg_jax import api
from zdg_jax.errors import UserError
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.reasoning.protocol import Answer, Question, ReasonerError


class Silent:
    """A provider that never answers."""

    name = "silent"

    async def ask(self, question: Question) -> Answer:
        raise ReasonerError("refused", "no comment")


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory) -> api.ObjectModel:
    path = tmp_path_factory.mktemp("mesh") / "stick.stl"
    trimesh.creation.cylinder(radius=0.015, height=0.2).export(path)
    return api.load_object(str(path))


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
def test_bad_options_say_what_is_valid(stick: api.ObjectModel, options: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        api.synthesize(stick, "hold it", **options)


def test_a_task_without_an_answer_is_a_status_not_an_error(stick: api.ObjectModel) -> None:
    done = api.synthesize(stick, "hold it", reasoner=Silent())
    assert done.grasp.status == "refused"
    assert "no comment" in done.grasp.status_reason
    assert done.refined is None


def test_reasoning_works_inside_a_running_event_loop(stick: api.ObjectModel) -> None:
    hand = api.load_hand("human16")

    async def notebook() -> ReasonedGrasp:
        return api.reason_task(stick, hand, "hold it", Silent()).grasp

    assert asyncio.run(notebook()).status == "refused"


def test_reasoning_repeats_and_its_ablation_takes_the_whole_object(
    stick: api.ObjectModel,
) -> None:
    hand, reasoner = api.load_hand("human16"), api.make_reasoner("offline")
    one, two = (api.reason_task(stick, hand, "lift it", reasoner, seed=3).grasp for _ in range(2))
    assert one.status == two.status == "ok", one.status_reason
    assert one.initial is not None
    assert two.initial is not None
    np.testing.assert_array_equal(one.initial.p_obj_palm, two.initial.p_obj_palm)
    np.testing.assert_array_equal(one.initial.R_obj_palm, two.initial.R_obj_palm)
    whole = api.reason_task(stick, hand, "lift it", reasoner, seed=3, ablate="contact").grasp
    assert whole.guidance is not None
    assert whole.guidance.hand_mask.all()


@pytest.mark.slow
def test_refinement_is_the_same_again_and_beats_its_start(stick: api.ObjectModel) -> None:
    one, two = (api.synthesize(stick, "lift it", num=8, seed=1).refined for _ in range(2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.hand_pose, two.hand_pose)
    np.testing.assert_array_equal(one.joints, two.joints)
    assert np.median(one["energy_total"]) < np.median(one["init_energy_total"])
    unrefined = api.synthesize(stick, "lift it", num=8, seed=1, ablate="refine").refined
    assert unrefined is not None
    np.testing.assert_allclose(unrefined.hand_pose[:, :3], one["init_pose"][:, :3], atol=1e-5)
    # q and -q are the same turn.
    same = np.abs(np.sum(unrefined.hand_pose[:, 3:] * one["init_pose"][:, 3:], axis=1))
    np.testing.assert_allclose(same, 1.0, atol=1e-5)
