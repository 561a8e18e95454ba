"""What is wrong with a hand card or its model, in words: one line a fault."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from zdg_jax.errors import UserError
from zdg_jax.hands.grasp_types import RUNS_IN, self_depths
from zdg_jax.hands.io.hand_spec import HandCard, field_faults, parse_card
from zdg_jax.hands.io.kinematic_tree import Tree, check_size, hand_tree
from zdg_jax.hands.io.model_files import Source, compile_model, find_model
from zdg_jax.hands.io.sdf_solids import solid_distance, solid_geoms
from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.load import REFERENCE, from_card, joint_limits, load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.propose import stretched

#: A pad further than this from its link's surface lies off it, metres.
PAD_OFF = 0.004
#: Larger angle than this between D_palm and where fingers bend, or D_finger and where they point: degrees.
ASTRAY = 50.0


def check_card(path: Path) -> list[str]:
    """Every fault that can be told, each a line of its own; empty if the hand can be used.

    Later checks need what earlier ones look at: names before geometry, geometry before poses.
    """
    try:
        values = parse_card(path)
    except UserError as e:
        return [str(e)]
    try:
        card = HandCard.model_validate(values)
    except ValidationError as e:
        return field_faults(e)
    try:
        source = compile_model(find_model(card.model, path.parent, card.name))
        tree = hand_tree(source.model, card)
        check_size(tree, source.model)
    except UserError as e:
        return [str(e)]
    faults = [*_names(card, tree), *_frames(card), *_limits(card, tree, source)]
    if faults:
        return faults
    faults = [*_bare(card, tree, source), *_fingers(card, tree, source), *_pads(card, tree, source)]
    faults += _bent(card, tree, source)
    try:
        hand = from_card(card, path.parent)
    except UserError as e:
        return [*faults, str(e)]
    return [*faults, *_directions(hand), *_types(card, hand)]


def _bare(card: HandCard, tree: Tree, source: Source) -> Iterator[str]:
    """Links of fingers that can be seen and have nothing that touches; the palm, if no link of it has."""
    model, wanted = source.model, {m for ms in card.fingers.values() for m in ms}
    if card.skin != "collision":
        return
    touching = {tree.links[tree.bodies.index(b)] for b in solid_geoms(model, tree.bodies)}
    seen = {
        tree.links[tree.bodies.index(int(b))] for b in model.geom_bodyid if int(b) in tree.bodies
    }  # fmt: skip
    if not touching - wanted:
        wanted.add(card.palm.link)
    for link in sorted((seen & wanted) - touching - set(card.skin_exclude)):
        yield f"link {link} has visual geometry only; expected collision geometry, which the skin is made of"


def _names(card: HandCard, tree: Tree) -> Iterator[str]:
    links, joints = ", ".join(tree.links), ", ".join(tree.joints)

    def unknown(where: str, what: str, name: str, known: str) -> str:
        return f"{where}: {what} {name!r} is not in the model below {card.base}; expected one of {known}"

    if card.palm.link not in tree.links:
        yield unknown("palm", "link", card.palm.link, links)
    for f, members in card.fingers.items():
        yield from (unknown(f"fingers.{f}", "link", m, links) for m in members if m not in tree.links)
    for f, pad in card.pads.items():
        if pad.link not in tree.links:
            yield unknown(f"pads.{f}", "link", pad.link, links)
        if f not in card.fingers:
            yield f"pads.{f}: no such finger; expected one of {', '.join(card.fingers)}"
    for f in card.fingers:
        if f not in card.pads:
            yield f"fingers.{f}: has no pad; add pads.{f}"
    for f in card.functional_fingers:
        if f not in card.fingers:
            yield f"functional_fingers: no finger {f!r}; expected some of {', '.join(card.fingers)}"
    for j in card.fixed:
        if j not in tree.joints:
            yield unknown("fixed", "joint", j, joints)
    for j, follow in card.follow.items():
        yield from (unknown("follow", "joint", n, joints) for n in (j, follow.joint) if n not in tree.joints)
    for t, arms in card.tendons.items():
        yield from (unknown(f"tendons.{t}", "joint", j, joints) for j in arms if j not in tree.joints)
    for j in card.limits:
        if j not in tree.joints:
            yield unknown("limits", "joint", j, joints)
    for t, kind in card.grasp_types.items():
        for j in kind.joints or {}:
            if j not in tree.joints:
                yield unknown(f"grasp_types.{t}", "joint", j, joints)
            elif j in card.fixed or j in card.follow:
                yield f"grasp_types.{t}: joint {j} is fixed or follows another; run `zdg hand fit`"
        for link in kind.contact or {}:
            if link not in tree.links:
                yield unknown(f"grasp_types.{t}", "contact link", link, links)


def _frames(card: HandCard) -> Iterator[str]:
    x, z = np.array(card.palm.d_finger), np.array(card.palm.d_palm)
    for name, v in (("d_finger", x), ("d_palm", z)):
        if np.linalg.norm(v) < 1e-6:
            yield f"palm.{name}: has no length; expected a direction in the frame of {card.palm.link}"
            return
    angle = np.degrees(np.arccos(np.clip(x @ z / np.linalg.norm(x) / np.linalg.norm(z), -1, 1)))
    if abs(angle - 90) > 0.6:
        yield f"palm: d_finger and d_palm stand at {angle:.0f} degrees; expected a right angle"
    for f, pad in card.pads.items():
        if np.linalg.norm(pad.normal) < 1e-6:
            yield f"pads.{f}: normal has no length; expected the pad's outward direction in {pad.link}"


def _limits(card: HandCard, tree: Tree, source: Source) -> Iterator[str]:
    for j, (low, high) in card.limits.items():
        if low >= high:
            yield f"limits.{j}: {low:g} to {high:g} is inverted; expected the lower one first"
    try:
        limits = np.rad2deg(joint_limits(tree, source.model, card))
    except UserError as e:
        yield str(e)
        return
    for j, (low, high) in zip(tree.joints, limits, strict=True):
        if low >= high and j not in card.limits and j not in card.fixed:
            yield f"joint {j}: limits {low:g} to {high:g} degrees are inverted; mend the model or `limits`"
        angle = card.fixed.get(j)
        if angle is not None and not low - 0.1 <= angle <= high + 0.1:
            yield f"fixed.{j}: {angle:g} degrees lies outside its limits {low:.0f} to {high:.0f}"


def _fingers(card: HandCard, tree: Tree, source: Source) -> Iterator[str]:
    owner: dict[str, str] = {}
    solid = {tree.links[tree.bodies.index(b)] for b in solid_geoms(source.model, tree.bodies)}
    for f, members in card.fingers.items():
        for m in members:
            if m in owner:
                yield f"fingers.{f}: link {m} is also in {owner[m]}; a link belongs to one finger"
            owner.setdefault(m, f)
        ids = [tree.links.index(m) for m in members]
        if any(not _under(tree, child, parent) for parent, child in pairwise(ids)):
            yield f"fingers.{f}: links do not follow each other from root to tip ({', '.join(members)})"
        if not solid & set(members):
            yield f"fingers.{f}: no link has geometry, so it can touch nothing"
        if not any(i in tree.joint_link for i in ids):
            yield f"fingers.{f}: no link is moved by a joint"
        if f in card.pads and card.pads[f].link not in members:
            yield f"pads.{f}: link {card.pads[f].link} is of another finger; expected {' or '.join(members)}"


def _bent(card: HandCard, tree: Tree, source: Source) -> Iterator[str]:
    """Fingers that are not stretched where every joint is 0, which starts and pregrasps take for it."""
    for f, members in card.fingers.items():
        if f == card.functional_fingers[0]:
            continue  # a thumb has no straight pose that all models share
        free = {}
        for hinge, angle in stretched(source.model, tree, [tree.links.index(m) for m in members]).items():
            if (name := tree.joints[hinge]) not in card.fixed and name not in card.follow:
                free[name] = round(float(np.degrees(angle)))
        if free:
            far = ", ".join(f"{name} {angle}" for name, angle in free.items())
            yield (
                f"fingers.{f}: bent where every joint is 0, which is taken as stretched; it reaches farthest "
                f"at {far} degrees: count angles from there in the model (`ref`, or the joint's <origin>)"
            )


def _under(tree: Tree, child: int, ancestor: int) -> bool:
    while child > 0:
        child = int(tree.parent[child])
        if child == ancestor:
            return True
    return False


def _pads(card: HandCard, tree: Tree, source: Source) -> Iterator[str]:
    geoms = solid_geoms(source.model, tree.bodies)
    for f, pad in card.pads.items():
        body = tree.bodies[tree.links.index(pad.link)]
        if body not in geoms:
            yield f"pads.{f}: link {pad.link} has no geometry; choose the last link that has"
            continue
        distance = solid_distance(source.model, geoms[body])
        point, normal = np.array(pad.point), np.array(pad.normal) / np.linalg.norm(pad.normal)
        off = float(distance(point[None])[0])
        if abs(off) > PAD_OFF:
            where = "outside" if off > 0 else "inside"
            yield f"pads.{f}: lies {1000 * abs(off):.0f} mm {where} the surface of {pad.link}; expected on it"
        elif float(distance((point + 0.006 * normal)[None])[0]) < 0.001:
            yield f"pads.{f}: its normal points into {pad.link}; expected outward"


def _directions(hand: HandModel) -> Iterator[str]:
    palm = partial(posed_in_palm, hand)
    example = load_hand(REFERENCE)
    thumb = hand.finger_names[hand.thumb]
    others = [hand.pad_names.index(f) for f in hand.finger_names if f != thumb]
    stretched, normals = palm(hand.open_joints, "pad"), palm(hand.open_joints, "pad_normal")
    hinges = palm(hand.open_joints, "hinge")
    along = []
    for f in hand.finger_names:
        links = [hand.link_names.index(n) for n in hand.finger_links[f]]
        first = next(j for j in range(len(hand.joint_names)) if hand.joint_link[j] in links)
        reach = stretched[hand.pad_names.index(f)] - hinges[first]
        if f != thumb:
            along.append(reach / max(float(np.linalg.norm(reach)), 1e-9))
    for name, got, want in (
        ("d_finger: the stretched fingers point", np.mean(along, axis=0), np.array([1.0, 0.0, 0.0])),
        ("d_palm: the finger pads look", normals[others].mean(axis=0), np.array([0.0, 0.0, 1.0])),
    ):
        angle = np.degrees(np.arccos(np.clip(got @ want / max(float(np.linalg.norm(got)), 1e-9), -1, 1)))
        if angle > ASTRAY:
            what = "not normal to the palm, or on its back" if "palm" in name else "not along the fingers"
            yield f"palm.{name} {angle:.0f} degrees away from it: {what}"
    if "lift" not in hand.grasp_types:
        return
    q = hand.grasp_types["lift"].joints
    p, n = palm(q, "pad"), palm(q, "pad_normal")
    t, best = hand.pad_names.index(thumb), hand.pad_names.index(_second(hand))
    if example.finger_names[example.thumb] in hand.pad_names and n[t] @ n[best] > 0.6:
        angle = np.degrees(np.arccos(np.clip(n[t] @ n[best], -1, 1)))
        yield (
            f"functional_fingers: in the type lift the pads of {thumb} and {hand.pad_names[best]} look "
            f"{angle:.0f} degrees apart; expected a thumb that opposes, named first"
        )
    if np.linalg.norm(p[t] - p[best]) < 0.004:
        yield f"pads.{thumb} and pads.{hand.pad_names[best]} meet in the type lift; no object has room"


def _second(hand: HandModel) -> str:
    """The finger that the thumb meets: the second functional one, or any other."""
    thumb = hand.finger_names[hand.thumb]
    return next(f for f in (*hand.functional_fingers, *hand.finger_names) if f != thumb)


def _types(card: HandCard, hand: HandModel) -> Iterator[str]:
    for name, kind in hand.grasp_types.items():
        beyond = np.maximum(hand.lower - kind.joints, kind.joints - hand.upper)
        for k in np.flatnonzero(beyond > np.deg2rad(0.11)):
            low, high = np.rad2deg([hand.lower[k], hand.upper[k]])
            joint, angle = hand.active_names[k], np.rad2deg(kind.joints[k])
            yield (
                f"grasp_types.{name}: joint {joint} at {angle:.0f} degrees lies outside its limits "
                f"{low:.0f} to {high:.0f}"
            )
        if not hand.functional.any() or kind.contact_prior[hand.functional].max() <= 0:
            yield f"grasp_types.{name}: no palmar skin of {' or '.join(hand.functional_fingers)} may touch"
        (depth,) = self_depths(hand, kind.joints[None])
        if depth.max(initial=0.0) > RUNS_IN:
            one, two = (hand.link_names[hand.sphere_link[k]] for k in hand.sphere_pairs[depth.argmax()])
            yield (
                f"grasp_types.{name}: {one} runs {1000 * depth.max():.0f} mm into {two}; "
                "run `zdg hand fit`, or open the fingers"
            )
