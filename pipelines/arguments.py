"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import UseAppendAction, arg

Hand = Annotated[str, arg(metavar="NAME", help="A hand by name, or its card.")]
ReasonerName = Annotated[
    str, arg(metavar="NAME", help="Who answers: offline, paper, openai:MODEL, gemini:MODEL, ...")
]
Route = Annotated[
    tuple[str, ...],
    UseAppendAction,
    arg(metavar="STAGE=NAME", help="Another reasoner for one stage; may be given again."),
]
MaxUsd = Annotated[
    float | None, arg(metavar="USD", help="Stop before the models cost more; the next run goes on.")
]
Ablate = Annotated[
    str | None, arg(metavar="contact|initial|refine", help="Leave this stage out (paper IV-C).")
]
Optimizer = Annotated[str, arg(metavar="NAME", help="Optimiser of refinement; the paper's is adam.")]
View = Annotated[
    str, arg(metavar="ask|auto|1-4", help="Who chooses the side view: the reasoner, geometry, or you.")
]
Select = Annotated[
    str,
    arg(
        metavar="gravity|six_force",
        help="Test that grasps are kept by; six_force also closes the hand on the object in simulation.",
    ),
]
