"""What reasoning hands to refinement; the two packages meet only here (DESIGN §2)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class ContactGuidance:
    """Contact regions on the object's surface samples (paper III-A).

    Attributes:
      hand_mask: M_hand^3d, the samples that the whole hand may touch.
      func_mask: P_func^3d, the samples that the functional fingers shall touch; M_func^3d where
        the point stage was not required.
      p_obj_points: (thumb, index) key points in metres, or None where the stage was omitted.
      part_ids: the numbers of the hand part(s), as marked in the pictures.
      func_part_ids: the numbers of the functional-finger part(s).
      any_side: the hand may come from any other side as well.
      free_points: points in the air that the hand must leave free, metres (`objects.free_space`).
      thumb_side: where the reasoned hand has its thumb, unit, object frame; None where that is not known.
    """

    hand_mask: Bool[np.ndarray, " samples"]
    func_mask: Bool[np.ndarray, " samples"]
    p_obj_points: Float[np.ndarray, "2 3"] | None
    part_ids: tuple[int, ...]
    func_part_ids: tuple[int, ...]
    any_side: bool = False
    free_points: Float[np.ndarray, "points 3"] = field(default_factory=lambda: np.zeros((0, 3)))
    thumb_side: Float[np.ndarray, "3"] | None = None


@dataclass(frozen=True)
class InitialGrasp:
    """G' = (theta', T', R') of paper III-B and III-C.

    Attributes:
      p_obj_palm: T', origin of the palm frame in the object frame, metres (eq. 1).
      R_obj_palm: R', columns are the palm frame's axes: x = D_finger, y, z = D_palm (eq. 2).
      grasp_type: a key of the hand card's `grasp_types`; gives theta' and the contact prior C.
      direction: D*_text, e.g. "front-right".
      rotation_index: k of the K imagined rotations.
      view_index: the view in which the parts were chosen.
    """

    p_obj_palm: Float[np.ndarray, "3"]
    R_obj_palm: Float[np.ndarray, "3 3"]
    grasp_type: str
    direction: str
    rotation_index: int
    view_index: int


@dataclass(frozen=True)
class ReasonedGrasp:
    """Everything the reasoning stages say of one task; `status` is "ok" or a named failure."""

    task: str
    status: str
    status_reason: str
    guidance: ContactGuidance | None
    initial: InitialGrasp | None
    calls: tuple[dict[str, object], ...] = field(default=())
