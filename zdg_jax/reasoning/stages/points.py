"""Which contour points thumb and index press (paper III-A, point level; eqs. 4-5)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

import prompts
from prompts.schemas import PointsAnswer
from zdg_jax.reasoning import lifting, pictures, verification
from zdg_jax.reasoning.contour import contour_points
from zdg_jax.reasoning.facts import PointFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.object_facts import vec3
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.stages.hand_part import PLAIN
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.reasoning.status import Status

MARKED = "04_points.png"


@dataclass(frozen=True)
class Offer:
    """The candidates of the point stage; candidate "n" is row n - 1.

    Attributes:
      uv: contour points of M_func^2d, pixels.
      points, normals: the object's surface there, metres and unit outward.
      opposed: the numbers of all pairs that pass eqs. 4-5, lower first; (b, a) passes as (a, b) does.
    """

    uv: Int[np.ndarray, "n 2"]
    points: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    opposed: tuple[tuple[int, int], ...]

    def chosen(self, answer: PointsAnswer) -> Float[np.ndarray, "2 3"]:
        """P_func^2.5d = (P_thumb, P_index), metres."""
        return self.points[[answer.thumb - 1, answer.index - 1]]


def offer(state: ReasonState) -> Offer:
    """Contour points of the functional fingers' part(s) in the chosen view."""
    return state.once(("offer", state.view, state.func_parts), lambda: _offer(state))


def _offer(state: ReasonState) -> Offer:
    uv = contour_points(state.mask_2d(state.func_parts), state.config.num_points)
    points = state.camera.back_project(uv + 0.5, state.frame.depth[uv[:, 1], uv[:, 0]])
    pairs = combinations(range(len(points)), 2)
    opposed = tuple((a + 1, b + 1) for a, b in pairs if disagreement(state, points[[a, b]]) is None)
    return Offer(uv, points, state.frame.normal[uv[:, 1], uv[:, 0]], opposed)


def disagreement(state: ReasonState, p_obj_points: Float[np.ndarray, "2 3"]) -> str | None:
    """Eqs. 4-5 on (thumb, index): None, or which finger's force meets no surface that faces it."""
    balls = lifting.lift_points(p_obj_points, state.obj.samples, state.config.point_radius)
    forces = verification.force_directions(p_obj_points)
    for finger, force, ball in zip(("thumb", "index"), forces, balls, strict=True):
        if not verification.contact_agrees(force, state.obj.samples.normals[ball], state.config.tau_m):
            return (
                f"At the {finger}'s point no surface faces away from the other finger's point, so the two "
                "can't press against each other. Choose points on opposite sides of the part."
            )
    return None


def inquire(state: ReasonState, offered: Offer) -> Inquiry[PointsAnswer]:
    """Candidate "n" is the n-th contour point, numbered clockwise from the top."""
    uv, pairs = offered.uv, offered.opposed
    state.pictures[MARKED] = pictures.marked_points(state, uv)
    candidates = tuple(str(i + 1) for i in range(len(uv)))
    question = Question(
        stage=prompts.Stage.POINTS.value,
        prompt=prompts.render(
            "points",
            **state.common(),
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            candidates=candidates,
        ),
        images=(state.pictures[PLAIN], state.pictures[MARKED]),
        candidates=candidates,
        schema=PointsAnswer,
        facts=PointFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            points={i + 1: vec3(point) for i, point in enumerate(offered.points)},
            normals={i + 1: vec3(normal) for i, normal in enumerate(offered.normals)},
            opposed=pairs,
        ),
    )

    def check(answer: PointsAnswer) -> str | None:
        if answer.thumb == answer.index:
            return "Thumb and index can't share one point. Choose two."
        return outside([str(answer.thumb), str(answer.index)], candidates, "point")

    def verify(answer: PointsAnswer) -> str | None:
        refused = disagreement(state, offered.chosen(answer))
        able = ", ".join(f"{a} and {b}" for a, b in pairs)
        return refused and f"{refused} Pairs that can: {able}."

    return Inquiry(
        question,
        check,
        (PLAIN, MARKED),
        verify=verify,
        failed_as=Status.POINTS_UNVERIFIED,
    )
