"""Which grasp type the fingers take (paper III-B)."""

from __future__ import annotations

import numpy as np

import prompts
from prompts.schemas import GraspTypeAnswer
from zdg_jax.reasoning.directions import candidate_directions
from zdg_jax.reasoning.facts import GraspTypeFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.object_facts import vec3
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.stages.direction import MARKED
from zdg_jax.reasoning.state import ReasonState


def inquire(state: ReasonState) -> Inquiry[GraspTypeAnswer]:
    """Candidates are the grasp types of the hand's card."""
    region = state.region
    candidates = tuple(state.hand.grasp_types)
    question = Question(
        stage=prompts.Stage.GRASP_TYPE.value,
        prompt=prompts.render(
            "grasp_type",
            **state.common(),
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            direction=state.direction,
            region_cm=" x ".join(f"{100 * size:.1f}" for size in region.extents),
            grasp_types=[
                {"name": name, "description": kind.description}
                for name, kind in state.hand.grasp_types.items()
            ],
            candidates=candidates,
        ),
        images=(state.pictures[MARKED],),
        candidates=candidates,
        schema=GraspTypeAnswer,
        facts=GraspTypeFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            direction=state.direction,
            direction_vector=vec3(candidate_directions(region.center, state.camera)[state.direction]),
            region_extents=vec3(region.extents),
            region_axis=vec3(region.axis),
            region_thickness=_thickness(state),
        ),
    )
    return Inquiry(question, lambda answer: outside([answer.grasp_type], candidates, "grasp type"), (MARKED,))


def _thickness(state: ReasonState) -> float:
    """Local thickness of the held part(s), metres, weighted by their surface."""
    held = [part.descriptor for part in state.obj.parts if part.number in state.hand_parts]
    return float(np.average([d.thickness for d in held], weights=[max(d.area_share, 1e-9) for d in held]))
