"""What ranks refined grasps before anything is simulated."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from sim_eval.metrics.aims import measure_aims
from sim_eval.metrics.posture import bent
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ContactGuidance
from zdg_jax.hands.kinematics import posed_skin, posed_spheres
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sdf.build import field_values
from zdg_jax.refine.aims import Aims, aims_of

TOUCH = 0.005  # metres, as in sim_eval.metrics.contact
# What a hand that touches only other parts adds to its energy (docs/decisions.md).
OFF_REGION_WEIGHT = 2.0


def with_off_region_penalty(
    hand: HandModel, obj: ObjectModel, grasps: Grasps, guidance: ContactGuidance | None
) -> Grasps:
    """score + `OFF_REGION_WEIGHT` `off_region_ratio`, that as `off_region`, `blocked_share`, `aims_met`,
    `enclosed` and `bent`.

    Nothing where no region was reasoned.
    """
    if guidance is None:
        return grasps
    off = off_region_ratio(hand, obj, guidance, grasps.hand_pose, grasps.joints)
    blocked = blocked_share(hand, guidance.free_points, grasps.hand_pose, grasps.joints)
    score = grasps["score"] + OFF_REGION_WEIGHT * off
    kinds = grasps.columns.get("grasp_type")  # the first start is of what was reasoned
    aims = aims_of(obj, guidance, str(kinds[0])) if kinds is not None and len(kinds) else Aims()
    met, enclosed = measure_aims(hand, aims, grasps.hand_pose, grasps.joints)
    found = {
        "score": score, "off_region": off, "blocked_share": blocked, "aims_met": met, "enclosed": enclosed,
    }  # fmt: skip
    if kinds is not None:
        found["bent"] = bent(hand, [str(kind) for kind in kinds], grasps.joints)
    return grasps.with_columns(found)


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
    """Share of the touching finger vertices v, phi(v) <= 5 mm, next to no sample of M_hand^3d or P_func^3d.

    No energy keeps the other fingers off the parts beside the chosen ones: E_cmap asks which vertices are
    near the region, not what they touch instead.

    Args:
      hand, obj: the hand and the object.
      guidance: the regions that were reasoned.
      hand_pose, joints: refined grasps, object frame.
    Returns: 1 where no finger touches or the grasp is not finite.
    """
    region = guidance.hand_mask | guidance.func_mask
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
