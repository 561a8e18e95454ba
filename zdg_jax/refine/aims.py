"""What single fingers are asked to do: go through an opening, or press on a point of their own.

The paper pulls thumb and index finger together to the two key points (eq. 6), each to the nearer one: of 64
starts on a spray bottle 91 % end with both at the same point. Nothing in eq. 8 sends a finger through a loop,
and E_pen keeps it out. A start from which every finger is where it shall be leaves loops to eq. 8 as it is;
pads stay at their points by E_point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from zdg_jax.guidance import ContactGuidance, InitialGrasp
from zdg_jax.hands.keypoints import Goal, fit, obstacle, posed_crooks
from zdg_jax.hands.kinematics import base_from_palm, palm_from_base, posed, posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.free_space import Opening, openings
from zdg_jax.objects.model import ObjectModel
from zdg_jax.pose import IDENTITY, make_pose

#: Grasp types whose fingers close around a handle. A wrap goes around the whole body, never through the
#: opening of a clamp's jaws.
CLOSING = ("handle-grasp", "index-extension", "hook")
#: A finger takes so much of an opening's length, metres.
FINGER_WIDTH = 0.019
#: Openings of which one is the thumb's lie so far from each other, metres, and have axes so parallel.
APART, PARALLEL = (0.03, 0.10), 0.8
#: An opening of at least that share of the longest one's length is as good for the fingers.
_ALIKE = 0.8
#: Turns about the opening's axis that starts are tried from, degrees.
_TURNS = (-60.0, -40.0, -20.0, -10.0, 0.0, 10.0, 20.0, 40.0)
#: Weights of `keypoints.fit`: crooks, their directions, pads and normals, palm, joints, penetration.
_CROOK, _ALONG, _PAD, _NORMAL, _PALM, _REST, _CLEAR = 2.0, 1.0, 2.0, 0.5, 0.01, 0.05, 1.0
_STEPS = 30
#: Between thumb and index a pinch takes at most so much, metres; the ends of a line are this near to it and
#: face along it by at least this cosine.
PINCHED, _BESIDE, _FACING = 0.06, 0.005, 0.5
#: The pads of thumb and index finger serve their points so near, metres.
AT_POINT = 0.015, 0.010
#: A turn away from the reasoned hand by a radian costs as much as so much of the fit.
_TURNED = 1.0


@dataclass(frozen=True)
class Aims:
    """Of one task.

    Attributes:
      fingers: the opening that fingers go through, None without.
      thumb: that of the thumb, None without.
      points: (thumb, index) key points, object frame, metres; None where none were reasoned.
    """

    fingers: Opening | None = None
    thumb: Opening | None = None
    points: Float[np.ndarray, "2 3"] | None = None

    def __bool__(self) -> bool:
        return self.fingers is not None or self.points is not None


def aims_of(obj: ObjectModel, guidance: ContactGuidance, grasp_type: str) -> Aims:
    """What a task asks of single fingers.

    Key points are for thumb and index. Otherwise, where the hand closes around a part with an opening,
    fingers go through it; where there are two, near each other and parallel, the thumb through the other one.
    Of two that are about as long, as those of most scissors, the thumb's is the one on its side of the
    reasoned hand: with the two exchanged the hand would stand turned round, the forearm over the blades.

    Args:
      obj: the object.
      guidance: the regions, key points, parts and side of the thumb that were reasoned.
      grasp_type: that was reasoned.
    """
    if guidance.p_obj_points is not None:
        return Aims(points=guidance.p_obj_points)
    if grasp_type not in CLOSING:
        return Aims()
    found = openings(obj, guidance.part_ids)
    if not found:
        return Aims()
    first = max(found, key=lambda o: o.size[0])
    for other in found:
        gap = float(np.linalg.norm(other.center - first.center))
        if other is not first and APART[0] <= gap <= APART[1] and abs(other.axis @ first.axis) > PARALLEL:
            alike, side = other.size[0] >= _ALIKE * first.size[0], guidance.thumb_side
            if alike and side is not None and (first.center - other.center) @ side > 0:
                return Aims(fingers=other, thumb=first)
            return Aims(fingers=first, thumb=other)
    return Aims(fingers=first)


def pinched(
    hand: HandModel, obj: ObjectModel, initial: InitialGrasp, hand_mask: Bool[np.ndarray, " samples"]
) -> Aims:
    """Thumb and index on opposite sides of a small thing, along the line on which the hand has them.

    Of the lines through the region's centre, square to the palm's normal and up to 60 degrees from thumb to
    index of the grasp type, the one whose two ends face along it best; none where nothing faces so, or what
    lies between is wider than `PINCHED`.

    Args:
      hand, obj: the hand and the object.
      initial: G'.
      hand_mask: the reasoned region.
    """
    thumb, index = hand.functional_pads
    points, normals = obj.samples.points[hand_mask], obj.samples.normals[hand_mask]
    if thumb is None or index is None or not len(points):
        return Aims()
    R = np.asarray(initial.R_obj_palm)
    pads = posed_in_palm(hand, hand.grasp_types[initial.grasp_type].joints, "pad")
    line = (pads[index] - pads[thumb]) * np.array([1.0, 1.0, 0.0])  # in the plane of the palm
    line = R @ (line / np.linalg.norm(line))
    center = 0.5 * (points.min(axis=0) + points.max(axis=0))
    best, found = _FACING, None
    for turn in np.deg2rad(np.arange(-60.0, 61.0, 10.0)):
        way = Rotation.from_rotvec(turn * R[:, 2]).apply(line)
        along = (points - center) @ way
        beside = np.linalg.norm(points - center - along[:, None] * way, axis=1)
        ends = [np.flatnonzero((sign * along > 0) & (beside < _BESIDE)) for sign in (-1.0, 1.0)]
        if not all(len(end) for end in ends):
            continue
        facing = min(
            float((normals[end] @ (sign * way)).mean()) for sign, end in zip((-1, 1), ends, strict=True)
        )
        pair = np.array([center + along[end].mean() * way for end in ends])
        if facing > best and np.linalg.norm(pair[1] - pair[0]) <= PINCHED:
            best, found = facing, pair
    return Aims(points=found)


@dataclass(frozen=True)
class Aimed:
    """A start whose fingers are where the task wants them: G' and its own joints, radians."""

    initial: InitialGrasp
    joints: Float[np.ndarray, " active"]


def aimed(hand: HandModel, obj: ObjectModel, initial: InitialGrasp, aims: Aims) -> Aimed | None:
    """The start that serves the aims best, from some thirty by `keypoints.fit`; None without any.

    Args:
      hand, obj: the hand and the object.
      initial: G', from which the hand turns no further than it has to.
      aims: of the task.
    """
    if not aims:
        return None
    rest = hand.grasp_types[initial.grasp_type].joints
    if aims.points is not None:
        starts, goal = _to_points(hand, obj, initial, aims.points, rest)
    else:
        assert aims.fingers is not None
        starts, goal = _into(hand, initial, aims.fingers, aims.thumb, rest)
    pose, joints, cost = fit(
        hand, starts, np.tile(rest, (len(starts), 1)), goal, free_base=True, steps=_STEPS,
        against=obstacle(obj.field),
    )  # fmt: skip
    palm, R = palm_from_base(hand, pose)
    turn = Rotation.from_matrix(R @ np.asarray(initial.R_obj_palm).T).magnitude()
    best = int(np.argmin(cost + _TURNED * np.maximum(turn - np.pi / 4, 0.0)))
    return Aimed(replace(initial, p_obj_palm=palm[best], R_obj_palm=R[best]), joints[best])


def _to_points(hand, obj, initial, points, rest):
    """Thumb and index pads at their points, from the reasoned pose and turned about each palm axis."""
    R0 = np.asarray(initial.R_obj_palm)
    euler = [(x, y, z) for x in (-25.0, 0.0, 25.0) for y in (-25.0, 0.0, 25.0) for z in (-20.0, 0.0, 20.0)]
    R = R0 @ Rotation.from_euler("XYZ", euler, degrees=True).as_matrix()
    starts = base_from_palm(hand, np.tile(initial.p_obj_palm, (len(R), 1)), R)
    nearest = np.asarray(KDTree(obj.samples.points).query(points)[1])
    goal = no_goal(hand, len(R), rest, initial)
    for k, place in enumerate(hand.functional_pads):
        if place is None:
            continue
        goal.pad[:, place] = points[k]
        goal.normal[:, place] = -obj.samples.normals[nearest[k]]
        goal.pad_weight[:, place] = _PAD
        goal.normal_weight[:, place] = _NORMAL
    return starts, goal


def _into(hand, initial, opening: Opening, other: Opening | None, rest):
    """Crooks in the opening, fingers side by side along it; the thumb's in the other one."""
    pads = len(hand.pad_names)
    thumb = hand.functional_pads[0]
    fingers = [k for k, name in enumerate(hand.pad_names) if name != hand.finger_names[hand.thumb]]
    count = int(np.clip((opening.size[0] + 0.004) // FINGER_WIDTH, 1, len(fingers)))
    # scissors: the index finger stays outside where there is no room for all
    used = fingers[:count] if other is None or count > 2 else fingers[1 : 1 + count]
    p, along = posed_crooks(hand, IDENTITY, rest)
    middle, forward = p[used].mean(axis=0), along[used].mean(axis=0)
    forward = forward / np.linalg.norm(forward)
    palmar = posed(hand, IDENTITY, rest, "pad_normal")[used].mean(axis=0)
    places, turns, ways = [], [], []
    for sign in (1.0, -1.0):
        into = sign * opening.axis
        if other is None or thumb is None:  # the palm's side of the fingers at the bar
            own, there = palmar, opening.bar
        else:
            own, there = p[thumb] - middle, other.center - opening.center
        base = _frame(into, there) @ _frame(forward, own).T
        for turn in _TURNS:
            R = Rotation.from_rotvec(np.deg2rad(turn) * opening.axis).as_matrix() @ base
            places.append(opening.center - R @ middle)
            turns.append(R)
            ways.append(into)
    R = np.array(turns)
    starts = make_pose(np.array(places), R)
    goal = no_goal(hand, len(R), rest, initial)
    # side by side along the opening, the first where the hand has it
    side = np.einsum("nij,j->ni", R, p[used[0]] - p[used[-1]]) @ opening.across[0]
    order = np.where(side >= 0, 1.0, -1.0)
    step = min(FINGER_WIDTH, opening.size[0] / max(len(used), 1))
    for place, k in enumerate(used):
        offset = step * ((len(used) - 1) / 2 - place)
        goal.pad[:, pads + k] = opening.center + (order * offset)[:, None] * opening.across[0]
        goal.normal[:, pads + k] = ways
        goal.pad_weight[:, pads + k] = _CROOK
        goal.normal_weight[:, pads + k] = _ALONG
    if other is not None and thumb is not None:
        k = pads + thumb
        goal.pad[:, k] = other.center
        same = np.sign(np.array(ways) @ other.axis)
        goal.normal[:, k] = same[:, None] * other.axis
        goal.pad_weight[:, k] = _CROOK
        goal.normal_weight[:, k] = 0.5 * _ALONG
    return starts, goal._replace(palm_weight=np.zeros(len(R)))


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Columns: the first direction, the part of the second across it, and the third."""
    x = first / np.linalg.norm(first)
    y = second - x * (x @ second)
    y = y / max(float(np.linalg.norm(y)), 1e-9)
    return np.column_stack([x, y, np.cross(x, y)])


def no_goal(hand: HandModel, n: int, rest: Float[np.ndarray, " active"], initial: InitialGrasp) -> Goal:
    """A goal that asks for the type's joints, no penetration, and weakly for the reasoned palm."""
    marks, active = 2 * len(hand.pad_names), len(hand.active_names)
    return Goal(
        pad=np.zeros((n, marks, 3)), normal=np.zeros((n, marks, 3)),
        pad_weight=np.zeros((n, marks)), normal_weight=np.zeros((n, marks)),
        palm=np.tile(np.asarray(initial.p_obj_palm), (n, 1)),
        R_palm=np.tile(np.asarray(initial.R_obj_palm), (n, 1, 1)), palm_weight=np.full(n, _PALM),
        rest=np.tile(rest, (n, 1)), rest_weight=np.full((n, active), _REST), clear=np.full(n, _CLEAR),
    )  # fmt: skip
