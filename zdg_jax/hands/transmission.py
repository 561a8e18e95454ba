"""What the hand's actuators pull: a joint each, or a tendon over several joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel

#: Rounds in which length that one joint has no room for goes to the others of its tendon.
_ROUNDS = 8


def transmission_of(
    active: Sequence[str], tendons: Mapping[str, Mapping[str, float]], name: str
) -> tuple[tuple[str, ...], Float[np.ndarray, "actuators active"]]:
    """Names of the actuators and their moment arms: length = T q_active.

    A joint that is on no tendon has an actuator of its own, of its name. A tendon stands where the first of
    its joints would.

    Args:
      active: joints with an angle of their own.
      tendons: the card's, moment arm by joint.
      name: of the card, for messages.
    Raises:
      UserError: a tendon over an unknown, fixed or following joint, over one of another tendon, or of a
        joint's name.
    """
    tendon_of: dict[str, str] = {}
    for tendon, arms in tendons.items():
        if tendon in active:
            raise UserError(f"tendon {tendon!r}, which is a joint", "a name of its own", f"mend card {name}")
        for joint, arm in arms.items():
            if joint not in active or arm == 0.0:
                raise UserError(
                    f"tendons.{tendon}: joint {joint!r} with moment arm {arm:g}",
                    "an arm other than 0 at a joint that is neither fixed nor follows another",
                    f"mend card {name}",
                )
            if joint in tendon_of:
                raise UserError(
                    f"joint {joint} on the tendons {tendon_of[joint]} and {tendon}",
                    "one tendon a joint",
                    f"mend card {name}",
                )
            tendon_of[joint] = tendon
    names = tuple(dict.fromkeys(tendon_of.get(j, j) for j in active))
    T = np.zeros((len(names), len(active)))
    for k, joint in enumerate(active):
        actuator = tendon_of.get(joint, joint)
        T[names.index(actuator), k] = tendons[actuator][joint] if joint in tendon_of else 1.0
    return names, T


def actuator_force(
    hand: HandModel, torque: Float[np.ndarray, "*rows active"]
) -> Float[np.ndarray, "*rows actuators"]:
    """The forces f whose joint torques T^T f are nearest to those asked for: f = (T T^T)^-1 T torque.

    A tendon over two joints with equal arms takes the mean of their torques.

    Args:
      hand: its `transmission` T.
      torque: of the active joints, N m.
    Returns: N m per unit of arm.
    """
    return torque @ np.linalg.pinv(hand.transmission)


def drawn_joints(
    hand: HandModel, joints: Float[np.ndarray, "*rows active"], draw: Float[np.ndarray, "*rows actuators"]
) -> Float[np.ndarray, "*rows active"]:
    """Joint angles q + T^+ draw, within limits: what stands for servo targets where angles are stored.

    Where a joint of a tendon is at its limit the others of that tendon take its share, so that T q changes by
    `draw` as far as limits allow it.

    Args:
      hand: `transmission` T and limits.
      joints: q, radians, within limits.
      draw: change of each actuator's length, radians.
    """
    T = hand.transmission
    q = np.clip(joints, hand.lower, hand.upper)
    want = q @ T.T + draw
    for _ in range(_ROUNDS):
        left = want - q @ T.T
        push = (left @ T) * np.ones_like(q)
        room = np.where(push > 0, q < hand.upper, q > hand.lower) * np.ones_like(q)
        # each actuator's length left, over the squared arms of joints that still have room
        weight = room @ (T**2).T
        q = np.clip(q + room * ((left / np.where(weight > 0, weight, 1.0)) @ T), hand.lower, hand.upper)
    return q
