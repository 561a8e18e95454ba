"""Several ways to hold what one answer names: neighbours of the reasoned grasp, refined together with it.

The paper refines one hypothesis: one direction, one of K turns, one grasp type. From where one answer puts
the hand there is often no grasp that withstands six forces: of 42 tasks nine had none among 64 starts; seven
of these had one from a neighbour (docs/simulation.md). Planners without a task start all around the object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import EXPANSION, ObjectModel, expanded, hand_position
from zdg_jax.refine.aims import Aims, aimed, aims_of, pinched
from zdg_jax.refine.config import MOST_HYPOTHESES
from zdg_jax.refine.edge import under_edge
from zdg_jax.refine.fist import closed_through
from zdg_jax.refine.lying import laid
from zdg_jax.refine.square import FURTHEST, box_of, squared

#: What a hold of another type is: a pinch for one with all the hand, and the other way round.
OTHER = {
    "lift": "wrap-grasp", "pinch": "lift", "tripod": "lift", "index-extension": "handle-grasp",
    "lateral": "pinch", "hook": "handle-grasp", "index-trigger": "handle-grasp",
    "sphere": "wrap-grasp",
}  # fmt: skip
PINCH = "lift"
#: Types whose palm or fingertips lie flat on what is held.
FLAT = "wrap-grasp", "lift"


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

    @cached_property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Rot_x(tilt) Rot_y(swing) Rot_z(turn)."""
        return Rotation.from_euler("XYZ", [self.tilt, self.swing, self.turn], degrees=True).as_matrix()


REASONED = Neighbour("reasoned", tier=0)
#: As the card of the grasp type says that a long thing lies in it; preferred to the reasoned one.
LAID = Neighbour("laid in the hand", tier=-1)
#: Fingers through an opening or at points of their own; preferred likewise.
AIMED = Neighbour("aimed", tier=-1)
#: Fingers under the edge of what lies flat, the forearm nearly level; preferred likewise.
EDGE = Neighbour("under the edge", tier=-1)
#: The palm on a face of a box.
SQUARE = Neighbour("square to the faces", tier=0)
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
#: In place of them where the hand may come from any side.
AROUND = (
    Neighbour("around, tilted -90", tilt=-90.0, tier=0),
    Neighbour("around, tilted 90", tilt=90.0, tier=0),
    Neighbour("around, swung 90", swing=90.0, tier=0),
    Neighbour("around, swung -90", swing=-90.0, tier=0),
    Neighbour("around, turned 90", turn=90.0, tier=0),
    Neighbour("around, other type", other_type=True, tier=0),
    Neighbour("around, turned 180", turn=180.0, tier=0),
    Neighbour("around, tilted 45", tilt=45.0, tier=0),
    Neighbour("around, other type, tilted -90", tilt=-90.0, other_type=True, tier=0),
)
assert MOST_HYPOTHESES == 1 + len(NEIGHBOURS) == 1 + len(AROUND)
TIERS: Mapping[str, int] = {
    n.name: n.tier for n in (LAID, AIMED, EDGE, SQUARE, REASONED, *NEIGHBOURS, *AROUND)
}
#: The tier of those that come after all others that hold.
FAR = 3
#: Each neighbour gets this share of the starts, the reasoned grasp the rest.
_SHARE = 10
#: An opening that is wider is no grip's, metres.
WIDE = 0.10


@dataclass(frozen=True)
class Hypothesis:
    """One way to hold, how many starts it gets, and their joints where they are not the grasp type's."""

    name: str
    initial: InitialGrasp
    num: int
    joints: Float[np.ndarray, " active"] | None = None


def hypotheses(
    hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp, count: int, num: int
) -> list[Hypothesis]:
    """The reasoned grasp and its first `count` - 1 neighbours; `num` starts among them.

    A neighbour R' = R Rot_x(tilt) Rot_y(swing) Rot_z(turn) that comes from another side starts at
    T' = Intersect(ray(C, -D_palm), H_obj) (eq. 1), C the mean of M_hand^3d. With few starts there are fewer
    neighbours. A neighbour of a type that the hand's card lacks is left out. Where the type says how a long
    thing lies in it, that is one of them (`laid`), with two shares; so is a box held squarely (`squared`),
    from which the others then start, less those that it is too wide for. Where thumb and index finger have
    key points, each neighbour's hand goes on from there to where it has its pads at them, and its joints do.

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
    near = AROUND if guidance.any_side else NEIGHBOURS
    known = [n for n in near if not n.other_type or other in hand.grasp_types]
    each = max(2, num // _SHARE)
    chosen = known[: max(0, min(count - 1, num // each - 1))]
    if not chosen:
        return [Hypothesis(REASONED.name, initial, num)]
    shares = (num - 1) // each  # the reasoned grasp keeps a start
    points = Aims(points=guidance.p_obj_points)

    def at_points(name: str, there: InitialGrasp, starts: int) -> Hypothesis:
        """From there, with thumb and index finger at their key points where they have any."""
        found = aimed(hand, obj, there, points)
        if found is None:
            return Hypothesis(name, there, starts)
        return Hypothesis(name, found.initial, starts, found.joints)

    center = obj.samples.points[guidance.hand_mask].mean(axis=0)
    hull = expanded(obj.hull, EXPANSION)
    base = initial
    more = _told(hand, obj, grasp, each, at_points) if shares >= 2 else []
    asked = shares >= 3 and not points
    by_edge = under_edge(obj, guidance.hand_mask, np.asarray(initial.R_obj_palm)) if asked else None
    if by_edge is not None:
        p, R = by_edge
        more = [Hypothesis(EDGE.name, replace(initial, p_obj_palm=p, R_obj_palm=R), 3 * each), *more]
    if shares >= 2 and not more and not points and initial.grasp_type in FLAT:
        box = box_of(obj, guidance.hand_mask)
        square = None if box is None else squared(box, np.asarray(initial.R_obj_palm), guidance.any_side)
        if box is not None and square is not None:
            base = replace(initial, p_obj_palm=hand_position(center, -square[:, 2], hull), R_obj_palm=square)
            more = [Hypothesis(SQUARE.name, base, 2 * each)]
            chosen = [n for n in chosen if n.other_type or box.across(square @ n.rotation) <= FURTHEST]
    while more and sum(h.num for h in more) > shares * each:
        more.pop()
    kinds, taken = len({h.name for h in more}), sum(h.num for h in more) // each
    chosen = chosen[: max(0, min(len(chosen) - kinds, shares - taken))]
    if points:  # as G' stands, its pads are elsewhere: it keeps one start, the others share alike
        each, left = divmod(num - 1, len(chosen) + len(more))
        more = [replace(h, num=each) for h in more]
        own = 1 + left
    else:
        own = num - each * len(chosen) - sum(h.num for h in more)
    found = [Hypothesis(REASONED.name, initial, own), *more]
    for n in chosen:
        R = base.R_obj_palm @ n.rotation
        p = hand_position(center, -R[:, 2], hull) if n.tilt or n.swing else base.p_obj_palm
        kind = other if n.other_type else initial.grasp_type
        there = replace(initial, p_obj_palm=p, R_obj_palm=R, grasp_type=kind)
        found.append(at_points(n.name, there, each))
    return found


def _told(
    hand: HandModel,
    obj: ObjectModel,
    grasp: ReasonedGrasp,
    each: int,
    at_points: Callable[[str, InitialGrasp, int], Hypothesis],
) -> list[Hypothesis]:
    """What the task or the type says of single fingers: laid in the hand and aimed, each with its shares."""
    initial, guidance = grasp.initial, grasp.guidance
    assert initial is not None
    assert guidance is not None
    aims = aims_of(obj, guidance, initial.grasp_type)
    if not aims and initial.grasp_type == "pinch":
        aims = pinched(hand, obj, initial, guidance.hand_mask)
    bar = hand.grasp_types[initial.grasp_type].bar
    # in the middle of a wide opening a hand touches nothing: its edge is held like any other bent bar
    loop = aims.fingers if aims.fingers is not None and aims.fingers.size[1] < WIDE else None
    more: list[Hypothesis] = []
    lying = None if loop is not None and bar is not None and bar.wrapped else laid(hand, obj, grasp)
    if lying is not None and lying.joints is None:
        more.append(at_points(LAID.name, lying.initial, lying.shares * each))
    elif lying is not None:
        more.append(Hypothesis(LAID.name, lying.initial, lying.shares * each, lying.joints))
    served = aimed(hand, obj, initial, aims)
    if served is None:
        return more
    firm = None
    if loop is not None and aims.thumb is None:
        held = obj.samples.points[guidance.hand_mask]
        firm = closed_through(hand, obj, served.initial, served.joints, held, loop)
    if firm is None:
        return [*more, Hypothesis(AIMED.name, served.initial, 2 * each, served.joints)]
    both = (served.initial, served.joints), firm
    return more + [Hypothesis(AIMED.name, there, each, joints) for there, joints in both]
