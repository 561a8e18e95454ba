"""A thin bar in the hand: fingers wrapped round it and the palm on it; theta' would hold it by the tips.

The joints of a grasp type are for a handle of some three centimetres. From there refinement brings the
fingertips to a thinner one and stops: contact is near enough, and nothing in eq. 8 pulls the bar into the
palm. A start that is closed already stays closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from zdg_jax.guidance import InitialGrasp
from zdg_jax.hands.keypoints import crooks, fit, obstacle, posed_crooks, to_pad
from zdg_jax.hands.kinematics import base_from_palm, palm_from_base, posed, posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.free_space import Opening
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.pose import unit
from zdg_jax.refine.aims import FINGER_WIDTH, no_goal

#: Thinner than that, metres, a bar is wrapped, in the palm up to so much; thicker ones fill the type's curl.
THIN, GRIP = 0.029, 0.042
#: The crook lies so far past the side of the bar that faces away from the palm, the thumb before it, degrees.
_PAST, _OPPOSED = 25.0, -45.0
#: No finger is wrapped further than there, degrees.
_MOST = -162.0
#: Between the palm's skin and the object at first, metres; how far off and in what steps it is looked for.
_TOUCH, _FAR, _STEP = 0.001, 0.04, 0.0005
#: Of a gap so much is passed at once: the stored field's slope is a little over 1 in places.
_SURE = 0.7
#: Weights of `keypoints.fit`; the last of the way the thumb's pad looks.
_CROOK, _PAD, _THUMB, _NORMAL, _PALM, _CLEAR, _FACING = 1.0, 1.0, 0.5, 0.3, 0.3, 4.0, 1.0
#: Of joints that bend a finger, of the thumb's, and of those that spread fingers.
_REST, _THUMB_REST, _SPREAD = 0.05, 0.1, 10.0
_STEPS = 30
#: The thumb's pad lies so far along the bar from the index finger's crook, metres.
_BESIDE = 0.016, 0.022
#: Of a handle so much to either side of a place counts as its bar, metres; a bent one's is so many times
#: longer than wide. Of one bar there is at least this share of the samples in the middle third of its width.
_PIECE, _STRAIGHT, _FULL = 0.03, 1.8, 0.1
#: So much of what fingers go round, metres beside a bar, may be other things, as a share of the bar.
_NEXT, _BESIDES = 0.02, 1.0
#: A second handle is within so much of the first, metres.
_REACHED = 0.05
#: A bar that goes into the palm by more than this cosine can't be wrapped.
_INTO = 0.8


@dataclass(frozen=True)
class HeldBar:
    """Of the object.

    Attributes:
      center: on its axis, where it is held, object frame, metres.
      tip: unit vector along it, to its working end.
      radius: half its width, metres.
      depth: half its thickness, metres; of a round one its radius too.
    """

    center: Float[np.ndarray, "3"]
    tip: Float[np.ndarray, "3"]
    radius: float
    depth: float

    def thin(self, most: float = THIN) -> bool:
        """Thin enough to be wrapped, metres."""
        return self.radius <= 0.5 * most


def closed_around(
    hand: HandModel,
    obj: ObjectModel,
    lying: InitialGrasp,
    bar: HeldBar,
    joints: Float[np.ndarray, " active"] | None = None,
) -> tuple[InitialGrasp, Float[np.ndarray, " active"]]:
    """The hand with the bar on its palm and its fingers wrapped round it.

    The palm moves along D_palm until its skin is `_TOUCH` from the bar. With phi the angle about the bar
    from the side that faces away from the palm, towards D_finger, and h the pad's height over the bone, each
    finger that the type does not stretch has its crook at phi = 25 degrees, r + h from the axis, and its pad
    on the bar at phi - L / (r + h), L the finger's length from crook to pad: wrapped without slipping. The
    thumb's pad is beside the index finger, on the side from which the fingers come, if joints are the type's.

    Args:
      hand: whose type of `lying` says which fingers are stretched.
      obj: that the fingers stay out of.
      lying: the hand along the bar as its type says.
      bar: what it holds, across the palm.
      joints: in place of the type's, radians; the thumb then stays as they have it.
    """
    kind = hand.grasp_types[lying.grasp_type]
    rest = kind.joints if joints is None else joints
    R = np.asarray(lying.R_obj_palm)
    away = unit(R[:, 2] - (R[:, 2] @ bar.tip) * bar.tip)
    forward = np.cross(bar.tip, away)
    forward = forward if forward @ R[:, 0] >= 0 else -forward

    def around(phi: float) -> Float[np.ndarray, "3"]:
        return np.cos(np.deg2rad(phi)) * away + np.sin(np.deg2rad(phi)) * forward

    palm = _onto_palm(hand, obj, rest, np.asarray(lying.p_obj_palm), R)
    start = base_from_palm(hand, palm, R)
    pads, own, index = len(hand.pad_names), crooks(hand), hand.functional_pads[1]
    at, at_pad = posed_crooks(hand, start, rest)[0], posed(hand, start, rest, "pad")
    goal = no_goal(hand, 1, rest, replace(lying, p_obj_palm=palm))._replace(
        palm_weight=np.full(1, _PALM), rest_weight=_rest_weight(hand)[None], clear=np.full(1, _CLEAR)
    )
    for k, name in enumerate(hand.pad_names):
        if name == hand.finger_names[hand.thumb]:
            if joints is not None or index is None:
                continue
            beside = float((at_pad[k] - at[index]) @ bar.tip)
            beside = np.sign(beside) * np.clip(abs(beside), *_BESIDE)
            place = bar.center + ((at[index] - bar.center) @ bar.tip + beside) * bar.tip
            side = around(_OPPOSED)
            goal.pad[:, k], goal.normal[:, k] = place + bar.radius * side, -side
            goal.pad_weight[:, k], goal.normal_weight[:, k] = _THUMB, _FACING
            continue
        if name in kind.straight:
            continue
        height = float(hand.p_link_pad[k] @ hand.n_link_pad[k])
        length = float(np.linalg.norm(own.point[k]) + np.linalg.norm(to_pad(hand, k)))
        place = bar.center + ((at[k] - bar.center) @ bar.tip) * bar.tip
        wrapped = np.rad2deg(length / (bar.radius + height))
        crook, tip = around(_PAST), around(max(_PAST - wrapped, _MOST))
        goal.pad[:, pads + k] = place + (bar.radius + height) * crook
        goal.pad[:, k], goal.normal[:, k] = place + bar.radius * tip, -tip
        goal.pad_weight[:, pads + k], goal.pad_weight[:, k] = _CROOK, _PAD
        goal.normal_weight[:, k] = _NORMAL
    pose, closed, _ = fit(
        hand, start[None], rest[None], goal, free_base=True, steps=_STEPS, against=obstacle(obj.field)
    )
    p, turned = palm_from_base(hand, pose)
    return replace(lying, p_obj_palm=p[0], R_obj_palm=turned[0]), closed[0]


def closed_through(
    hand: HandModel,
    obj: ObjectModel,
    through: InitialGrasp,
    joints: Float[np.ndarray, " active"],
    held: Float[np.ndarray, "n 3"],
    opening: Opening,
) -> tuple[InitialGrasp, Float[np.ndarray, " active"]] | None:
    """`closed_around` the bar of a loop that fingers go through; None where it is bent, thick or too short.

    Args:
      hand, obj: the hand and the object.
      through, joints: fingers in the opening.
      held: of the loop, object frame, metres.
      opening: says where the loop's bar is.
    """
    if opening.size[0] < len(hand.pad_names[1:]) * FINGER_WIDTH:  # some fingers are outside, on another thing
        return None
    side = opening.center + 0.5 * opening.size[1] * opening.bar
    bar = piece_of(held, held[np.linalg.norm(held - side, axis=1).argmin()])
    into = abs(np.asarray(through.R_obj_palm)[:, 2] @ bar.tip) if bar is not None else 0.0
    if bar is None or not bar.thin() or into > _INTO:
        return None
    return closed_around(hand, obj, through, bar, joints)


def section_of(
    held: Float[np.ndarray, "n 3"], center: Float[np.ndarray, "3"], axis: Float[np.ndarray, "3"]
) -> HeldBar | None:
    """The bar that a straight handle is near a place along it, in its middle; None of two side by side,
    and where fewer than four samples show it."""
    along, across = _split(held, center, axis)
    across = across[np.abs(along) <= max(_PIECE, np.abs(along).min())]
    if len(across) < 4:
        return None
    axes = np.linalg.svd(across - across.mean(axis=0), full_matrices=False)[2][:2]
    flat = across @ axes.T
    if _hollow(flat[:, 0]):
        return None
    middle = np.median(flat, axis=0)  # legs at the ends of a handle don't count
    radius, depth = np.sqrt(2.0) * np.median(np.abs(flat - middle), axis=0)  # of a round bar's surface
    return HeldBar(center + middle @ axes, axis, float(radius), float(min(radius, depth)))


def piece_of(held: Float[np.ndarray, "n 3"], near: Float[np.ndarray, "3"]) -> HeldBar | None:
    """The bar that a bent handle is near a place; None where that is no bar, or two side by side."""
    piece = held[np.linalg.norm(held - near, axis=1) < _PIECE]
    if len(piece) < 4:
        return None
    center = piece.mean(axis=0)
    axes = np.linalg.svd(piece - center, full_matrices=False)[2]
    extents = np.ptp((piece - center) @ axes.T, axis=0)
    if extents[0] < _STRAIGHT * extents[1]:
        return None
    along, across = _split(held, center, axes[0])
    here = across[(np.abs(along) < 0.5 * _PIECE) & (np.linalg.norm(across, axis=1) < _REACHED)]
    if len(here) > 3 and _hollow(here @ np.linalg.svd(here - here.mean(axis=0), full_matrices=False)[2][0]):
        return None
    return HeldBar(center, axes[0], 0.5 * float(extents[2]), 0.5 * float(extents[2]))


def _hollow(x: Float[np.ndarray, " n"]) -> bool:
    """Much to either side and hardly anything in the middle third, as between the handles of pliers."""
    low, middle, high = np.histogram(x, 3)[0] / len(x)
    return bool(middle < _FULL and min(low, high) > _FULL)


def alone(obj: ObjectModel, mask: Bool[np.ndarray, " samples"], bar: HeldBar) -> bool:
    """Nothing else of the object runs beside the bar where fingers go round it, as a phone does by its edge.

    Args:
      obj, mask: the object and its samples that are held.
      bar: of them.
    """
    along, off = _split(obj.samples.points, bar.center, bar.tip)
    here = (np.abs(along) < _PIECE) & (np.linalg.norm(off, axis=1) < bar.radius + _NEXT)
    return bool((here & ~mask).sum() <= _BESIDES * (here & mask).sum())


def _split(
    points: Float[np.ndarray, "n 3"], center: Float[np.ndarray, "3"], axis: Float[np.ndarray, "3"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
    """How far along an axis points lie from a place, and their way off it."""
    along = (points - center) @ axis
    return along, points - center - np.outer(along, axis)


def _onto_palm(hand: HandModel, obj: ObjectModel, joints, palm, R) -> np.ndarray:
    """The palm moved along D_palm until its skin is `_TOUCH` from the object."""
    skin = posed_in_palm(hand, joints, "skin")[hand.skin_finger < 0] @ R.T + palm
    at = 0
    # distances are 1-Lipschitz: nothing that is nearer lies between two places so far apart as the gap is
    while at < round(2 * _FAR / _STEP):
        shift = (at * _STEP - _FAR) * R[:, 2]
        gap = field_values(obj.field, skin + shift).min() - _TOUCH
        if gap < 0:
            return palm + shift
        at += max(1, int(_SURE * gap / _STEP))
    return palm


def _rest_weight(hand: HandModel) -> np.ndarray:
    thumbs = hand.driving(hand.link_finger[hand.joint_link] == hand.thumb)
    return np.where(spreads(hand), _SPREAD, np.where(thumbs, _THUMB_REST, _REST))


@lru_cache(maxsize=16)
def spreads(hand: HandModel) -> Bool[np.ndarray, " active"]:
    """Active joints that turn a finger about the palm's normal, the thumb's left out."""
    axes = posed_in_palm(hand, hand.open_joints, "hinge_normal")
    sideways = (np.abs(axes[:, 2]) > 0.7) & (hand.link_finger[hand.joint_link] != hand.thumb)
    return hand.driving(sideways)
