"""The command `zdg prompts`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from pipelines.options import Hand, ObjectOptions


@dataclass(frozen=True)
class Prompts(ObjectOptions):
    """Print exactly what a stage sends about an object and a task."""

    action: Annotated[Positional[Literal["show"]], arg(metavar="show", help="What to do.")]
    stage: Annotated[
        Positional[str],
        arg(
            metavar="STAGE",
            help="view, hand_part, func_part, points, direction, grasp_type, rotation, judge.",
        ),
    ]
    object: Annotated[Positional[str], arg(metavar="OBJECT", help="As for synth.")] = "ycb:048_hammer"
    task: Annotated[Positional[str], arg(metavar="TASK", help="As for synth.")] = "hammer a nail"
    hand: Hand = "human16"
    out: Annotated[str | None, arg(metavar="DIR", help="Write prompt and pictures there too.")] = None

    def run(self) -> int:
        from pipelines.prompts_show import shown_question, write_question

        question = shown_question(
            self.stage, self.object, self.task, hand=self.hand, scale=self.scale, up=self.up, name=self.name
        )
        sys.stdout.write(question.prompt)
        sizes = ", ".join(f"{image.width} x {image.height}" for image in question.images) or "of one grasp"
        print(f"with {max(len(question.images), 1)} picture(s): {sizes}", file=sys.stderr)
        if self.out is not None:
            write_question(question, self.out)
        return 0
