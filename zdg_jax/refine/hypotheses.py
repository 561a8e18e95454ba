"""Several ways to hold what one answer names: neighbours of the reasoned grasp, refined together with it.

The paper refines one hypothesis: one direction, one of K turns, one grasp type. From where one answer puts
the hand there is often no grasp that withstands six forces: of 42 tasks nine had none among 64 starts; seven
of these had one from a neighbour (docs/simulation.md). Planners without a task start all around the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.hull import EXPANSION, expanded_hull, hand_position
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.config import MOST_HYPOTHESES

#: What a hold of another type is: a pinch for one with all the hand, and the other way round.
OTHER = {
    "lift": "wrap-grasp", "pinch": "lift", "tripod": "lift", "index-extension": "handle-grasp",
}  # fmt: skip
PINCH = "lift"


@dataclass(frozen=True)
class Neighbour:
    """How a hypothesis differs from what was reasoned.

    Attributes:
      name: in files.
      turn, tilt, swing: of the hand about D_palm, D_finger and the third axis, degrees. With the last two the
        hand comes from another side, and eq. 1 puts it there.
      other_type: of the type that `OTHER` names.
      tier: those of a lower one are preferred; 0 is what was reasoned.
    """

    name: str
    turn: float = 0.0
    tilt: float = 0.0
    swing: float = 0.0
    other_type: bool = False
    tier: int = 1


REASONED = Neighbour("reasoned", tier=0)
#: In the order in which they are taken.
NEIGHBOURS = (
    Neighbour("tilted 45", tilt=45.0),
    Neighbour("other type", other_type=True, tier=2),
    Neighbour("swung -45", swing=-45.0),
    Neighbour("tilted -45", tilt=-45.0),
    Neighbour("other type, tilted -90", tilt=-90.0, other_type=True, tier=3),
    Neighbour("other type, swung 90", swing=90.0, other_type=True, tier=3),
    Neighbour("turned -45", turn=-45.0),
    Neighbour("turned 45", turn=45.0),
    Neighbour("swung 45", swing=45.0),
)
assert 1 + len(NEIGHBOURS) == MOST_HYPOTHESES
TIERS: Mapping[str, int] = {n.name: n.tier for n in (REASONED, *NEIGHBOURS)}
#: Each neighbour gets this share of the starts, the reasoned grasp the rest.
_SHARE = 10


@dataclass(frozen=True)
class Hypothesis:
    """One way to hold, and how many starts it gets."""

    name: str
    initial: InitialGrasp
    num: int


def hypotheses(
    hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp, count: int, num: int
) -> list[Hypothesis]:
    """The reasoned grasp and its first `count` - 1 neighbours; `num` starts among them.

    A neighbour R' = R Rot_x(tilt) Rot_y(swing) Rot_z(turn) that comes from another side starts at
    T' = Intersect(ray(C, -D_palm), H_obj) (eq. 1), C the mean of M_hand^3d. With few starts there are fewer
    neighbours. A neighbour of a type that the hand's card lacks is left out.

    Args:
      hand, obj: the hand and the object.
      grasp: with guidance and an initial grasp.
      count: 1 for the paper's single hypothesis, at most `MOST_HYPOTHESES`.
      num: starts.
    """
    initial, guidance = grasp.initial, grasp.guidance
    assert initial is not None
    assert guidance is not None
    other = OTHER.get(initial.grasp_type, PINCH)
    known = [n for n in NEIGHBOURS if not n.other_type or other in hand.grasp_types]
    each = max(2, num // _SHARE)
    chosen = known[: max(0, min(count - 1, num // each - 1))]
    if not chosen:
        return [Hypothesis(REASONED.name, initial, num)]
    center = obj.samples.points[guidance.hand_mask].mean(axis=0)
    hull = expanded_hull(np.asarray(obj.mesh.vertices), EXPANSION)
    found = [Hypothesis(REASONED.name, initial, num - each * len(chosen))]
    for n in chosen:
        turn = Rotation.from_euler("XYZ", [n.tilt, n.swing, n.turn], degrees=True).as_matrix()
        R = initial.R_obj_palm @ turn
        p = hand_position(center, -R[:, 2], hull) if n.tilt or n.swing else initial.p_obj_palm
        kind = other if n.other_type else initial.grasp_type
        found.append(Hypothesis(n.name, replace(initial, p_obj_palm=p, R_obj_palm=R, grasp_type=kind), each))
    return found
