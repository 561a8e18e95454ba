"""Numbers that the reasoning stages take as given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from zdg_jax.errors import UserError
from zdg_jax.objects.model import EXPANSION
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.segmenters.segmenter import Segmenter

Types = Literal["all", "paper"]
VIEWS = 4
"""Side views around the object (paper IV-B)."""


@dataclass(frozen=True)
class ReasonConfig:
    """Settings of the chain; lengths in metres. The paper's own numbers are marked with (p).

    Attributes:
      max_attempts: how often one stage is asked before the row fails.
      image_size: side of the square views that masks, pixels and depth are read from, and
        of the view sheet's panels.
      shown_scale: pictures of the chosen view are drawn this many times larger: 1024 pixels by default. No
        answer of the rules depends on it.
      view_index: a view chosen by hand, from 0 ("Ours" of Table I); None lets the reasoner choose ("Ours*");
        "auto" takes the view that shows most of all parts, without a question.
      segmenter: finds the parts in the chosen view (paper III-A); None takes the geometric ones.
      contact: False skips part and point inference and takes the whole object ("W/O Contact").
      types: grasp types that are offered: all of the hand's card, or the paper's five.
      num_points: marked contour points in the point stage.
      rotations: K imagined hand rotations (p).
      tau_n: threshold of eq. 3 (p).
      tau_m: threshold of eq. 5 (p).
      hull_expansion: outward offset of the convex hull's faces in eq. 1; the paper leaves it open. One
        centimetre keeps the open palm just off the surface, where refinement starts well.
      hand_reach: greatest radius around p* whose normals eq. 3 looks at; the paper leaves it open.
        Fingers of 8-9 cm that bend around a body touch it up to about 6 cm from the palm's axis.
      point_radius: radius of the local sphere that makes P_func^3d of P_func^2.5d, about a finger pad.
      neighbors: k of the KNN classifier in the lifting.
      min_part_pixels: a part with fewer pixels in a view is not offered there.
      seed: of every random choice.
      routes: stage name to the reasoner that answers it instead of the main one.
      draw: False draws and shades no picture, for reasoners that look at none (`protocol.looks`); answers
        are the same, traces name no pictures.
    """

    max_attempts: int = 3
    image_size: int = 512
    shown_scale: int = 2
    view_index: int | Literal["auto"] | None = None
    segmenter: Segmenter | None = None
    contact: bool = True
    types: Types = "all"
    num_points: int = 12
    rotations: int = 4
    tau_n: float = 0.85
    tau_m: float = 0.7
    hull_expansion: float = EXPANSION
    hand_reach: float = 0.06
    point_radius: float = 0.01
    neighbors: int = 5
    min_part_pixels: int = 40
    seed: int = 0
    routes: Mapping[str, Reasoner] = field(default_factory=dict)
    draw: bool = True


def parse_view(text: str) -> int | Literal["auto"] | None:
    """`view_index` as a user writes it: "ask", "auto", or a panel's number from 1.

    Raises:
      UserError: anything else.
    """
    if text == "ask":
        return None
    if text == "auto":
        return "auto"
    if text in map(str, range(1, VIEWS + 1)):
        return int(text) - 1
    raise UserError(f"view {text!r}", f"ask, auto, or 1 to {VIEWS}", "choose one with --view")
