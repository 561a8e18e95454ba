"""From which side the hand comes (paper III-B, eq. 1)."""

from __future__ import annotations

import prompts
from prompts.schemas import DirectionAnswer
from zdg_jax.reasoning import corridor, pictures
from zdg_jax.reasoning.directions import candidate_directions, in_words
from zdg_jax.reasoning.facts import DirectionFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.object_facts import vec3
from zdg_jax.reasoning.position import exit_distance
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.state import ReasonState

MARKED = "05_direction.png"


def inquire(state: ReasonState, feedback: tuple[str, ...] = ()) -> Inquiry[DirectionAnswer]:
    """Candidates are the 18 names of III-B.

    Args:
      state: hand region known.
      feedback: why eq. 3 refused an earlier answer.
    """
    region, samples, mask = state.region, state.obj.samples, state.known_hand_mask
    vectors = candidate_directions(region.center, state.camera)
    candidates = tuple(vectors)
    state.pictures[MARKED] = pictures.marked_center(state)
    question = Question(
        stage=prompts.Stage.DIRECTION.value,
        prompt=prompts.render(
            "direction",
            **state.common(),
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            directions=[{"name": n, "words": in_words(v, state.camera)} for n, v in vectors.items()],
            candidates=candidates,
        ),
        images=(state.pictures[MARKED],),
        candidates=candidates,
        schema=DirectionAnswer,
        facts=DirectionFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            hand_parts=state.hand_parts,
            func_parts=state.func_parts,
            center=vec3(region.center),
            directions={name: vec3(vector) for name, vector in vectors.items()},
            region_extents=vec3(region.extents),
            region_axis=vec3(region.axis),
            exit_distance={n: exit_distance(region.center, v, state.hull) for n, v in vectors.items()},
            blocked={n: corridor.blocked_share(region.center, v, samples, mask) for n, v in vectors.items()},
            normal_alignment={
                n: corridor.normal_alignment(v, samples.normals[mask]) for n, v in vectors.items()
            },
        ),
        feedback=feedback,
    )
    return Inquiry(question, lambda answer: outside([answer.direction], candidates, "direction"), (MARKED,))
