"""Which of four side views shows best where to hold (paper IV-B, "Ours*")."""

from __future__ import annotations

import prompts
from prompts.schemas import ViewAnswer
from zdg_jax.reasoning import pictures
from zdg_jax.reasoning.facts import ViewFacts
from zdg_jax.reasoning.inquiry import Inquiry, outside
from zdg_jax.reasoning.object_facts import vec3
from zdg_jax.reasoning.protocol import Question
from zdg_jax.reasoning.state import ReasonState

PICTURE = "01_view.png"


def inquire(state: ReasonState) -> Inquiry[ViewAnswer]:
    """Candidate "n" is the n-th panel, view index n - 1."""
    state.pictures[PICTURE] = pictures.view_sheet(state)
    visible = [state.visible_pixels(i) for i in range(len(state.frames))]
    candidates = tuple(str(i + 1) for i in range(len(state.frames)))
    question = Question(
        stage=prompts.Stage.VIEW.value,
        prompt=prompts.render(
            "view",
            **state.common(),
            views=[{"number": i + 1, "visible": _shares(pixels)} for i, pixels in enumerate(visible)],
            candidates=candidates,
        ),
        images=(state.pictures[PICTURE],),
        candidates=candidates,
        schema=ViewAnswer,
        facts=ViewFacts(
            task=state.task,
            object_name=state.obj.name,
            object=state.facts,
            view_front=tuple(vec3(frame.camera.front) for frame in state.frames),
            visible_pixels=tuple(visible),
        ),
    )
    return Inquiry(question, lambda answer: outside([str(answer.view)], candidates, "view"), (PICTURE,))


def _shares(pixels: dict[int, int]) -> str:
    total = sum(pixels.values())
    return ", ".join(f"part {number} {100 * count / total:.0f} %" for number, count in sorted(pixels.items()))
