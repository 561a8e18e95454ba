"""The reasoned grasp turned so that what is held lies in the hand as its grasp type says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import InitialGrasp, ReasonedGrasp
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import Bar, HandModel, Slab
from zdg_jax.objects.model import ObjectModel
from zdg_jax.refine.fist import GRIP, THIN, HeldBar, alone, closed_around, piece_of, section_of

#: Length over width from which on a thing is long, and how far before its middle it is held.
_LONG, _FORWARD = 3.0, 0.15
#: Half a hand's width, metres; how much longer than wide so much of a bail is, which is bent.
_GRIP, _HANGING = 0.045, 1.5
#: Places of a bail count as halfway along it within so much, metres.
_EVEN = 0.01
#: Fingers that bend no further than 90 degrees seldom hold a thinner bar in a fist: half of it, metres.
LOOSE = 0.005
#: From the end at which a flat thing is held, metres; and how far its middle lies off that of its extent, as
#: a share of it, for an end to be the broader one.
_EDGE, _UNEVEN = 0.012, 0.03


@dataclass(frozen=True)
class Lying:
    """A start with the thing in the hand as the type says.

    Attributes:
      initial: where the hand is.
      joints: where they are not the type's, radians.
      shares: of a task's starts that it is worth.
    """

    initial: InitialGrasp
    joints: Float[np.ndarray, " active"] | None = None
    shares: int = 2


def laid(hand: HandModel, obj: ObjectModel, grasp: ReasonedGrasp) -> Lying | None:
    """The reasoned grasp turned so that what is held lies in the hand as its grasp type says.

    R' = Rot(R u -> -t) R with u the bar's tail in the palm and t the held region's axis, towards the side on
    which the reasoned hand has its thumb; T' = C + 0.15 L t - R' b with L the region's length and b the bar's
    point, so that it is held somewhat towards its working end. Of a type whose bar is `wrapped`, only what is
    thin lies so, held at its middle, or a bent one where the reasoned hand has it. Around what is thin the
    hand is closed (`fist.closed_around`), unless there are key points. A flat thing: see `_flat`.

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
    if bar is not None and bar.hangs:  # of a bail its middle, not its legs
        points = points[np.linalg.norm(points - _middle(points), axis=1) < _GRIP]
    center = points.mean(axis=0)
    axes = np.linalg.svd(points - center, full_matrices=False)[2]
    extents = np.ptp((points - center) @ axes.T, axis=0)
    if slab is not None and _LONG * extents[2] <= extents[1]:
        return Lying(_flat(initial, slab, points, axes))
    if bar is None:
        return None
    held: HeldBar | None = None
    if extents[0] >= (_HANGING if bar.hangs else _LONG) * extents[1]:
        if not bar.hangs and not bar.wrapped:
            center = center + _FORWARD * extents[0] * _tip(hand, initial, bar, axes[0])
        held = section_of(points, center, axes[0]) or HeldBar(center, axes[0], np.inf, np.inf)
    elif bar.wrapped:
        there = np.asarray(initial.p_obj_palm) + np.asarray(initial.R_obj_palm) @ bar.point
        held = piece_of(points, points[np.linalg.norm(points - there, axis=1).argmin()])
    if held is None:
        return None
    in_the_palm = bar.hangs or kind.contact_prior[hand.skin_finger < 0].any()
    most = GRIP if in_the_palm and not bar.hangs else THIN
    thin = held.thin(most) and alone(obj, guidance.hand_mask, held)
    if bar.wrapped and not thin:
        return None
    if not thin:  # its axis is that of all of it
        held = replace(held, center=center)
    held = replace(held, tip=_tip(hand, initial, bar, held.tip))
    R = np.asarray(initial.R_obj_palm)
    R = Rotation.align_vectors(-held.tip[None], (R @ bar.tail)[None])[0].as_matrix() @ R
    found = replace(initial, p_obj_palm=held.center - R @ bar.point, R_obj_palm=R)
    if guidance.p_obj_points is not None or not in_the_palm or not thin:
        return Lying(found)
    return Lying(*closed_around(hand, obj, found, held), shares=2 if held.depth > LOOSE else 1)


def _tip(
    hand: HandModel, initial: InitialGrasp, bar: Bar, axis: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """The axis, towards the thumb's side; what hangs has no working end and lies as the hand is turned."""
    R = np.asarray(initial.R_obj_palm)
    if bar.hangs:
        side = -axis @ R @ bar.tail
    else:
        thumb = hand.functional_pads[0]
        joints = hand.grasp_types[initial.grasp_type].joints
        beside = bar.tail[1] if thumb is None else posed_in_palm(hand, joints, "pad")[thumb, 1]
        side = axis @ R[:, 1] * beside
    return axis * (1.0 if side >= 0 else -1.0)


def _middle(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """Of a bail: the highest place halfway along it, seen from above. One that leans is higher elsewhere."""
    level = points[:, [0, 2]] - points[:, [0, 2]].mean(axis=0)
    along = level @ np.linalg.svd(level, full_matrices=False)[2][0]
    off = np.abs(along - 0.5 * (along.min() + along.max()))
    between = points[off <= max(_EVEN, off.min())]
    return between[between[:, 1].argmax()]


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
