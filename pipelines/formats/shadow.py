"""How other people's Shadow hands sit on ours: base frames and joint names.

All of them are the same robot: palm frame with the fingers along +z, the index side along +x, the palm
facing -y. They differ in which link is the root, in names, and in the sense of some joints.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import IDENTITY, compose, inverse

PALM = "rh_palm"
FOREARM_TO_PALM_TURN = (1.0, 0.0, 0.0, 0.0)
# DexGraspBench's right_hand.xml keeps the palm's offset from the wrist that it cuts off (convert_format.py)
DEXGRASPBENCH_PALM = (0.0, 0.0, 0.034, 1.0, 0.0, 0.0, 0.0)
# DexGraspNet's MJCF counts joints from 0 and turns these the other way; ours: MuJoCo Menagerie's
_FINGERS = {"FF": 4, "MF": 4, "RF": 4, "LF": 5, "TH": 5}
_REVERSED = {"FFJ3", "MFJ3", "THJ1", "THJ0"}
#: DexGraspNet's joint name -> (ours, sign)
DEXGRASPNET_JOINTS = {
    f"robot0:{finger}J{k}": (f"rh_{finger}J{k + 1}", -1.0 if f"{finger}J{k}" in _REVERSED else 1.0)
    for finger, count in _FINGERS.items()
    for k in reversed(range(count))
}


def from_dexgraspnet(
    hand: HandModel, palm: Float[np.ndarray, "rows 7"], joints: Float[np.ndarray, "rows 22"]
) -> tuple[Float[np.ndarray, "rows 7"], Float[np.ndarray, "rows active"]]:
    """(pose of our link 0, our joints) of palm poses and joints in the order of `DEXGRASPNET_JOINTS`.

    T_obj_base = T_obj_palm T_base_palm^-1.
    """
    order = [list(DEXGRASPNET_JOINTS.values()).index(each) for each in _by_ours(hand)]
    signs = np.array([sign for _, sign in _by_ours(hand)])
    return compose(palm, inverse(palm_in_base(hand))), joints[:, order] * signs


def _by_ours(hand: HandModel) -> list[tuple[str, float]]:
    theirs = dict(DEXGRASPNET_JOINTS.values())
    return [(name, theirs[name]) for name in hand.active_names]


def palm_in_base(hand: HandModel) -> Float[np.ndarray, "7"]:
    """T_base_palm of our Shadow, wrist at 0: the pose of `rh_palm` in link 0."""
    links = posed(hand, IDENTITY, np.zeros(len(hand.active_names)), "link")
    # wrist and palm are mounted without a turn: a test compares with MuJoCo
    return np.concatenate([links[hand.link_names.index(PALM)], FOREARM_TO_PALM_TURN])
