"""Which imagined hand rotation is natural (paper III-C, after the filter of eq. 3)."""

from __future__ import annotations

import prompts
from prompts.schemas import RotationAnswer
from zdg_jax.reasoning import imagine, pictures
from zdg_jax.reasoning.facts import RotationFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.object_facts import vec3
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.state import ReasonState

PICTURE = "06_rotation.png"


def inquire(state: ReasonState) -> Inquiry[RotationAnswer]:
    """Candidate "n" is rotation index k = n - 1; those that eq. 3 filtered are not offered."""
    if state.p_obj_palm is None or state.R_candidates is None:
        raise RuntimeError("the rotation stage needs the direction stage's result")
    T, R, kept = state.p_obj_palm, state.R_candidates, state.kept_rotations
    region = state.region
    key = (state.view, state.hand_parts, T.tobytes(), R.tobytes(), kept)
    skins = state.once(("skins", *key), lambda: {k: imagine.imagined_skin(state.hand, T, R[k]) for k in kept})
    state.pictures[PICTURE] = state.once(
        ("imagination", *key),
        lambda: pictures.imagination(state, {k + 1: skin for k, skin in skins.items()}, R[kept[0]][:, 2]),
    )
    candidates = tuple(str(k + 1) for k in kept)
    question = Question(
        stage=prompts.Stage.ROTATION.value,
        prompt=prompts.render(
            "rotation",
            **state.common(),
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            direction=state.direction,
            grasp_type=state.grasp_type,
            candidates=candidates,
        ),
        images=(state.pictures[PICTURE],),
        candidates=candidates,
        schema=RotationAnswer,
        facts=RotationFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            center=vec3(region.center),
            direction=state.direction,
            direction_vector=vec3(-R[kept[0]][:, 2]),
            grasp_type=state.grasp_type,
            finger_directions={k + 1: vec3(R[k][:, 0]) for k in kept},
            thumb_directions={k + 1: vec3(imagine.thumb_side(state.hand, skins[k], T, R[k])) for k in kept},
            func_center=vec3(state.func_center),
            region_axis=vec3(region.axis),
            region_extents=vec3(region.extents),
            overlap={k + 1: imagine.overlap_share(skins[k], state.obj.field) for k in kept},
        ),
    )
    return Inquiry(
        question, lambda answer: outside([str(answer.rotation)], candidates, "rotation"), (PICTURE,)
    )
