"""The whole walk with a scripted reasoner: order, omissions, verification, failures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reasoning.things import HANDLE, HEAD, Scripted, hammer
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp
from zdg_jax.hands import load_hand
from zdg_jax.objects.model import expanded, hand_position
from zdg_jax.reasoning.chain import Reasoning, question_of, reason
from zdg_jax.reasoning.models.recorded import ReplayReasoner
from zdg_jax.reasoning.protocol import Reasoner, ReasonerError
from zdg_jax.reasoning.rules.reasoner import RulesReasoner
from zdg_jax.reasoning.stages.direction import NAMES, DirectionObservations
from zdg_jax.reasoning.stages.rotation import RotationObservations
from zdg_jax.reasoning.state import VIEWS, ReasonConfig, open_state, parse_view
from zdg_jax.render.scene import best_view

OBJ = hammer(1500)
HAND = load_hand("human16")
SMALL = {"image_size": 160, "shown_scale": 1, "min_part_pixels": 10}
ALL = ["view", "hand_part", "func_part", "direction", "grasp_type", "rotation"]
HOLD_HANDLE: dict[str, Any] = {
    "hand_part": [{"parts": [HANDLE]}],
    "func_part": [{"thumb_parts": [HANDLE], "index_parts": [HANDLE], "needs_points": True}],
    "direction": [{"direction": "above"}],
}


def run(reasoner: Reasoner, **settings: Any) -> Reasoning:
    return asyncio.run(reason(OBJ, HAND, "hammer a nail", reasoner, ReasonConfig(**{**SMALL, **settings})))


def parts_of(result: Reasoning) -> tuple[InitialGrasp, ContactGuidance]:
    assert result.grasp.status == "ok", result.grasp.status_reason
    assert result.grasp.initial is not None
    assert result.grasp.guidance is not None
    return result.grasp.initial, result.grasp.guidance


@pytest.fixture(scope="module")
def held() -> tuple[Scripted, Reasoning]:
    reasoner = Scripted(**HOLD_HANDLE)
    return reasoner, run(reasoner)


def test_stages_in_the_papers_order(held: tuple[Scripted, Reasoning]) -> None:
    # Points are omitted: thumb and index share the hand's part.
    reasoner, result = held
    assert reasoner.stages() == ALL
    assert [stage["stage"] for stage in result.trace["stages"]] == ALL
    assert len(result.grasp.calls) == 6


def test_initial_grasp_obeys_equations_1_and_2(held: tuple[Scripted, Reasoning]) -> None:
    initial, guidance = parts_of(held[1])
    up = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(initial.R_obj_palm[:, 2], -up, atol=1e-12)
    center = OBJ.samples.points[guidance.hand_mask].mean(axis=0)
    hull = expanded(OBJ.hull, ReasonConfig().hull_expansion)
    np.testing.assert_allclose(initial.p_obj_palm, hand_position(center, up, hull), atol=1e-9)
    assert initial.direction == "above"


def test_equation_3_leaves_the_two_rotations_across_the_handle(held: tuple[Scripted, Reasoning]) -> None:
    question = held[0].asked[-1]
    assert question.candidates == ("2", "4")
    assert isinstance(question.observations, RotationObservations)
    for finger in question.observations.finger_directions.values():
        assert abs(finger[0]) < 0.05  # the handle lies along x
    assert parts_of(held[1])[0].rotation_index == 1


def test_guidance_is_the_lifted_handle(held: tuple[Scripted, Reasoning]) -> None:
    _, guidance = parts_of(held[1])
    wanted = OBJ.part_mask((HANDLE,))
    assert (guidance.hand_mask & wanted).sum() / (guidance.hand_mask | wanted).sum() > 0.9
    np.testing.assert_array_equal(guidance.hand_mask, guidance.func_mask)
    assert guidance.p_obj_points is None
    assert guidance.part_ids == guidance.func_part_ids == (HANDLE,)


def test_trace_and_pictures(held: tuple[Scripted, Reasoning]) -> None:
    reasoner, result = held
    trace = json.loads(json.dumps(result.trace))
    assert (trace["task"], trace["object_id"], trace["hand"]) == ("hammer a nail", "test:thing", "human16")
    assert (trace["reasoner"], trace["status"], trace["warnings"]) == ("scripted", "ok", [])
    for stage, question in zip(trace["stages"], reasoner.asked, strict=True):
        assert set(stage["images"]) <= set(result.pictures)
        assert [result.pictures[name] for name in stage["images"]] == list(question.images)
        assert stage["prompt"] == question.prompt
        assert "hammer a nail" in stage["prompt"]
        assert stage["prompt_version"] >= 1
    assert all(picture.mode == "RGB" for picture in result.pictures.values())


def test_facts_name_every_candidate(held: tuple[Scripted, Reasoning]) -> None:
    seen = next(q.observations for q in held[0].asked if isinstance(q.observations, DirectionObservations))
    for table in (seen.directions, seen.exit_distance, seen.blocked, seen.normal_alignment):
        assert tuple(table) == NAMES
    assert all(0 <= share <= 1 for share in seen.blocked.values())
    rotation = next(q.observations for q in held[0].asked if isinstance(q.observations, RotationObservations))
    for k, finger in rotation.finger_directions.items():
        thumb = np.array(rotation.thumb_directions[k])
        np.testing.assert_allclose([thumb @ finger, thumb @ rotation.direction_vector], 0, atol=1e-9)
        assert 0 <= rotation.overlap[k] < 0.5


def test_same_seed_same_result(held: tuple[Scripted, Reasoning]) -> None:
    again = run(Scripted(**HOLD_HANDLE))
    (one, g_one), (two, g_two) = parts_of(held[1]), parts_of(again)
    np.testing.assert_array_equal(one.p_obj_palm, two.p_obj_palm)
    np.testing.assert_array_equal(one.R_obj_palm, two.R_obj_palm)
    np.testing.assert_array_equal(g_one.hand_mask, g_two.hand_mask)
    for name, picture in held[1].pictures.items():
        assert picture.tobytes() == again.pictures[name].tobytes()


@pytest.mark.parametrize(
    ("stage", "bad"),
    [
        ("view", {"view": 7}),
        ("hand_part", {"parts": [99]}),
        ("hand_part", {"parts": [HANDLE, HANDLE]}),
        ("func_part", {"thumb_parts": [0], "index_parts": [HANDLE], "needs_points": False}),
        ("func_part", {"thumb_parts": [HANDLE], "index_parts": [0], "needs_points": False}),
        ("direction", {"direction": "up"}),
        ("grasp_type", {"grasp_type": "karate"}),
    ],
)
def test_answer_outside_the_candidates(stage: str, bad: dict[str, Any]) -> None:
    stubborn = run(Scripted(**{**HOLD_HANDLE, stage: [bad]}), max_attempts=2)
    assert stubborn.grasp.status == "invalid_answer"
    assert stage in stubborn.grasp.status_reason
    assert len(stubborn.trace["stages"][-1]["attempts"]) == 2


def test_a_bad_answer_can_be_mended() -> None:
    reasoner = Scripted(**{**HOLD_HANDLE, "rotation": [{"rotation": 1}, {"rotation": 4}]})
    initial, _ = parts_of(run(reasoner))  # 1 was filtered by eq. 3
    assert initial.rotation_index == 3
    assert "'1' is not among" in reasoner.asked[-1].feedback[0]


def test_providers_failure_becomes_the_rows_status() -> None:
    result = run(
        Scripted(direction=[ReasonerError("timeout", "60 s")], **{k: HOLD_HANDLE[k] for k in ("hand_part",)})
    )
    assert result.grasp.status == "timeout"
    assert "direction" in result.grasp.status_reason
    assert result.trace["status"] == "timeout"


def test_direction_is_asked_again_when_eq3_leaves_nothing() -> None:
    # No cosine reaches 1.1, so every rotation is filtered from every direction.
    script = {**HOLD_HANDLE, "direction": [{"direction": "above"}, {"direction": "below"}]}
    reasoner = Scripted(**script)
    result = run(reasoner, tau_n=1.1)
    initial, _ = parts_of(result)
    assert reasoner.stages().count("direction") == 2
    assert "eq. 3" in reasoner.asked[4].feedback[0]
    assert "eq. 3" in result.trace["stages"][3]["attempts"][0]["refused"]
    assert initial.direction == "above"
    assert reasoner.asked[-1].candidates == ("1", "2", "3", "4")
    assert "all 4 from 'above' were kept" in result.trace["warnings"][0]


def test_view_chosen_by_hand_is_not_asked() -> None:
    reasoner = Scripted(**HOLD_HANDLE)
    initial, _ = parts_of(run(reasoner, view_index=2))
    assert initial.view_index == 2
    assert reasoner.stages() == ALL[1:]


def test_view_chosen_by_geometry_shows_most_of_all_parts() -> None:
    reasoner = Scripted(**HOLD_HANDLE)
    state = open_state(OBJ, HAND, "hammer a nail", ReasonConfig(**SMALL))
    initial, _ = parts_of(run(reasoner, view_index="auto"))
    assert reasoner.stages() == ALL[1:]
    assert initial.view_index == best_view([state.visible_pixels(i) for i in range(VIEWS)])


def test_the_reasoner_chooses_among_four_numbered_panels(held: tuple[Scripted, Reasoning]) -> None:
    question = held[0].asked[0]
    assert question.candidates == ("1", "2", "3", "4")
    (sheet,) = question.images
    assert sheet.width == sheet.height > 2 * SMALL["image_size"]
    third = run(Scripted(**HOLD_HANDLE, view=[{"view": 3}]))
    assert parts_of(third)[0].view_index == 2


def test_the_offline_reasoner_chooses_a_view_too() -> None:
    config = ReasonConfig(**SMALL)
    question = asyncio.run(question_of("view", OBJ, HAND, "hammer a nail", Scripted(), config))
    answer = asyncio.run(RulesReasoner().ask(question))
    assert str(answer.value.view) in question.candidates
    again = asyncio.run(RulesReasoner().ask(replace(question, feedback=("Not that one.",))))
    assert again.value.view != answer.value.view


def test_who_looks_at_no_picture_says_the_same_without(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = run(RulesReasoner())
    for name in ("part_marks", "point_marks", "draw"):
        monkeypatch.setattr(f"zdg_jax.render.marks.{name}", None)
    monkeypatch.setattr("zdg_jax.render.raycast.shade", None)
    blind = run(RulesReasoner(), draw=False)
    assert blind.pictures == {} != drawn.pictures
    assert [len(stage["image_sha"]) for stage in blind.trace["stages"]] == [0] * len(drawn.trace["stages"])
    for mine, theirs in zip(blind.trace["stages"], drawn.trace["stages"], strict=True):
        assert mine["answer"] == theirs["answer"]
        assert mine["prompt_sha"] == theirs["prompt_sha"]
    for mine, theirs in zip(parts_of(blind), parts_of(drawn), strict=True):
        for name in mine.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))


def test_costly_pictures_are_drawn_only_for_who_looks(
    held: tuple[Scripted, Reasoning], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {stage["stage"]: stage["images"] for stage in held[1].trace["stages"]}
    assert shown["rotation"] == ["06_rotation.png", "07_closed.png"]
    assert shown["grasp_type"] == ["05_direction.png", "05_grasp_types.png"]
    monkeypatch.setattr("zdg_jax.render.composite.closing_prompt", None)
    monkeypatch.setattr("zdg_jax.reasoning.pictures.grasp_types", None)
    for stage in run(RulesReasoner()).trace["stages"]:
        if stage["stage"] in ("rotation", "grasp_type"):
            assert len(stage["images"]) == len(stage["image_sha"]) == 1


@pytest.mark.parametrize("draw", [True, False])
def test_a_record_of_who_looks_at_no_picture_is_replayed(draw: bool, tmp_path: Path) -> None:
    recorded = run(RulesReasoner(), draw=draw)
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(recorded.trace))
    replay = ReplayReasoner(str(file))
    assert not replay.looks  # it is shown pictures of the recorded size then
    replayed = run(replay)
    assert replayed.grasp.status == "ok", replayed.grasp.status_reason
    answers = [[stage["answer"] for stage in each.trace["stages"]] for each in (recorded, replayed)]
    assert answers[0] == answers[1]


def test_who_looks_is_never_left_without_pictures() -> None:
    with pytest.raises(UserError, match="looks at pictures"):
        run(Scripted(**HOLD_HANDLE), draw=False)
    with pytest.raises(UserError, match="looks at pictures"):
        run(RulesReasoner(), draw=False, routes={"view": Scripted()})


@pytest.mark.parametrize(("text", "index"), [("ask", None), ("auto", "auto"), ("1", 0), ("4", 3)])
def test_views_as_users_write_them(text: str, index: int | str | None) -> None:
    assert parse_view(text) == index


@pytest.mark.parametrize("text", ["0", "5", "all", "", "1.0", "-1"])
def test_other_views_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="ask, auto, or 1 to 4"):
        parse_view(text)


def test_without_contact_takes_the_whole_object() -> None:
    reasoner = Scripted(direction=[{"direction": "above"}])
    _, guidance = parts_of(run(reasoner, contact=False))
    assert reasoner.stages() == ["view", *ALL[3:]]
    assert guidance.hand_mask.all()
    assert guidance.part_ids == (HANDLE, HEAD)


def test_routes_send_a_stage_elsewhere() -> None:
    other = Scripted("other", direction=[{"direction": "above"}])
    main = Scripted(**{k: HOLD_HANDLE[k] for k in ("hand_part", "func_part")})
    result = run(main, routes={"direction": other})
    assert other.stages() == ["direction"]
    assert "direction" not in main.stages()
    assert result.trace["stages"][3]["reasoner"] == "other"


def test_user_errors() -> None:
    with pytest.raises(UserError, match="empty task"):
        asyncio.run(reason(OBJ, HAND, "  ", Scripted()))
    with pytest.raises(UserError, match="grasp_type"):
        run(Scripted(), routes={"dance": Scripted()})
    with pytest.raises(UserError, match="0 to 3"):
        run(Scripted(), view_index=4)


def test_pictures_are_larger_than_what_answers_are_read_from_and_change_none() -> None:
    small = run(RulesReasoner())
    large = run(RulesReasoner(), shown_scale=2)
    size = SMALL["image_size"]
    for name in ("02_object.png", "02_hand_part.png", "05_direction.png"):
        assert small.pictures[name].size == (size, size)
        assert large.pictures[name].size == (2 * size, 2 * size)
    answers = [[stage["answer"] for stage in r.trace["stages"]] for r in (small, large)]
    assert answers[0] == answers[1]


def test_the_held_part_stands_out_in_later_pictures(held: tuple[Scripted, Reasoning]) -> None:
    state = open_state(OBJ, HAND, "hammer a nail", ReasonConfig(**SMALL))
    pictures = held[1].pictures
    before, later = (np.asarray(pictures[n]).astype(int) for n in ("02_hand_part.png", "05_direction.png"))
    change = np.abs(later - before).sum(axis=2)
    parts = state.part_maps[parts_of(held[1])[0].view_index]
    assert np.median(change[parts == HANDLE]) == 0  # as strong as where it was chosen
    assert np.median(change[parts == HEAD]) > 40  # faint now
