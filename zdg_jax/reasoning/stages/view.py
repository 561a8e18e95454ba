"""Which of four side views shows best where to hold (paper IV-B, "Ours*")."""

from __future__ import annotations

from typing import Any

import numpy as np

from prompts.schemas import ViewAnswer
from zdg_jax.errors import UserError
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.protocol import Question, StageObservations, Vec3, vec3
from zdg_jax.reasoning.query import Dialogue, Query, Stage
from zdg_jax.reasoning.rules.scoring import centroid, region_of, score, terms_of
from zdg_jax.reasoning.rules.task_plan import Plan, after_refusals, intro, planned
from zdg_jax.reasoning.stages.direction import candidate_directions
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.render.scene import Camera, best_view
from zdg_jax.status import StageFailed, Status

PICTURE = "01_view.png"


class ViewObservations(StageObservations):
    """Four side views: which parts show, as pixel counts."""

    view_front: tuple[Vec3, ...]  # unit vector from the object to each camera
    visible_pixels: tuple[dict[int, int], ...]  # one dict a view: part number -> pixels


class View(Stage[ViewAnswer]):
    """Candidate "n" is the n-th panel, view index n - 1; not asked where the settings name a view."""

    name, noun, answer, observations = "view", "view", ViewAnswer, ViewObservations
    gives = ("view",)

    def build_query(self, state: ReasonState) -> Query[ViewAnswer]:
        state.show(PICTURE, lambda: pictures.view_sheet(state))
        visible = [state.visible_pixels(i) for i in range(len(state.frames))]
        return self.query(
            state,
            candidates=tuple(str(i + 1) for i in range(len(state.frames))),
            pictures=(PICTURE,),
            values={
                "views": [{"number": i + 1, "visible": _shares(pixels)} for i, pixels in enumerate(visible)]
            },
            observed={
                "view_front": tuple(vec3(frame.camera.front) for frame in state.frames),
                "visible_pixels": tuple(visible),
            },
        )

    def views(self, state: ReasonState) -> tuple[int, ...]:
        return tuple(range(len(state.frames)))

    def take(self, state: ReasonState, answer: ViewAnswer) -> None:
        state.view = answer.view - 1

    async def run(self, state: ReasonState, dialogue: Dialogue) -> None:
        visible = [state.visible_pixels(i) for i in range(len(state.frames))]
        if not any(visible):
            raise StageFailed(Status.NOTHING_VISIBLE, "none of the side views shows the object")
        given = state.config.view_index
        if given == "auto":
            state.view = best_view(visible)
        elif given is not None:
            if not 0 <= given < len(state.frames):
                raise UserError(f"view {given}", f"0 to {len(state.frames) - 1}", "choose another view")
            state.view = given
        else:
            await super().run(state, dialogue)

    def answer_by_rules(self, question: Question[Any]) -> ViewAnswer:
        """The view that shows most of what is to be held."""
        observed, plan = planned(question, ViewObservations)
        scores = view_scores(observed, plan)
        ranking = sorted(range(min(len(question.candidates), len(scores))), key=lambda i: (-scores[i], i))
        best = after_refusals(ranking, question.feedback, question.stage)
        held = plan.holds[0]
        pixels = sum(observed.visible_pixels[best].get(n, 0) for n in held)
        text = (
            f"{intro(plan)} View {question.candidates[best]} shows {pixels} pixels "
            f"of part(s) {', '.join(map(str, held))}, score {scores[best]:.2f} of {max(scores):.2f}."
        )
        return ViewAnswer(reasoning=text, view=int(question.candidates[best]))


def _shares(pixels: dict[int, int]) -> str:
    total = sum(pixels.values())
    return ", ".join(f"part {number} {100 * count / total:.0f} %" for number, count in sorted(pixels.items()))


def approach_scores(observed: ViewObservations, plan: Plan, held: tuple[int, ...]) -> list[float]:
    """Per view: how well the best of its 18 directions (paper III-B) fits the rule's approach.

    "left" and "right" are level in every view, "front" and "behind" only as far as the camera is: what is
    to be approached from the side should therefore stand at the side of the picture.
    """
    by = {p.number: p for p in observed.object.parts}
    parts = tuple(by[n] for n in held)
    center = centroid(parts)
    x, y, z = center.tolist()
    largest = max(parts, key=lambda p: p.area_share)
    region = region_of(
        observed.object, held, plan.parts_of(plan.rule.toward), (x, y, z), largest.axis, largest.extents
    )
    terms = terms_of(region)
    scores = []
    for front in observed.view_front:
        camera = Camera(center + np.array(front), np.eye(3), 1.0, 1, 1)
        options = candidate_directions(center, camera).values()
        scores.append(max(score(plan.rule.approach, terms, d) for d in options))
    return scores


def view_scores(observed: ViewObservations, plan: Plan) -> list[float]:
    """Per view, against the best view: how much of the parts to hold shows, half of that for the parts to
    touch, a tenth for the whole object, and thrice how far the wanted approach is among its directions."""
    held = plan.holds[0]
    groups = [(1.0, held), (0.5, plan.touched(held)), (0.1, tuple(p.number for p in observed.object.parts))]
    scores = [0.0] * len(observed.visible_pixels)
    for weight, numbers in groups:
        seen = [sum(view.get(n, 0) for n in numbers) for view in observed.visible_pixels]
        most = max(seen) or 1
        scores = [s + weight * k / most for s, k in zip(scores, seen, strict=True)]
    if plan.ends:  # both of its ends show only from the side
        line = np.array(observed.object.long_axis)
        ends = [abs(float(np.array(front) @ line)) for front in observed.view_front]
        scores = [s - end for s, end in zip(scores, ends, strict=True)]
    fits = approach_scores(observed, plan, held)
    return [s + 3 * (fit - max(fits)) for s, fit in zip(scores, fits, strict=True)]
