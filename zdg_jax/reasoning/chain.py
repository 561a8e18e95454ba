"""The stages in order: a task and an object in, contact guidance and initial grasp out."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import prompts
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning import lifting, pictures, segments, verification
from zdg_jax.reasoning.config import ReasonConfig
from zdg_jax.reasoning.directions import candidate_directions
from zdg_jax.reasoning.inquiry import A, Inquiry, settle
from zdg_jax.reasoning.position import hand_position
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.region import one_hand
from zdg_jax.reasoning.rotation import palm_rotations
from zdg_jax.reasoning.segmenters.repart import parts_under
from zdg_jax.reasoning.stages import direction, func_part, grasp_type, hand_part, points, rotation, view
from zdg_jax.reasoning.state import ReasonState, for_task, open_state
from zdg_jax.reasoning.status import StageFailed, Status
from zdg_jax.render.cameras import best_view

HAND_MASK, FUNC_MASK = "03_hand_mask.png", "03_func_mask.png"


@dataclass(frozen=True)
class Reasoning:
    """What the chain says of one task.

    Attributes:
      grasp: status, contact guidance, initial grasp, calls.
      trace: JSON-able: task, object_id, hand, reasoner, status, warnings, and for each stage its prompt,
        picture names, candidates, every attempt with the reason for its refusal, and the answer.
      pictures: every visual prompt by file name.
    """

    grasp: ReasonedGrasp
    trace: dict[str, Any]
    pictures: dict[str, Image.Image]


async def reason(
    obj: ObjectModel,
    hand: HandModel,
    task: str,
    reasoner: Reasoner,
    config: ReasonConfig | None = None,
    opened: ReasonState | None = None,
) -> Reasoning:
    """Run the stages of paper III-A to III-D for one task.

    Args:
      obj: the object.
      hand: the hand.
      task: S, the user's sentence.
      reasoner: answers every stage that `config.routes` sends nowhere else.
      config: settings; the paper's by default.
      opened: from `open_state` with the same object, hand and settings, so that views are drawn once.
    Returns:
      the result; a stage without a usable answer gives a status (see `Status`), not an exception.
    Raises:
      UserError: for an empty task or a route of an unknown stage.
    """
    config = config or ReasonConfig()
    if not task.strip():
        raise UserError("an empty task", "a sentence such as 'drink from it'", "say what the grasp is for")
    for stage in config.routes:
        if stage not in prompts.STAGES:
            raise UserError(
                f"a route for stage {stage!r}", f"one of {', '.join(prompts.STAGES)}", "mend the route"
            )
    started = time.perf_counter()
    sentence = task.strip()
    state = open_state(obj, hand, sentence, config) if opened is None else for_task(opened, sentence)
    stages: list[dict[str, Any]] = []
    chain = _Chain(state, reasoner, stages)
    initial, guidance, status, why = None, None, Status.OK.value, ""
    try:
        initial = await chain.run()
        guidance = chain.guidance()
    except StageFailed as failure:
        status, why = failure.status, failure.reason
    attempts = [attempt for stage in stages for attempt in stage["attempts"]]
    calls = tuple(attempt["call"] for attempt in attempts if attempt["call"] is not None)
    trace: dict[str, Any] = {
        "task": state.task,
        "object_id": obj.object_id,
        "hand": hand.name,
        "reasoner": reasoner.name,
        "segmenter": config.segmenter.name if config.segmenter is not None else "geometric",
        "status": status,
        "status_reason": why,
        "warnings": state.warnings,
        "seconds": round(time.perf_counter() - started, 3),
        "stages": stages,
    }
    grasp = ReasonedGrasp(state.task, status, why, guidance, initial, calls)
    return Reasoning(grasp, trace, state.pictures)


class _Chain:
    """One task's walk through the stages; `state` holds what they have found so far."""

    def __init__(self, state: ReasonState, reasoner: Reasoner, trace: list[dict[str, Any]]) -> None:
        self.state, self.reasoner, self.trace = state, reasoner, trace

    async def run(self) -> InitialGrasp:
        await self.choose_view()
        if self.state.config.contact:
            if self.state.config.segmenter is not None:
                await segments.segment_view(self.state, self.state.config.segmenter)
            await self.choose_regions()
        else:
            self.take_whole_object()
        await self.choose_position()
        self.state.grasp_type = (await self.ask(grasp_type.inquire(self.state))).grasp_type
        chosen = await self.ask(rotation.inquire(self.state))
        k = chosen.rotation - 1
        palm, rotations = self.state.p_obj_palm, self.state.R_candidates
        if palm is None or rotations is None:
            raise RuntimeError("choose_position left no pose")
        return InitialGrasp(
            palm, rotations[k], self.state.grasp_type, self.state.direction, k, self.state.view
        )

    async def ask(self, inquiry: Inquiry[A]) -> A:
        config, stage = self.state.config, inquiry.question.stage
        reasoner = config.routes.get(stage, self.reasoner)
        try:
            return await settle(inquiry, reasoner, config.max_attempts, self.trace)
        finally:
            sent = inquiry.question.prompt.encode()
            self.trace[-1]["prompt_version"] = prompts.version(stage)
            self.trace[-1]["prompt_sha"] = hashlib.sha256(sent).hexdigest()

    async def choose_view(self) -> None:
        state = self.state
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
            state.view = (await self.ask(view.inquire(state))).view - 1

    async def choose_regions(self) -> None:
        """Part and point level; M_hand^3d, M_func^3d or P_func^3d."""
        state, config = self.state, self.state.config
        state.hand_parts = tuple(sorted((await self.ask(hand_part.inquire(state))).parts))
        functional = await self.ask(func_part.inquire(state))
        state.func_parts = tuple(sorted(functional.parts))
        await self.complete(state.hand_parts, HAND_MASK)
        state.hand_mask = self.lift(state.hand_parts, state.camera.p_world_cam)
        if state.func_parts != state.hand_parts:
            await self.complete(state.func_parts, FUNC_MASK)
        if not func_part.needs_points(state, functional):
            same = state.func_parts == state.hand_parts
            state.func_mask = state.hand_mask if same else self.lift(state.func_parts, state.region.center)
        elif not (offered := points.offer(state)).opposed:
            state.warnings.append("no two contour points pass eq. 5; thumb and index got their whole part(s)")
            state.func_mask = self.lift(state.func_parts, state.region.center)
        else:
            answer = await self.ask(points.inquire(state, offered))
            state.p_obj_points = offered.chosen(answer)
            balls = lifting.lift_points(state.p_obj_points, state.obj.samples, config.point_radius)
            state.func_mask = np.any(balls, axis=0)

    async def complete(self, parts: tuple[int, ...], picture: str) -> None:
        """The box prompt of paper III-A, where there is a model to take it."""
        segmenter = self.state.config.segmenter
        if segmenter is not None and self.state.given is not None:
            await segments.complete(self.state, segmenter, parts)
            self.state.pictures[picture] = pictures.completed_mask(self.state, parts)

    def lift(self, parts: tuple[int, ...], near: np.ndarray) -> np.ndarray:
        """The part(s) in 3D; of pieces that no hand spans, the one near a point."""
        state, config = self.state, self.state.config
        mask = state.once(
            ("lift", state.view, parts),
            lambda: lifting.lift_mask(
                state.frame,
                state.mask_2d(parts),
                state.obj.samples,
                state.obj.features,
                config.neighbors,
                config.seed,
            ),
        )
        if not mask.any():
            raise StageFailed(Status.EMPTY_REGION, f"part(s) {parts} hold no surface sample")
        return one_hand(state.obj.samples.points, mask, near)

    def take_whole_object(self) -> None:
        """The ablation "W/O Contact": every part, every sample, no points."""
        state = self.state
        state.hand_parts = state.func_parts = tuple(part.number for part in state.obj.parts)
        state.hand_mask = state.func_mask = np.ones(len(state.obj.samples.points), bool)

    async def choose_position(self) -> None:
        """Direction, T' (eq. 1), R_k (eq. 2), and the filter of eq. 3 with one more try at the direction."""
        state = self.state
        first = (await self.ask(direction.inquire(state))).direction
        if self.place(first):
            return
        reason_ = (
            f"From {first!r} no turn of the hand lets its fingers close around the region: in none does a "
            "surface near the palm face along the fingers (eq. 3). Choose another direction."
        )
        self.trace[-1]["attempts"][-1]["refused"] = reason_
        second = (await self.ask(direction.inquire(state, feedback=(reason_,)))).direction
        if second != first and self.place(second):
            return
        # Neither choice leaves a rotation: the geometry gives no grounds to overrule the first one.
        self.place(first)
        state.kept_rotations = tuple(range(state.config.rotations))
        state.warnings.append(
            f"eq. 3 filtered all rotations from {first!r}, and from {second!r} when asked again; "
            f"all {len(state.kept_rotations)} from {first!r} were kept"
        )

    def place(self, name: str) -> bool:
        """Take a direction; True if at least one rotation passes eq. 3."""
        state, config = self.state, self.state.config
        region, samples, mask = state.region, state.obj.samples, state.known_hand_mask
        vector = candidate_directions(region.center, state.camera)[name]
        state.direction = name
        state.p_obj_palm = hand_position(region.center, vector, state.hull)
        state.R_candidates = palm_rotations(region.axis, vector, config.rotations)
        if state.p_obj_points is not None:
            # Eq. 3 is for grasps without point-level contact (paper III-D).
            state.kept_rotations = tuple(range(config.rotations))
            return True
        triangles = np.asarray(state.obj.mesh.triangles)
        p_star = verification.nearest_contact_point(region.center, state.p_obj_palm, triangles, samples, mask)
        near = verification.neighbourhood(p_star, float(region.extents[1]), samples, mask, config.hand_reach)
        fits = verification.rotations_that_fit(
            state.R_candidates[:, :, 0], samples.normals[near], config.tau_n
        )
        state.kept_rotations = tuple(int(k) for k in np.flatnonzero(fits))
        return bool(fits.any())

    def guidance(self) -> ContactGuidance:
        state = self.state
        hand = state.known_hand_mask
        func = state.func_mask if state.func_mask is not None else hand
        if state.given is None:
            return ContactGuidance(hand, func, state.p_obj_points, state.hand_parts, state.func_parts)
        # Rows, pictures and metrics know the geometric parts; segments mean something in one view only.
        own, other = parts_under(state.given, hand), parts_under(state.given, func)
        return ContactGuidance(hand, func, state.p_obj_points, own, other)
