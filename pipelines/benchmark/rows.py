"""What a run of the benchmark is told, nothing heavy imported: rows of Tables I and II, and who works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.options import words
from zdg_jax.errors import UserError


@dataclass(frozen=True)
class RowKind:
    """One line of the table.

    Attributes:
      title: as the paper calls it.
      view: "given" takes the view that shows the labelled parts best, as a person would choose it by hand
        (Table I, "Ours"); "ask" lets the reasoner choose ("Ours*").
      ablate: stage left out (paper IV-C), as in `zdg_jax.api`.
    """

    title: str
    view: Literal["given", "ask"]
    ablate: str | None = None


# Paper IV-C. W/O Contact: no part and point inference, "position, rotation, and grasp type based on the
# object center". W/O Initial: no position, rotation and grasp type; "global rotation is randomly initialized,
# with joints fully extended"; contact regions still guide refinement. W/O Refine: the initial pose G' itself.
# Random approach is ours: W/O Initial from outside the object, facing it.
ROWS = {
    "ours": RowKind("Ours", "given"),
    "ours_star": RowKind("Ours*", "ask"),
    "wo_contact": RowKind("W/O Contact", "given", "contact"),
    "wo_initial": RowKind("W/O Initial", "given", "initial"),
    "random_approach": RowKind("Random approach", "given", "approach"),
    "wo_refine": RowKind("W/O Refine", "given", "refine"),
}


def parse_rows(text: str, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Row names from "ours,wo_contact".

    Args:
      text: names with commas between them.
      more: names besides those of `ROWS`.

    Raises:
      UserError: an unknown row.
    """
    names = words(text)
    for name in names:
        if name not in ROWS and name not in more:
            raise UserError(f"row {name!r}", f"some of {', '.join((*ROWS, *more))}", "choose other rows")
    return names


Runner = Literal["here", "processes", "ray"]


@dataclass(frozen=True)
class Crew:
    """Who works.

    Attributes:
      runner: this process, several processes, or Ray's actors.
      workers: processes or actors; 1 for "here".
      address: of a Ray cluster; a local one is started if None.
    """

    runner: Runner = "here"
    workers: int = 1
    address: str | None = None
