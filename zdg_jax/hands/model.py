"""The hand as kinematics, rendering, refinement and simulation all read it (DESIGN §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from zdg_jax.errors import UserError
from zdg_jax.hands.blend import Blend

# What joints allow each other, beyond each one's own limits: linear limits on one or two angles.
#: One limit: most that the sum may be, degrees, and shares by joint.
Limit = tuple[float, Mapping[str, float]]


def _no_limits() -> np.ndarray:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False)
class Posture:
    """C limits a_c q_i + b_c q_j <= m_c; of a limit on one joint j = i and b = 0.

    Attributes:
      joint: i and j, places among the active joints.
      share: a and b.
      bound: m, radians.
    """

    joint: Int[np.ndarray, "limits 2"] = field(default_factory=lambda: np.zeros((0, 2), int))
    share: Float[np.ndarray, "limits 2"] = field(default_factory=_no_limits)
    bound: Float[np.ndarray, " limits"] = field(default_factory=lambda: np.zeros(0))

    def excess(self, joints: Float[np.ndarray, "n active"]) -> Float[np.ndarray, "n limits"]:
        """a q_i + b q_j - m, radians; above 0 where a limit is not kept."""
        return (joints[:, self.joint] * self.share).sum(axis=2) - self.bound


@dataclass(frozen=True, eq=False)
class PostureRows:
    """The same, joint by joint: a limit on two stands at both.

    Attributes:
      partner: the other joint.
      own, other, bound: a, b and m as seen from the joint.
      weight: 1/2 for a limit that stands twice, 1 for one that stands once, 0 for padding.
    """

    partner: Int[np.ndarray, "rows active"]
    own: Float[np.ndarray, "rows active"]
    other: Float[np.ndarray, "rows active"]
    bound: Float[np.ndarray, "rows active"]
    weight: Float[np.ndarray, "rows active"]


def posture_of(limits: Sequence[Limit], active: Sequence[str], name: str) -> Posture:
    """The card's limits by places among the active joints.

    Raises:
      UserError: a limit on other than one or two active joints.
    """
    joint, share, bound = [], [], []
    for most, shares in limits:
        unknown = [j for j in shares if j not in active]
        if unknown or not 1 <= len(shares) <= 2:
            raise UserError(
                f"posture: a limit on {', '.join(shares) or 'no joint'}",
                f"one or two of {', '.join(active)}",
                f"mend card {name}",
            )
        places, parts = [active.index(j) for j in shares], list(shares.values())
        joint.append([places[0], places[-1]])
        share.append([parts[0], parts[1] if len(parts) == 2 else 0.0])
        bound.append(np.deg2rad(most))
    if not bound:
        return Posture()
    return Posture(np.array(joint), np.array(share), np.array(bound))


def posture_rows(posture: Posture, active: int) -> PostureRows:
    """By joint; at least one row, so that no array is empty."""
    at: list[list[tuple[int, float, float, float, float]]] = [[] for _ in range(active)]
    for (i, j), (a, b), m in zip(posture.joint, posture.share, posture.bound, strict=True):
        single = i == j
        at[i].append((j, a, b, m, 1.0 if single else 0.5))
        if not single:
            at[j].append((i, b, a, m, 0.5))
    rows = np.zeros((max(1, *map(len, at)), active, 5))
    for joint, own in enumerate(at):
        for row, values in enumerate(own):
            rows[row, joint] = values
    return PostureRows(rows[..., 0].astype(int), *(rows[..., k] for k in range(1, 5)))


# What the hand's actuators pull: a joint each, or a tendon over several joints.
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


@dataclass(frozen=True)
class Bar:
    """How a long thing lies in a grasp type, palm frame.

    Attributes:
      point: on its axis, metres.
      tail: unit vector along it, to the end that does not work.
      hangs: it is a handle from which something hangs: held halfway along it.
      wrapped: only what is thin lies so, with the fingers wrapped round it (`refine.fist`).
    """

    point: Float[np.ndarray, "3"]
    tail: Float[np.ndarray, "3"]
    hangs: bool = False
    wrapped: bool = False


@dataclass(frozen=True)
class Slab:
    """How a flat thing lies in a grasp type, palm frame.

    Attributes:
      point: where its middle plane is held, metres.
      normal: of it, a unit vector.
      out: in it, a unit vector to the end that stands out of the hand.
    """

    point: Float[np.ndarray, "3"]
    normal: Float[np.ndarray, "3"]
    out: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class GraspType:
    """One of the common grasp types of paper III-B.

    Attributes:
      joints: theta', an angle for every active joint, radians, in `HandModel.active_names` order.
      contact_prior: C of eqs. 6-7, one probability a skin vertex.
      description: one line for prompts.
      contact: the card's probabilities by link, before the back of the hand is taken out.
      bar: how a long thing lies in it; None where that is left open.
      straight: fingers that the type is named after: they stay stretched.
      side: probabilities by link of touching with the link's side towards the thumb; part of the prior too.
      slab: how a flat thing lies in it; None where that is left open.
    """

    joints: Float[np.ndarray, " active"]
    contact_prior: Float[np.ndarray, " vertices"]
    description: str
    contact: Mapping[str, float] = field(default_factory=dict)
    bar: Bar | None = None
    straight: tuple[str, ...] = ()
    side: Mapping[str, float] = field(default_factory=dict)
    slab: Slab | None = None


# eq=False: compared and hashed by identity, so that compiled functions can be cached per hand.
@dataclass(frozen=True, eq=False)
class HandModel:
    """Kinematic tree, skin, collision spheres and card of one hand, as plain numpy arrays.

    Links are in parents-first order; link 0 is the base and carries `hand_pose`. The palm frame has
    x = D_finger (where extended fingers point), z = D_palm (what the palm faces), y = z cross x,
    origin on the palm's surface.

    Skin: one watertight triangle mesh; every vertex is stored in the frame of one link. The energies take it
    as fixed to that; where `skin_blend` is given, what is measured and drawn follows both links near a joint.
    Spheres: chains for simulation and self-penetration, stored in the frame of their link.

    Actuators: position servos, length = transmission @ q_active; force kp (target - length) within
    +-servo_torque, joint torques = transmission^T force. The identity unless the card names tendons. Postures
    are always active joint angles; a servo's target is transmission @ angles.
    """

    name: str
    mjcf: str
    link_names: tuple[str, ...]
    link_parent: Int[np.ndarray, " links"]
    p_parent_link: Float[np.ndarray, "links 3"]
    q_parent_link: Float[np.ndarray, "links 4"]
    joint_names: tuple[str, ...]
    joint_link: Int[np.ndarray, " joints"]
    joint_axis: Float[np.ndarray, "joints 3"]
    p_link_joint: Float[np.ndarray, "joints 3"]
    active_names: tuple[str, ...]
    coupling: Float[np.ndarray, "joints active"]
    coupling_offset: Float[np.ndarray, " joints"]
    lower: Float[np.ndarray, " active"]
    upper: Float[np.ndarray, " active"]
    actuator_names: tuple[str, ...]
    transmission: Float[np.ndarray, "actuators active"]
    p_link_skin: Float[np.ndarray, "vertices 3"]
    n_link_skin: Float[np.ndarray, "vertices 3"]
    skin_link: Int[np.ndarray, " vertices"]
    skin_faces: Int[np.ndarray, "skin_faces 3"]
    skin_finger: Int[np.ndarray, " vertices"]
    finger_names: tuple[str, ...]
    functional_fingers: tuple[str, ...]
    functional: Bool[np.ndarray, " vertices"]
    p_link_sphere: Float[np.ndarray, "spheres 3"]
    sphere_radius: Float[np.ndarray, " spheres"]
    sphere_link: Int[np.ndarray, " spheres"]
    sphere_pairs: Int[np.ndarray, "pairs 2"]
    p_base_palm: Float[np.ndarray, "3"]
    R_base_palm: Float[np.ndarray, "3 3"]
    pad_names: tuple[str, ...]
    pad_link: Int[np.ndarray, " pads"]
    p_link_pad: Float[np.ndarray, "pads 3"]
    n_link_pad: Float[np.ndarray, "pads 3"]
    grasp_types: Mapping[str, GraspType]
    #: The card's own pregrasp; None for the way out that `sim_eval.select.closing` finds.
    pregrasp_opening: float | None = None
    squeeze_rule: float = 2.0
    servo_kp: float = 5.0
    servo_torque: float = 3.0
    #: How skin bends at joints; None for a robot's shells, which do not.
    skin_blend: Blend | None = None
    #: What joints allow each other.
    posture: Posture = field(default_factory=Posture)
    #: Links of every finger, root first.
    finger_links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Its card, or "" for a built-in hand.
    card: str = ""

    @property
    def reference(self) -> str:
        """What `load_hand` finds it by: the name of a built-in hand, the card's path of another."""
        return self.card or self.name

    @property
    def open_joints(self) -> Float[np.ndarray, " active"]:
        """theta_0, the stretched hand: every active joint at 0, or at its limit nearest to 0, radians."""
        return np.clip(np.zeros(len(self.active_names)), self.lower, self.upper)

    @property
    def link_finger(self) -> Int[np.ndarray, " links"]:
        """Index in `finger_names` of each link's finger, -1 for the palm and for links without skin."""
        finger = np.full(len(self.link_names), -1)
        finger[self.skin_link] = self.skin_finger
        return finger

    @property
    def thumb(self) -> int:
        """Index in `finger_names` of the thumb, which is the first functional finger."""
        return self.finger_names.index(self.functional_fingers[0])

    @property
    def functional_pads(self) -> tuple[int | None, int | None]:
        """Places of the pads of thumb and of the first functional finger beside it, or None."""
        thumb = self.finger_names[self.thumb]
        names = thumb, next((f for f in self.functional_fingers if f != thumb), None)
        first, second = (self.pad_names.index(n) if n in self.pad_names else None for n in names)
        return first, second

    def driving(self, hinges: Bool[np.ndarray, " joints"]) -> Bool[np.ndarray, " active"]:
        """Active joints that move one of these hinges."""
        return np.asarray(((np.abs(self.coupling) > 0) & hinges[:, None]).any(axis=0))

    def holds(self, kind: str, finger: str) -> bool:
        """Whether a grasp type asks a finger to touch; one that the hand does not know asks all of them."""
        known = self.grasp_types.get(kind)
        asked = {} if known is None else {**known.contact, **known.side}
        return known is None or any(asked.get(link, 0.0) > 0.0 for link in self.finger_links[finger])


# Before and after a grasp: where the fingers come from and where they would go on to.
#: Share of the way to the stretched hand where neither card nor file says how the hand opens.
OPENING = 0.2


def pregrasp_and_squeeze(
    hand: HandModel, joints: Float[np.ndarray, "*rows active"]
) -> tuple[Float[np.ndarray, "*rows active"], Float[np.ndarray, "*rows active"]]:
    """Pregrasp and squeeze: pre = q + opening (q_0 - q), squeeze = pre + rule (q - pre), within limits.

    For files that do not say how the hand closes, and for what a squeeze should press with. q_0 is the
    stretched hand (zero, or the nearest limit). With the rule 2 the squeeze is 2 grasp - pregrasp, as
    DexGraspBench has it. The rule is the hand card's, the opening its own or `OPENING`.

    Args:
      hand: limits in radians, `pregrasp_opening` and `squeeze_rule`.
      joints: q, radians.
    Returns: (pregrasp, squeeze), radians.
    """
    opening = OPENING if hand.pregrasp_opening is None else hand.pregrasp_opening
    pregrasp = joints + opening * (hand.open_joints - joints)
    squeeze = pregrasp + hand.squeeze_rule * (joints - pregrasp)
    return np.clip(pregrasp, hand.lower, hand.upper), np.clip(squeeze, hand.lower, hand.upper)
