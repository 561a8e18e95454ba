"""Several ways to hold what one answer names: neighbours of the reasoned grasp, refined together with it.

The paper refines one hypothesis: one direction, one of K turns, one grasp type. From where one answer puts
the hand there is often no grasp that withstands six forces: of 42 tasks nine had none among 64 starts; seven
of these had one from a neighbour (docs/simulation.md). Planners without a task start all around the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import HandModel, Slab
from zdg_jax.objects.model import EXPANSION, ObjectModel, expanded, hand_position
from zdg_jax.refine.aims import Aims, aimed, aims_of, pinched
from zdg_jax.refine.config import MOST_HYPOTHESES

#: What a hold of another type is: a pinch for one with all the hand, and the other way round.
OTHER = {
    "lift": "wrap-grasp", "pinch": "lift", "tripod": "lift", "index-extension": "handle-grasp",
    "lateral": "pinch", "hook": "handle-grasp", "index-trigger": "handle-grasp",
    "sphere": "wrap-grasp",
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

    @cached_property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Rot_x(tilt) Rot_y(swing) Rot_z(turn)."""
        return Rotation.from_euler("XYZ", [self.tilt, self.swing, self.turn], degrees=True).as_matrix()


REASONED = Neighbour("reasoned", tier=0)
#: As the card of the grasp type says that a long thing lies in it; preferred to the reasoned one.
LAID = Neighbour("laid in the hand", tier=-1)
#: Fingers through an opening or at points of their own; preferred likewise.
AIMED = Neighbour("aimed", tier=-1)
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
TIERS: Mapping[str, int] = {n.name: n.tier for n in (LAID, AIMED, REASONED, *NEIGHBOURS, *AROUND)}
#: The tier of those that come after all others that hold.
FAR = 3
#: Each neighbour gets this share of the starts, the reasoned grasp the rest.
_SHARE = 10
#: Length over width from which on a thing is long, and how far before its middle it is held.
_LONG, _FORWARD = 3.0, 0.15
#: Half a hand's width, metres; how much longer than wide so much of a bail is, which is bent.
_GRIP, _HANGING = 0.045, 1.5
#: From the end at which a flat thing is held, metres; and how far its middle lies off that of its extent, as
#: a share of it, for an end to be the broader one.
_EDGE, _UNEVEN = 0.012, 0.03


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
    thing lies in it, that is one of them (`laid`), with two shares. Where thumb and index finger have key
    points, each neighbour's hand goes on from there to where it has its pads at them, and its joints do.

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

    more: list[Hypothesis] = []
    if shares >= 2:
        lying = laid(hand, obj, grasp)
        aims = aims_of(obj, guidance, initial.grasp_type)
        if not aims and initial.grasp_type == "pinch":
            aims = pinched(hand, obj, initial, guidance.hand_mask)
        served = aimed(hand, obj, initial, aims)
        if lying is not None:
            more.append(at_points(LAID.name, lying, 2 * each))
        if served is not None:
            more.append(Hypothesis(AIMED.name, served.initial, 2 * each, served.joints))
    more = more[: shares // 2]
    chosen = chosen[: max(0, min(len(chosen) - len(more), shares - 2 * len(more)))]
    center = obj.samples.points[guidance.hand_mask].mean(axis=0)
    hull = expanded(obj.hull, EXPANSION)
    if points:  # as G' stands, its pads are elsewhere: it keeps one start, the others share alike
        each, left = divmod(num - 1, len(chosen) + len(more))
        more = [replace(h, num=each) for h in more]
        own = 1 + left
    else:
        own = num - each * (len(chosen) + 2 * len(more))
    found = [Hypothesis(REASONED.name, initial, own), *more]
    for n in chosen:
        R = initial.R_obj_palm @ n.rotation
        p = hand_position(center, -R[:, 2], hull) if n.tilt or n.swing else initial.p_obj_palm
        kind = other if n.other_type else initial.grasp_type
        there = replace(initial, p_obj_palm=p, R_obj_palm=R, grasp_type=kind)
        found.append(at_points(n.name, there, each))
    return found


def laid(hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp) -> InitialGrasp | None:
    """The reasoned grasp turned so that what is held lies in the hand as its grasp type says.

    R' = Rot(R u -> -t) R with u the bar's tail in the palm and t the held region's axis, towards the side on
    which the reasoned hand has its thumb; T' = C + 0.15 L t - R' b with L the region's length and b the bar's
    point, so that it is held somewhat towards its working end. A flat thing: see `_flat`.

    Args:
      hand, obj: the hand and the object.
      grasp: with guidance and an initial grasp.
    Returns: None where the type says nothing, or what is held is not long (less than three times its width)
      or not flat (more than a third as thick as wide).
    """
    initial, guidance = grasp.initial, grasp.guidance
    assert initial is not None
    assert guidance is not None
    kind = hand.grasp_types[initial.grasp_type]
    bar, slab = kind.bar, kind.slab
    points = obj.samples.points[guidance.hand_mask]
    if (bar is None and slab is None) or len(points) < 4:
        return None
    hangs = bar is not None and bar.hangs
    if hangs:  # of a bail its middle, not its legs
        points = points[np.linalg.norm(points - points[points[:, 1].argmax()], axis=1) < _GRIP]
    center = points.mean(axis=0)
    axes = np.linalg.svd(points - center, full_matrices=False)[2]
    extents = np.ptp((points - center) @ axes.T, axis=0)
    if slab is not None and _LONG * extents[2] <= extents[1]:
        return _flat(initial, slab, points, axes)
    if bar is None or extents[0] < (_HANGING if hangs else _LONG) * extents[1]:
        return None
    point, tail = bar.point, bar.tail
    R = np.asarray(initial.R_obj_palm)
    # a handle has no working end: it lies as the reasoned hand is turned already
    thumb = hand.functional_pads[0]
    beside = tail[1] if thumb is None else posed_in_palm(hand, kind.joints, "pad")[thumb, 1]
    side = -axes[0] @ R @ tail if hangs else axes[0] @ R[:, 1] * beside
    tip = axes[0] * (1.0 if side >= 0 else -1.0)
    R = Rotation.align_vectors(-tip[None], (R @ tail)[None])[0].as_matrix() @ R
    at = center if hangs else center + _FORWARD * extents[0] * tip
    return replace(initial, p_obj_palm=at - R @ point, R_obj_palm=R)


def _flat(
    initial: InitialGrasp, slab: Slab, points: Float[np.ndarray, "n 3"], axes: Float[np.ndarray, "3 3"]
) -> InitialGrasp:
    """The grasp in which a flat thing lies in the hand as the type's slab does, held near its broader end.

    Its plane is the slab's and its longest axis the slab's way out, towards the end with less of it, as a
    key's is; of those ways the one nearest to the reasoned hand. It is held `_EDGE` from its other end.
    """
    along = points @ axes[0]
    low, high = along.min(), along.max()
    lean = (0.5 * (low + high) - along.mean()) / (high - low)
    ends = (np.sign(lean),) if abs(lean) > _UNEVEN else (1.0, -1.0)
    palm = np.column_stack([slab.normal, slab.out, np.cross(slab.normal, slab.out)])
    best: tuple[float, np.ndarray, float] | None = None
    for end in ends:
        for face in (1.0, -1.0):
            normal, out = face * axes[2], end * axes[0]
            R = np.column_stack([normal, out, np.cross(normal, out)]) @ palm.T
            turn = float(Rotation.from_matrix(R @ np.asarray(initial.R_obj_palm).T).magnitude())
            if best is None or turn < best[0]:
                best = turn, R, end
    assert best is not None
    _, R, end = best
    edge = min(_EDGE, 0.5 * (high - low))
    middle = axes @ (0.5 * (points.min(axis=0) + points.max(axis=0)))
    place = np.array([low + edge if end > 0 else high - edge, *middle[1:]])
    return replace(initial, p_obj_palm=place @ axes - R @ slab.point, R_obj_palm=R)
