"""The point level in the whole walk: asked, omitted, verified, and seen by the rotation stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.reasoning.test_chain import ALL, HOLD_HANDLE, OBJ, parts_of, run
from tests.reasoning.things import HANDLE, HEAD, Scripted
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.stages import rotation
from zdg_jax.reasoning.stages.points import PointObservations, contact_agrees, force_directions
from zdg_jax.reasoning.state import ReasonState


def opposed(question: Question[Any]) -> dict[str, Any]:
    """The last pair that the seen say can press against each other."""
    assert isinstance(question.observations, PointObservations)
    thumb, index = question.observations.opposed[-1]
    return {"thumb": thumb, "index": index}


def same_side(question: Question[Any]) -> dict[str, Any]:
    """A pair that eq. 5 must refuse."""
    seen = question.observations
    assert isinstance(seen, PointObservations)
    return next(
        {"thumb": a, "index": b}
        for a in seen.points
        for b in seen.points
        if a < b and (a, b) not in seen.opposed
    )


POINTS = {
    "hand_part": [{"parts": [HANDLE]}],
    "func_part": [
        {
            "thumb_parts": [HEAD],
            "thumb_name": "face",
            "index_parts": [HEAD],
            "index_name": "claw",
            "needs_points": True,
        }
    ],
    "direction": [{"direction": "above"}],
}


def test_points_run_and_eq5_asks_again() -> None:
    reasoner = Scripted(**POINTS, points=[{"thumb": 1, "index": 1}, same_side, opposed])
    result = run(reasoner)
    initial, guidance = parts_of(result)
    assert reasoner.stages() == [*ALL[:3], "points", "points", "points", *ALL[3:]]
    attempts = result.trace["stages"][3]["attempts"]
    assert "share one point" in attempts[0]["refused"]
    assert "opposite sides" in attempts[1]["refused"]
    assert attempts[2]["refused"] is None
    points = guidance.p_obj_points
    assert points is not None
    # By eq. 4 the fingers press towards each other, and by eq. 5 on surfaces that face away.
    for point, force in zip(points, force_directions(points), strict=True):
        normals = OBJ.samples.normals[np.linalg.norm(OBJ.samples.points - point, axis=1) < 0.012]
        assert contact_agrees(force, normals, 0.7)
    distance = np.linalg.norm(OBJ.samples.points[guidance.func_mask][:, None] - points, axis=-1).min(axis=1)
    assert distance.max() < 0.02
    # Eq. 3 is skipped where the point stage ran: all K are offered.
    assert reasoner.asked[-1].candidates == ("1", "2", "3", "4")
    assert initial.rotation_index == 0


@pytest.mark.slow
def test_a_hand_at_each_others_points_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def serves(state: ReasonState) -> tuple[int, ...]:
        return (2,) if state.p_obj_points is not None else ()

    monkeypatch.setattr(rotation, "serving_points", serves)
    both = Scripted(**POINTS, points=[opposed], rotation=[{"rotation": 1}, {"rotation": 3}])
    initial, _ = parts_of(run(both))
    assert initial.rotation_index == 2
    assert "other's points" in both.asked[-1].feedback[0]
    assert "are not: 3." in both.asked[-1].feedback[0]
    stubborn = run(Scripted(**POINTS, points=[opposed], rotation=[{"rotation": 1}]))
    assert stubborn.grasp.status == "points_unverified"
    # without points nothing is asked of it, nor where no rotation serves
    parts_of(run(Scripted(**HOLD_HANDLE)))
    monkeypatch.setattr(rotation, "serving_points", lambda state: ())
    parts_of(run(Scripted(**POINTS, points=[opposed], rotation=[{"rotation": 1}])))


def test_points_lie_on_the_part_of_their_own_finger() -> None:
    func = {"thumb_parts": [HANDLE], "index_parts": [HEAD], "needs_points": True}
    reasoner = Scripted(**{**POINTS, "func_part": [func]}, points=[own_parts])
    _, guidance = parts_of(run(reasoner))
    seen = next(q for q in reasoner.asked if q.stage == "points").observations
    assert isinstance(seen, PointObservations)
    assert set(seen.able) <= {pair for a, b in seen.opposed for pair in ((a, b), (b, a))}
    assert seen.able
    points = guidance.p_obj_points
    assert points is not None
    for point, number in zip(points, (HANDLE, HEAD), strict=True):
        nearest = np.linalg.norm(OBJ.samples.points - point, axis=1).argmin()
        assert OBJ.sample_part[nearest] == number


def own_parts(question: Question[Any]) -> dict[str, int]:
    """First the two the wrong way round, then as they are able to."""
    seen = question.observations
    assert isinstance(seen, PointObservations)
    thumb, index = seen.able[0]
    if question.feedback:
        assert "thumb shall touch part(s) 1" in question.feedback[0]
        return {"thumb": thumb, "index": index}
    return {"thumb": index, "index": thumb}


def test_points_that_never_agree_end_the_row() -> None:
    result = run(Scripted(**POINTS, points=[same_side]))
    assert result.grasp.status == "points_unverified"
    assert (result.grasp.initial, result.grasp.guidance) == (None, None)
    assert len(result.grasp.calls) == 6  # what was paid for is still counted


def test_points_are_omitted_if_the_reasoner_says_so() -> None:
    reasoner = Scripted(**{**POINTS, "func_part": [{"parts": [HEAD], "needs_points": False}]})
    _, guidance = parts_of(run(reasoner))
    assert reasoner.stages() == ALL
    assert guidance.func_part_ids == (HEAD,)
    head = OBJ.part_mask((HEAD,))
    assert (guidance.func_mask & head).sum() / (guidance.func_mask | head).sum() > 0.85
