"""`offline-seen`: the rules read what the pictures show, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import trimesh

from tests.reasoning.test_offline import PAIRS, labels, questions
from tests.reasoning.things import HANDLE, HEAD, hammer, model_of
from zdg_jax.hands import load_hand
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.region import measure
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.evidence import Seen, completed
from zdg_jax.reasoning.models.exchange import sealed
from zdg_jax.reasoning.protocol import Answer, Question, ReasonerError
from zdg_jax.reasoning.rules.reasoner import RulesReasoner
from zdg_jax.reasoning.state import ReasonConfig, ReasonState, observe_object, open_state

HAND = load_hand("human16")
CONFIG = ReasonConfig(image_size=192, min_part_pixels=10, draw=False)
TASK = "hammer a nail"


class Listening(RulesReasoner):
    """Remembers what it was asked and said."""

    def __init__(self) -> None:
        super().__init__(seen=True)
        self.heard: list[tuple[Question[Any], Any]] = []

    async def ask(self, question: Question[Any]) -> Answer[Any]:
        answer = await super().ask(question)
        self.heard.append((question, answer.value))
        return answer


@cache
def opened() -> ReasonState:
    return open_state(hammer(1500), HAND, TASK, CONFIG)


def walk(obj: ObjectModel, state: ReasonState) -> tuple[Listening, Reasoning]:
    reasoner = Listening()
    return reasoner, asyncio.run(reason(obj, HAND, TASK, reasoner, CONFIG, state))


def dented() -> ObjectModel:
    """The hammer with what no side view shows pressed in by 4 mm: undersides, and where the two meet."""
    obj = hammer(1500)
    shown = np.unique(np.concatenate([frame.face[frame.mask] for frame in opened().frames]))
    hidden = np.ones(len(obj.mesh.vertices), bool)
    hidden[obj.mesh.faces[shown].ravel()] = False
    assert hidden.sum() > 50
    vertices = np.asarray(obj.mesh.vertices) - 0.004 * hidden[:, None] * np.asarray(obj.mesh.vertex_normals)
    mesh = trimesh.Trimesh(vertices, obj.mesh.faces, process=False)
    return model_of(mesh, obj.face_part, 1500, obj.field)


def test_what_is_hidden_changes_no_answer() -> None:
    """Law: the same pictures, the same answers, whatever the object is like where they do not show it."""
    obj = dented()
    other = replace(opened(), obj=obj, observed=observe_object(obj), drawn={})
    assert other.observed != opened().observed
    (one, first), (two, second) = walk(opened().obj, opened()), walk(obj, other)
    assert (first.grasp.status, second.grasp.status) == ("ok", "ok")
    assert [q.stage for q, _ in one.heard] == [q.stage for q, _ in two.heard]
    for (a, said), (b, again) in zip(one.heard, two.heard, strict=True):
        assert a.seen is not None
        assert b.seen is not None
        assert a.seen().object == b.seen().object  # type: ignore[attr-defined]
        assert a.observations != b.observations
        assert said.model_dump(exclude={"reasoning"}) == again.model_dump(exclude={"reasoning"})


def test_answers_of_every_stage_are_candidates_and_refused_ones_never_come_back() -> None:
    reasoner, _ = walk(opened().obj, opened())
    assert {q.stage for q, _ in reasoner.heard} >= {"view", "hand_part", "func_part", "direction", "rotation"}
    for q, _ in reasoner.heard:
        given: set[tuple[str, ...]] = set()
        for n in itertools.count():
            try:
                said = asyncio.run(RulesReasoner(seen=True).ask(replace(q, feedback=("no",) * n)))
            except ReasonerError as error:
                status = error.status
                break
            assert said.call.provider == "offline-seen"
            assert set(labels(said.value)) <= set(q.candidates)
            assert labels(said.value) not in given
            given.add(labels(said.value))
        assert given
        assert status == "exhausted"


@pytest.mark.parametrize(("thing", "task"), PAIRS[::3])
def test_rules_are_those_of_offline(thing: str, task: str) -> None:
    """On the same numbers both say the same, whatever stands in `observations`."""
    for q in questions(thing, task):
        elsewhere = questions("plate" if thing != "plate" else "mug", task)[0].observations
        asked = replace(q, observations=elsewhere, seen=lambda q=q: q.observations)
        said = asyncio.run(RulesReasoner(seen=True).ask(asked)).value
        assert said == asyncio.run(RulesReasoner().ask(q)).value


def test_a_question_without_pictures_numbers_is_refused_and_none_leaves_the_process() -> None:
    with pytest.raises(ReasonerError, match="without `seen`"):
        asyncio.run(RulesReasoner(seen=True).ask(questions("mug", "drink from it")[0]))
    question, _ = walk(opened().obj, opened())[0].heard[1]
    assert pickle.loads(pickle.dumps(sealed(question))).seen is None


def test_sizes_that_show_agree_with_the_mesh() -> None:
    """Oracle: a bar of 20 x 3 x 3 cm and a block of 4 x 4 x 12 cm, from the sides together and from one."""
    state = replace(opened(), hand_parts=(HANDLE,), func_parts=(HEAD,))
    for views in ((0, 1, 2, 3), (0,)):
        seen = Seen(state, views)
        bar, block = seen.object.parts
        np.testing.assert_allclose(bar.extents, [0.2, 0.03, 0.03], rtol=0.25)
        np.testing.assert_allclose(block.extents[0], 0.12, rtol=0.1)
        assert abs(bar.axis[0]) > 0.99
        assert abs(block.axis[2]) > 0.95
        assert (bar.neighbours, block.neighbours) == ((HEAD,), (HANDLE,))
        assert not any((bar.is_loop, bar.concave, block.is_loop, block.concave))
        np.testing.assert_allclose(seen.region.center, [0.0, 0.0, 0.0], atol=0.006)
        assert 0.02 < seen.thickness < 0.04


def test_a_part_that_does_not_show_is_not_there() -> None:
    state = opened()
    gone = tuple(np.where(parts == HEAD, 0, parts) for parts in state.part_maps)
    seen = Seen(replace(state, part_maps=gone, drawn={}), (0,))
    assert [part.number for part in seen.object.parts] == [HANDLE]


def test_half_a_cylinder_is_completed_and_a_face_is_not() -> None:
    rng = np.random.default_rng(0)
    angle, along = rng.uniform(0, np.pi, 4000), rng.uniform(-0.1, 0.1, 4000)
    normals = np.stack([np.zeros_like(angle), np.sin(angle), np.cos(angle)], axis=1)
    half = 0.015 * normals + along[:, None] * [1.0, 0.0, 0.0]
    whole = completed(measure(half), half, normals)
    np.testing.assert_allclose(whole.extents, [0.2, 0.03, 0.03], rtol=0.03)
    np.testing.assert_allclose(whole.center, 0, atol=1e-3)
    face = np.stack([along, rng.uniform(-0.04, 0.04, 4000), np.zeros(4000)], axis=1)
    flat = completed(measure(face), face, np.tile([0.0, 0.0, 1.0], (4000, 1)))
    assert flat.extents[2] < 1e-6
    hollow = completed(measure(half), half, -normals)
    np.testing.assert_allclose(hollow.extents, measure(half).extents)
