"""What ranks refined grasps before anything is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.kinematics import posed, posed_in_palm, posed_skin, posed_spheres
from zdg_jax.hands.model import HandModel, Posture
from zdg_jax.objects.free_space import Opening
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.refine.aims import AT_POINT, Aims, aims_of

# How far a hand is from a natural posture.
#: From the palm's own direction to that of a stretched finger's pad from its root, degrees.
STRAIGHT_DEG = 45.0


def posture_excess(joints: Float[np.ndarray, "n active"], posture: Posture) -> Float[np.ndarray, " n"]:
    """Degrees by which the limit that is kept worst is not kept: max_c max(0, a q_i + b q_j - m) / |(a, b)|.

    Args:
      joints: radians.
      posture: the hand's limits; without any all are natural.
    """
    excess = posture.excess(joints) / np.linalg.norm(posture.share, axis=1)
    return np.rad2deg(np.maximum(excess, 0.0).max(axis=1, initial=0.0))


def bent(
    hand: HandModel, kinds: Sequence[str], joints: Float[np.ndarray, "n active"]
) -> Bool[np.ndarray, " n"]:
    """Whether a finger that the grasp type stretches is bent: angle(D_finger, pad - root) > 45 degrees.

    An index finger along a knife's back that has curled up is another type.

    Args:
      hand: its types name the fingers (`GraspType.straight`).
      kinds: grasp type of each row; one that the hand does not know stretches none.
      joints: radians; rows that are not finite are not bent.
    """
    found = np.zeros(len(joints), bool)
    stretched = [
        (kind, finger)
        for kind in set(kinds) & set(hand.grasp_types)
        for finger in hand.grasp_types[kind].straight
        if finger in hand.pad_names
    ]
    if not stretched:
        return found
    finite = np.asarray(np.isfinite(joints).all(axis=1))
    q = np.where(finite[:, None], joints, hand.open_joints)
    pads, links = (posed_in_palm(hand, q, what) for what in ("pad", "link"))
    for kind, finger in stretched:
        rows = np.array([k == kind for k in kinds], bool) & finite
        root = hand.link_names.index(hand.finger_links[finger][0])
        way = pads[:, hand.pad_names.index(finger)] - links[:, root]
        angle = np.rad2deg(np.arccos(np.clip(way[:, 0] / np.linalg.norm(way, axis=1), -1.0, 1.0)))
        found |= rows & (angle > STRAIGHT_DEG)
    return found


# Whether single fingers do what the task asks of them: go through an opening, press on their own point.
#: A pad that is further from its point than `AT_POINT` by so much does not serve it at all, metres.
FADES = 0.02


class AimsMet(NamedTuple):
    """Attributes:
    met: how far a grasp does what the task asks of single fingers; NaN where it asks nothing.
    enclosed: a finger or the thumb goes through an opening, and so has only the room it leaves.
    to_point: of the pads of thumb and index finger from their points, metres; NaN where none is asked.
    """

    met: Float[np.ndarray, " k"]
    enclosed: Bool[np.ndarray, " k"]
    to_point: Float[np.ndarray, "k 2"]


def measure_aims(
    hand: HandModel,
    aims: Aims,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> AimsMet:
    """Mean over the aims of a grasp: 1 for a finger through its opening, else 0; for a pad at distance d from
    its point clip(1 - (d - r) / 2 cm, 0, 1), r = 1.5 cm for the thumb, 1 cm for the index finger.

    Args:
      hand: the hand.
      aims: of the task.
      hand_pose, joints: grasps, object frame; not finite ones give 0, and are not enclosed.
    """
    inside = np.zeros(len(hand_pose), bool)
    finite = np.isfinite(np.concatenate([hand_pose, joints], axis=1)).all(axis=1)
    shares: list[np.ndarray] = []
    to_point = np.full((len(hand_pose), 2), np.nan)
    if aims.points is not None:
        pads = posed(hand, hand_pose, joints, "pad")
        for k, (place, point) in enumerate(zip(hand.functional_pads, aims.points, strict=True)):
            if place is not None:
                to_point[:, k] = np.linalg.norm(pads[:, place] - point, axis=1)
                shares.append(np.clip(1.0 - (to_point[:, k] - AT_POINT[k]) / FADES, 0.0, 1.0))
    lines = finger_lines(hand, hand_pose, joints) if aims.fingers is not None else {}
    own = {hand.finger_names[hand.thumb]}
    for opening, asked in ((aims.fingers, lines.keys() - own), (aims.thumb, lines.keys() & own)):
        if opening is not None:
            passing = {name: through(opening, line) for name, line in lines.items()}
            shares.append(np.any([passing[name] for name in asked], axis=0).astype(float))
            inside |= np.any(list(passing.values()), axis=0)
    if not shares:
        return AimsMet(np.full(len(hand_pose), np.nan), inside, to_point)
    return AimsMet(np.where(finite, np.mean(shares, axis=0), 0.0), inside & finite, to_point)


def finger_lines(
    hand: HandModel, hand_pose: Float[np.ndarray, "k 7"], joints: Float[np.ndarray, "k active"]
) -> dict[str, Float[np.ndarray, "k corners 3"]]:
    """Every finger with a pad as the line from its root over its links' origins to the pad, object frame."""
    origins, pads = (posed(hand, hand_pose, joints, what) for what in ("link", "pad"))
    lines = {}
    for place, name in enumerate(hand.pad_names):
        links = [hand.link_names.index(link) for link in hand.finger_links[name]]
        lines[name] = np.concatenate([origins[:, links], pads[:, place, None]], axis=1)
    return lines


def through(opening: Opening, line: Float[np.ndarray, "*n corners 3"]) -> Bool[np.ndarray, "*n"]:
    """Whether a line of corners passes through an opening: crosses its plane inside its outline.

    Args:
      opening: where.
      line: corners of one or many lines, object frame, metres.
    """
    local = line - opening.center
    height = local @ opening.axis
    flat = local @ opening.across.T
    a, b = height[..., :-1], height[..., 1:]
    crosses = (a * b <= 0) & (np.abs(a - b) > 1e-9)
    share = np.where(crosses, a / np.where(crosses, a - b, 1.0), 0.0)
    at = flat[..., :-1, :] + share[..., None] * (flat[..., 1:, :] - flat[..., :-1, :])
    return np.asarray((crosses & _inside(opening.edge, at)).any(axis=-1))


def _inside(edge: Float[np.ndarray, "corners 2"], at: Float[np.ndarray, "*n 2"]) -> Bool[np.ndarray, "*n"]:
    """Even-odd rule for points in a polygon."""
    x, y = at[..., None, 0], at[..., None, 1]
    (x0, y0), (x1, y1) = edge.T, np.roll(edge, -1, axis=0).T
    between = (y0 > y) != (y1 > y)
    step = np.where(y1 == y0, 1.0, y1 - y0)
    return np.asarray((between & (x < x0 + (x1 - x0) * (y - y0) / step)).sum(axis=-1) % 2 == 1)


TOUCH = 0.005  # metres, as in sim_eval.metrics.contact
# What a hand that touches only other parts adds to its energy (docs/decisions.md).
OFF_REGION_WEIGHT = 2.0


def with_off_region_penalty(
    hand: HandModel, obj: ObjectModel, grasps: Grasps, guidance: ContactGuidance | None
) -> Grasps:
    """score + `OFF_REGION_WEIGHT` `off_region_ratio`, that as `off_region`, `blocked_share`, `aims_met`,
    `enclosed`, `thumb_point_cm`, `index_point_cm`, `bent`, `apart_cm`, `thumb_apart_cm`, as `thumb_idle`
    whether the grasp type leaves the thumb out, and `under_cm` of a thing that may be taken from any side.

    Nothing where no region was reasoned.
    """
    if guidance is None:
        return grasps
    off = off_region_ratio(hand, obj, guidance, grasps.hand_pose, grasps.joints)
    blocked = blocked_share(hand, guidance.free_points, grasps.hand_pose, grasps.joints)
    score = grasps["score"] + OFF_REGION_WEIGHT * off
    kinds = grasps.columns.get("grasp_type")  # the first start is of what was reasoned
    aims = aims_of(obj, guidance, str(kinds[0])) if kinds is not None and len(kinds) else Aims()
    met, enclosed, to_point = measure_aims(hand, aims, grasps.hand_pose, grasps.joints)
    found = {
        "score": score, "off_region": off, "blocked_share": blocked, "aims_met": met, "enclosed": enclosed,
        "thumb_point_cm": 100.0 * to_point[:, 0], "index_point_cm": 100.0 * to_point[:, 1],
    }  # fmt: skip
    fingers, thumb = apart(hand, grasps.hand_pose, grasps.joints)
    found |= {"apart_cm": 100.0 * fingers, "thumb_apart_cm": 100.0 * thumb}
    if kinds is not None:
        found["bent"] = bent(hand, [str(kind) for kind in kinds], grasps.joints)
        found["thumb_idle"] = thumb_idle(hand, [str(kind) for kind in kinds])
    if guidance.any_side:
        found["under_cm"] = 100.0 * under(hand, obj, grasps.hand_pose, grasps.joints)
    return grasps.with_columns(found)


def apart(
    hand: HandModel, hand_pose: Float[np.ndarray, "k 7"], joints: Float[np.ndarray, "k active"]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """How far neighbouring fingertips are apart at most, max_i |pad_(i+1) - pad_i|, and how far the thumb's
    is from the index finger's, metres: what stands off makes them large.

    Args:
      hand: its pads, and which finger is the thumb.
      hand_pose, joints: refined grasps, object frame.
    Returns: NaN for a grasp that is not finite; 0 where there are no two such pads.
    """
    thumb = hand.finger_names[hand.thumb]
    order = sorted(range(len(hand.pad_names)), key=lambda i: hand.pad_names[i] != thumb)
    pads = np.asarray(posed(hand, hand_pose, joints, "pad"))[:, order]
    steps = np.linalg.norm(np.diff(pads, axis=1), axis=2)
    own = 1 if thumb in hand.pad_names else 0
    return steps[:, own:].max(axis=1, initial=0.0), steps[:, :own].max(axis=1, initial=0.0)


def under(
    hand: HandModel,
    obj: ObjectModel,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, " k"]:
    """How far the hand reaches below the object, where the table is: min_o y_o - min_v y_v, metres.

    Args:
      hand, obj: the hand and the object, +y up.
      hand_pose, joints: refined grasps, object frame.
    Returns: below zero where the hand is above the table; NaN for a grasp that is not finite.
    """
    skin = np.asarray(posed_skin(hand, hand_pose, joints))
    return float(obj.mesh.vertices[:, 1].min()) - skin[:, :, 1].min(axis=1)


def thumb_idle(hand: HandModel, kinds: Sequence[str]) -> Bool[np.ndarray, " grasps"]:
    """Whether each grasp's type leaves the thumb out, as a hook does; a type that is unknown does not.

    Args:
      hand: its types say so.
      kinds: grasp type of each row.
    """
    thumb = hand.finger_names[hand.thumb]
    return np.array([not hand.holds(kind, thumb) for kind in kinds], bool)


def blocked_share(
    hand: HandModel,
    free: Float[np.ndarray, "points 3"],
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, " k"]:
    """Share of the points to keep free that lie in the hand: |{i: min_s |f_i - x_s| - r_s < 0}| / n.

    Args:
      hand: its spheres stand for it.
      free: f, object frame, metres.
      hand_pose, joints: refined grasps, object frame.
    Returns: 0 where nothing is to be kept free; NaN for a grasp that is not finite.
    """
    spheres = np.asarray(posed_spheres(hand, hand_pose, joints))
    share = np.zeros(len(spheres))
    if not len(free):
        return share
    for k, centers in enumerate(spheres):
        if np.isfinite(centers).all():
            gap = np.linalg.norm(free[:, None] - centers, axis=2) - hand.sphere_radius
            share[k] = (gap.min(axis=1) < 0.0).mean()
        else:
            share[k] = np.nan
    return share


def off_region_ratio(
    hand: HandModel,
    obj: ObjectModel,
    guidance: ContactGuidance,
    hand_pose: Float[np.ndarray, "k 7"],
    joints: Float[np.ndarray, "k active"],
) -> Float[np.ndarray, " k"]:
    """Share of the touching finger vertices v, phi(v) <= 5 mm, next to no sample of M_hand^3d or P_func^3d;
    around key points the parts that they lie on count whole: a finger that presses a trigger covers it.

    No energy keeps the other fingers off the parts beside the chosen ones: E_cmap asks which vertices are
    near the region, not what they touch instead.

    Args:
      hand, obj: the hand and the object.
      guidance: the regions that were reasoned.
      hand_pose, joints: refined grasps, object frame.
    Returns: 1 where no finger touches or the grasp is not finite.
    """
    region = guidance.hand_mask | guidance.func_mask
    if guidance.p_obj_points is not None:
        region = region | obj.part_mask(guidance.func_part_ids)
    skin = np.asarray(posed_skin(hand, hand_pose, joints))[:, hand.skin_finger >= 0]
    finite = np.isfinite(skin).all(axis=(1, 2))
    touch = np.zeros(skin.shape[:2], bool)
    flat = skin[finite].reshape(-1, 3)
    touch[finite] = (field_values(obj.field, flat) <= TOUCH).reshape(-1, skin.shape[1])
    off = np.zeros_like(touch)
    if touch.any():
        off[touch] = ~region[KDTree(obj.samples.points).query(skin[touch])[1]]
    count = touch.sum(axis=1)
    return np.where(count > 0, off.sum(axis=1) / np.maximum(count, 1), 1.0)
