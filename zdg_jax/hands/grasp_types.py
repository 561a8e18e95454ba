"""The grasp types of a hand: from its card, or found from those of a reference hand by optimisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError, one_of
from zdg_jax.hands.flank import posed_flank
from zdg_jax.hands.io.hand_spec import BarCard, HandCard, SlabCard
from zdg_jax.hands.keypoints import Goal, fit
from zdg_jax.hands.kinematics import posed, posed_in_palm
from zdg_jax.hands.model import Bar, GraspType, HandModel, Slab
from zdg_jax.pose import IDENTITY, unit

#: AffordPose's types, the paper's set (III-B).
PAPER_TYPES = ("handle-grasp", "wrap-grasp", "press", "lift", "twist")
#: Random starts of the search, besides the open hand.
STARTS = 63
ROUNDS = 4
#: Pull of every joint to the stretched hand: a radian counts like sqrt(REST) centimetres of a pad.
REST = 0.2
#: Deeper than this a hand runs into itself, metres. Coarse collision boxes meet by less (Allegro's thumb).
RUNS_IN = 0.008
#: Sum of squared depths of all pairs of spheres, square metres, above which it does so in many places.
RUNS_IN_ALL = 0.9e-4
#: How much further a type is opened for that, share of the way to the open hand: coarse shapes that overlap
#: when it is open too (Allegro's thumb) would else open it wholly.
FURTHER = 0.1
#: Angles in a card are written to a tenth of a degree, radians.
ROUNDED = np.deg2rad(0.11)
Reference = Callable[[], HandModel]
#: Which of a hand's types are offered.
Types = Literal["all", "paper"]


def complete(
    hand: HandModel,
    card: HandCard,
    sides: tuple[Float[np.ndarray, " vertices"], Float[np.ndarray, " vertices"]],
    reference: Reference | None,
) -> dict[str, GraspType]:
    """The card's grasp types, with what it leaves out taken from a reference hand's type of the same name.

    A description is copied; contact probabilities go by a link's place in its finger (`contact_like`); joint
    angles are found so that pads lie and look like the reference's (`joints_like`).

    Args:
      hand: without grasp types.
      card: may lack some or all of them.
      sides: weights of each skin vertex: on the palmar side of its link, and on the one towards the thumb.
      reference: asked only if something is left out.
    Raises:
      UserError: a joint or link that is none, or a type that neither card nor reference describes.
    """
    given = dict(card.grasp_types)
    if reference is None:
        return {k: _told(hand, card, k, t, sides, None, None) for k, t in given.items()}
    example = reference()
    names = list(dict.fromkeys([*example.grasp_types, *given]))
    to_find = [n for n in names if n not in given or given[n].joints is None]
    for n in to_find:
        if n not in example.grasp_types:
            raise UserError(
                f"grasp type {n} without joints",
                f"joints, or a type of {example.name}",
                f"mend card {card.name}",
            )
    found = joints_like(hand, example, to_find) if to_find else {}
    done = {n: _told(hand, card, n, given.get(n), sides, example, found.get(n)) for n in names}
    return {n: _lying(hand, done, n, example) for n in names}


def _lying(hand: HandModel, types: dict[str, GraspType], name: str, example: HandModel) -> GraspType:
    """A type with how a flat thing or a handle lies in it from the example's, where it says nothing itself.

    p' = b' + s (p - b), b the thumb's pad for a flat thing, the mean pad of the fingers that touch for a
    handle; s the mean ratio of finger lengths. The plane of a flat thing is that of the finger's side.
    """
    own, like = types[name], example.grasp_types.get(name)
    if like is None or own.bar or own.slab or not (like.slab or (like.bar and like.bar.hangs)):
        return own
    mine, theirs = keypoints(replace(hand, grasp_types=types), [name]), keypoints(example, [name])
    flip = np.array([1.0, mine.side * theirs.side, 1.0])
    thumb = hand.finger_names[hand.thumb]
    shared = [f for f in hand.finger_names if f in example.finger_names]
    scale = float(np.mean([mine.length[f] / theirs.length[f] for f in shared if f != thumb]))

    def moved(point: np.ndarray, fingers: Sequence[str]) -> np.ndarray:
        base, at = (np.mean([k.pad[name][f] for f in fingers], axis=0) for k in (theirs, mine))
        return at + scale * flip * (point - base)

    if like.slab is not None:
        beside, _ = mine.pressed[name]
        normal = posed_flank(hand, beside, own.joints)[1]
        normal = normal * np.sign(normal @ (flip * like.slab.normal))
        out = flip * like.slab.out
        out = unit(out - (out @ normal) * normal)
        return replace(own, slab=Slab(moved(like.slab.point, [thumb]), normal, out))
    assert like.bar is not None
    touching = [f for f in shared if example.holds(name, f)]
    return replace(own, bar=Bar(moved(like.bar.point, touching), flip * like.bar.tail, like.bar.hangs))


def _told(hand, card: HandCard, name: str, told, sides, example: HandModel | None, found) -> GraspType:
    like = None if example is None else example.grasp_types.get(name)
    description = told.description if told and told.description else like and like.description
    contact = told.contact if told and told.contact is not None else None
    side = told.side if told and told.side is not None else {} if contact is not None else None
    if contact is None and like is not None and example is not None:
        contact = contact_like(hand, example, like.contact)
    if side is None:
        side = {} if like is None or example is None else contact_like(hand, example, like.side)
    if contact is None or description is None or (found is None and (told is None or told.joints is None)):
        raise UserError(
            f"grasp type {name} of card {card.name}, incomplete",
            "description, joints and contact",
            "add them",
        )
    joints = np.zeros(len(hand.active_names)) if found is None else found
    for j, degrees in (told.joints or {}).items() if found is None else ():
        one_of(f"grasp type {name}: joint", j, hand.active_names, f"mend card {card.name}")
        k = hand.active_names.index(j)
        # rounding in the card may pass a limit; anything beyond that is `check`'s to say
        inside = np.clip(np.deg2rad(degrees), hand.lower[k], hand.upper[k])
        joints[k] = inside if abs(inside - np.deg2rad(degrees)) < ROUNDED else np.deg2rad(degrees)
    by_link = np.zeros((2, len(hand.link_names)))
    for row, said in zip(by_link, (contact, side), strict=True):
        for link, p in said.items():
            one_of(f"grasp type {name}: link", link, hand.link_names, f"mend card {card.name}")
            row[hand.link_names.index(link)] = p
    straight = [f for f in like.straight if f in hand.finger_names] if like else []
    if told and told.straight is not None:
        straight = told.straight
        for finger in straight:
            one_of(f"grasp type {name}: straight finger", finger, hand.finger_names, f"mend card {card.name}")
    return GraspType(
        joints=joints,
        contact_prior=(by_link[:, hand.skin_link] * np.stack(sides)).max(axis=0),
        description=description,
        contact=dict(contact),
        bar=_bar(told.bar) if told and told.bar else None,
        straight=tuple(straight),
        side=dict(side),
        slab=_slab(told.slab) if told and told.slab else None,
    )


def _bar(told: BarCard) -> Bar:
    return Bar(np.array(told.point), unit(np.array(told.tail)), told.hangs, told.wrapped)


def _slab(told: SlabCard) -> Slab:
    normal, out = unit(np.array(told.normal)), np.array(told.out)
    return Slab(np.array(told.point), normal, unit(out - (out @ normal) * normal))


def offered_types(kinds: Mapping[str, GraspType], which: Types) -> dict[str, GraspType]:
    """The types of a hand's card; with "paper" those of AffordPose's five that it has, if any.

    Args:
      kinds: of the hand.
      which: see `ReasonConfig.types`.
    """
    paper = {name: kind for name, kind in kinds.items() if name in PAPER_TYPES}
    return paper if which == "paper" and paper else dict(kinds)


def contact_like(hand: HandModel, example: HandModel, contact: Mapping[str, float]) -> dict[str, float]:
    """Contact probabilities by link, by what a link is: distal, middle or proximal in its finger, or palm.

    The link of the pad and those beyond it are distal, the one before it with skin is middle, those before
    that proximal; a finger of two links has no middle, and its proximal link takes the greater of the two.
    """
    theirs = {f: _roles(example, f) for f in example.finger_names}
    palm = max((contact.get(n, 0.0) for n in _palm_links(example)), default=0.0)
    out = {n: palm for n in _palm_links(hand) if palm}
    for f in hand.finger_names:
        if f not in theirs:
            raise UserError(
                f"finger {f!r}",
                f"one of {', '.join(theirs)}, or contact by link in every grasp type",
                "rename it",
            )
        by_role: dict[str, float] = {}
        for n, role in theirs[f].items():
            by_role[role] = max(by_role.get(role, 0.0), contact.get(n, 0.0))
        mine = _roles(hand, f)
        for n, role in mine.items():
            p = by_role.get(role, 0.0)
            if role == "proximal" and "middle" not in mine.values():
                p = max(p, by_role.get("middle", 0.0))
            if p:
                out[n] = p
    return out


def _roles(hand: HandModel, finger: str) -> dict[str, str]:
    skinned = {hand.link_names[i] for i in np.unique(hand.skin_link)}
    links = [n for n in hand.finger_links[finger] if n in skinned]
    pad = (
        hand.link_names[hand.pad_link[hand.pad_names.index(finger)]]
        if finger in hand.pad_names
        else links[-1]
    )
    tip = links.index(pad) if pad in links else len(links) - 1
    middle = tip - 1 if tip >= 2 else -1
    return {n: "distal" if i >= tip else "middle" if i == middle else "proximal" for i, n in enumerate(links)}


def _palm_links(hand: HandModel) -> list[str]:
    fingers = {n for links in hand.finger_links.values() for n in links}
    return [n for i, n in enumerate(hand.link_names) if n not in fingers and (hand.skin_link == i).any()]


@dataclass(frozen=True)
class Keypoints:
    """A hand's fingers in its palm frame, metres: where they begin, and pads by grasp type.

    Attributes:
      root: of every finger, the third hinge from its tip that flexes it (MCP), stretched hand.
      length: from root to pad, stretched hand.
      pad, normal: by grasp type, then by finger.
      pressed: by grasp type, the finger whose side the thumb presses, and where that is.
      side: -1 if the thumb is at the palm's -y side (a right hand), else 1.
    """

    root: dict[str, np.ndarray]
    length: dict[str, float]
    pad: dict[str, dict[str, np.ndarray]]
    normal: dict[str, dict[str, np.ndarray]]
    pressed: dict[str, tuple[str, np.ndarray]]
    side: float


def keypoints(hand: HandModel, types: Sequence[str] = ()) -> Keypoints:
    """Measure a hand; every finger needs a pad."""

    in_palm = partial(posed_in_palm, hand)
    stretched, hinges, axes = (in_palm(hand.open_joints, w) for w in ("pad", "hinge", "hinge_normal"))
    root, length = {}, {}
    for f in hand.finger_names:
        tip = stretched[hand.pad_names.index(f)]
        root[f] = _root(hand, f, hinges, axes, tip)
        length[f] = float(np.linalg.norm(tip - root[f]))
    pad, normal, pressed = {}, {}, {}
    for t in types:
        q = hand.grasp_types[t].joints
        p, n = in_palm(q, "pad"), in_palm(q, "pad_normal")
        pad[t] = {f: p[hand.pad_names.index(f)] for f in hand.finger_names}
        normal[t] = {f: n[hand.pad_names.index(f)] for f in hand.finger_names}
        side = hand.grasp_types[t].side
        beside = [f for f in hand.finger_names if any(side.get(link) for link in hand.finger_links[f])]
        if beside:
            pressed[t] = beside[0], posed_flank(hand, beside[0], q)[0]
    thumb = hand.finger_names[hand.thumb]
    others = [stretched[hand.pad_names.index(f), 1] for f in hand.finger_names if f != thumb]
    side = -1.0 if stretched[hand.pad_names.index(thumb), 1] < np.mean(others) else 1.0
    return Keypoints(root, length, pad, normal, pressed, side)


def _root(hand: HandModel, finger: str, hinges: np.ndarray, axes: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """Hinges within 45 degrees of the last one's axis flex a finger; those that spread or fold it do not."""
    links = [hand.link_names.index(n) for n in hand.finger_links[finger]]
    mine = [j for j in range(len(hand.joint_names)) if hand.joint_link[j] in links][::-1]
    distinct: list[np.ndarray] = []
    for j in mine:
        if abs(axes[j] @ axes[mine[0]]) < 0.7:
            continue
        if not distinct or np.linalg.norm(hinges[j] - distinct[-1]) > 0.012:
            distinct.append(hinges[j])
    return distinct[min(2, len(distinct) - 1)] if distinct else tip * np.array([0.0, 1.0, 0.0])


def joints_like(hand: HandModel, example: HandModel, types: Sequence[str]) -> dict[str, np.ndarray]:
    """theta' of the example's grasp types for another hand: pads that lie and look like the example's.

    With s the mean ratio of finger lengths (thumb apart) the goal of a finger's pad is
    root + s (pad' - root'), primes for the example, all in the palm frame (mirrored for a left hand). The
    thumb keeps what it opposes: mean goal of index and middle + s (thumb' - mean of index' and middle');
    where it can't get there all goals move towards it, half of what it misses, a few rounds. Of a type that
    presses a finger's side the thumb keeps its place at that side instead, where the finger has come to.
    Of many starts the one with the least cost and overlap of its own spheres is taken; one that still
    runs into itself is opened (`_opened`).

    Args:
      hand: without grasp types.
      example: with `types`.
      types: names.
    Returns: active joints by type, radians.
    """
    mine, theirs = keypoints(hand), keypoints(example, types)
    shared = [f for f in hand.finger_names if f in example.finger_names]
    thumb = hand.finger_names[hand.thumb]
    fingers = [f for f in shared if f != thumb]
    if thumb not in shared or not fingers:
        raise UserError(
            f"fingers {', '.join(hand.finger_names)}",
            f"a thumb and others of {', '.join(example.finger_names)}",
            f"rename the fingers of card {hand.name}, or give joints to every grasp type",
        )  # fmt: skip
    scale = float(np.mean([mine.length[f] / theirs.length[f] for f in fingers]))
    flip = np.array([1.0, mine.side * theirs.side, 1.0])
    opposed = [f for f in ("index", "middle") if f in fingers] or fingers
    weight = np.array([0.0 if f not in shared else 2.0 if f == thumb else 1.0 for f in hand.pad_names])
    out = {}
    for t in types:
        normal = np.array([flip * theirs.normal[t].get(f, np.zeros(3)) for f in hand.pad_names])
        beside, met = theirs.pressed.get(t, ("", np.mean([theirs.pad[t][f] for f in opposed], axis=0)))
        beside = beside if beside in fingers else ""
        across = theirs.pad[t][thumb] - met
        shift = np.zeros(3)
        for turn in range(ROUNDS + bool(beside)):
            goal = {
                f: mine.root[f] + scale * flip * (theirs.pad[t][f] - theirs.root[f]) + shift for f in fingers
            }
            met = np.mean([goal[f] for f in opposed], axis=0)
            if beside and turn:
                met = posed_flank(hand, beside, out[t])[0]
            goal[thumb] = met + scale * flip * across
            pad = np.array([goal.get(f, np.zeros(3)) for f in hand.pad_names])
            late = beside and not turn  # the thumb has no goal before the finger has a place
            pull = np.where(np.array(hand.pad_names) == thumb, 0.0, weight) if late else weight
            out[t] = _search(hand, pad, normal, pull, scale)
            if late:
                continue
            # where the thumb can't reach, the fingers come to it
            got = posed_in_palm(hand, out[t], "pad")
            shift = shift + 0.5 * (got - pad)[hand.pad_names.index(thumb)]
        out[t] = _opened(hand, _natural(hand, out[t]))
    return out


def _natural(hand: HandModel, joints: Float[np.ndarray, " active"]) -> Float[np.ndarray, " active"]:
    """The nearest joints, or nearly, that keep the limits of natural posture: one limit after the other."""
    limits, q = hand.posture, joints.copy()
    for _ in range(ROUNDS):
        for (i, j), (a, b), most in zip(limits.joint, limits.share, limits.bound, strict=True):
            beyond = max(0.0, a * q[i] + b * q[j] - most) / (a * a + b * b)
            q[i] -= a * beyond
            q[j] -= b * beyond
    return np.clip(q, hand.lower, hand.upper)


def _opened(hand: HandModel, joints: Float[np.ndarray, " active"]) -> Float[np.ndarray, " active"]:
    """Joints moved towards the open hand, by 2 % at a time, until at most `RUNS_IN` deep in itself.

    And, where `FURTHER` leads there, no more than `RUNS_IN_ALL` over all pairs: a thumb along a finger meets
    many of its spheres.
    """
    way = np.linspace(0.0, 1.0, 51)[:, None]
    ways = (1.0 - way) * joints + way * hand.open_joints
    depth = self_depths(hand, ways)
    free = depth.max(axis=1, initial=0.0) <= RUNS_IN - 1e-4  # angles in a card are rounded
    clear = free & ((depth**2).sum(axis=1) <= RUNS_IN_ALL) & (way[:, 0] <= way[free.argmax(), 0] + FURTHER)
    fine = clear if clear.any() else free
    return ways[fine.argmax()] if fine.any() else joints


def _search(hand: HandModel, pad, normal, weight, scale: float) -> np.ndarray:
    n, rng = STARTS + 1, np.random.default_rng(0)
    starts = rng.uniform(hand.lower, hand.upper, size=(n, len(hand.active_names)))
    starts[0] = hand.open_joints
    goal = Goal(
        pad=hand.p_base_palm + pad @ hand.R_base_palm.T, normal=normal @ hand.R_base_palm.T,
        pad_weight=weight / scale**2, normal_weight=1.5 * weight, palm=np.zeros(3), R_palm=np.eye(3),
        palm_weight=np.zeros(()), rest=hand.open_joints, rest_weight=np.full(len(hand.active_names), REST),
        clear=np.zeros(()),
    )  # fmt: skip
    goals = Goal(*(np.broadcast_to(x, (n, *np.shape(x))) for x in goal))
    _, joints, cost = fit(hand, np.tile(IDENTITY, (n, 1)), starts, goals, free_base=False, steps=60)
    overlap = (self_depths(hand, joints) ** 2).sum(axis=1) / 1e-4  # cm^2
    return joints[np.argmin(cost + overlap)]


def self_depths(hand: HandModel, joints: Float[np.ndarray, "n active"]) -> Float[np.ndarray, "n pairs"]:
    """max(r_a + r_b - |c_a - c_b|, 0) of `sphere_pairs`: how deep the hand runs into itself, metres."""
    center = posed(hand, IDENTITY, joints, "sphere")
    i, j = hand.sphere_pairs.T
    gap = np.linalg.norm(center[:, i] - center[:, j], axis=-1)
    return np.maximum(hand.sphere_radius[i] + hand.sphere_radius[j] - gap, 0.0)
