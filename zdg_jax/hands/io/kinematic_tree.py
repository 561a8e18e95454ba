"""The part of a compiled model that is the hand: links below the base, their hinges, coupled joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np
from jaxtyping import Float, Int

from zdg_jax.errors import UserError
from zdg_jax.hands.io.hand_spec import Follow, HandCard
from zdg_jax.hands.io.model_files import Mimic


@dataclass(frozen=True)
class Tree:
    """Links in parents-first order; link 0 is the base.

    Attributes:
      bodies: MuJoCo's numbers of the links.
      links: their names; a body without one is called `body_N`.
      parent: link number of each link's parent, -1 for the base.
      hinges: MuJoCo's numbers of the hinges; those of the base are left out, since `hand_pose` moves it.
      joints: their names; a hinge without one is called `joint_N`.
      joint_link: the link that each hinge moves.
    """

    bodies: tuple[int, ...]
    links: tuple[str, ...]
    parent: Int[np.ndarray, " links"]
    hinges: Int[np.ndarray, " joints"]
    joints: tuple[str, ...]
    joint_link: Int[np.ndarray, " joints"]


def body_name(model: mujoco.MjModel, body: int) -> str:
    """A body's name, or `body_N`."""
    return model.body(body).name or f"body_{body}"


def subtree(model: mujoco.MjModel, base: int) -> Tree:
    """The tree below body `base`.

    Raises:
      UserError: a joint other than a hinge below the base.
    """
    keep = [base]
    for i in range(base + 1, model.nbody):
        if int(model.body_parentid[i]) in keep:
            keep.append(i)
    slot = {b: i for i, b in enumerate(keep)}
    hinges = []
    for j in range(model.njnt):
        body = int(model.jnt_bodyid[j])
        if body not in slot or body == base:
            continue
        kind = mujoco.mjtJoint(int(model.jnt_type[j]))
        if kind != mujoco.mjtJoint.mjJNT_HINGE:
            raise UserError(
                f"joint {model.joint(j).name or j}, a {kind.name.removeprefix('mjJNT_').lower()} joint",
                "hinges only below the base",
                "weld it in the model",
            )
        hinges.append(j)
    return Tree(
        bodies=tuple(keep),
        links=tuple(body_name(model, b) for b in keep),
        parent=np.array([slot.get(int(model.body_parentid[b]), -1) if b != base else -1 for b in keep]),
        hinges=np.array(hinges, dtype=int),
        joints=tuple(model.joint(j).name or f"joint_{j}" for j in hinges),
        joint_link=np.array([slot[int(model.jnt_bodyid[j])] for j in hinges], dtype=int),
    )


def hand_tree(model: mujoco.MjModel, card: HandCard) -> Tree:
    """The tree below the card's base.

    Raises:
      UserError: no such body, no hinge below it, or what `subtree` refuses.
    """
    names = [body_name(model, i) for i in range(1, model.nbody)]
    if card.base not in names:
        raise UserError(f"base: link {card.base!r}", f"one of {', '.join(names)}", f"mend card {card.name}")
    tree = subtree(model, names.index(card.base) + 1)
    if not len(tree.hinges):
        raise UserError(
            f"base {card.base} without a hinge below it", "the link that all fingers hang from", "mend `base`"
        )
    return tree


def check_size(tree: Tree, model: mujoco.MjModel) -> None:
    """Refuse hands whose longest chain of links, or largest link, is no hand's, before anything is fitted.

    Raises:
      UserError: a chain shorter than 2 cm or longer than a metre, a link's geometry larger than a metre.
    """
    reach = np.zeros(len(tree.bodies))
    for i, p in enumerate(tree.parent):
        if p >= 0:
            reach[i] = reach[p] + np.linalg.norm(model.body_pos[tree.bodies[i]])
    if not 0.02 < reach.max() < 1.0:
        raise UserError(
            f"a hand whose joints reach {100 * reach.max():.3g} cm from {tree.links[0]}",
            "2 to 100 cm",
            "is the model in metres?",
        )
    for g in range(model.ngeom):
        size = 2.0 * float(model.geom_rbound[g])
        if int(model.geom_bodyid[g]) in tree.bodies and size > 1.0:
            raise UserError(
                f"link {body_name(model, int(model.geom_bodyid[g]))} with a geometry of {size:.3g} m",
                "links of a hand, below a metre",
                "is it in millimetres? give its mesh the scale 0.001 in the model",
            )


def near_links(tree: Tree, model: mujoco.MjModel) -> np.ndarray:
    """[links, links] True where two links are the same, neighbours across one hinge, or rigid parts of such.

    Zero-offset links (knuckles, hubs) do not count as a joint's distance.
    """
    n = len(tree.bodies)
    rigid = np.arange(n)
    moved = set(tree.joint_link.tolist())
    for i, p in enumerate(tree.parent):
        if p >= 0 and i not in moved:
            rigid[i] = rigid[p]
    near = rigid[:, None] == rigid[None, :]
    for i, p in enumerate(tree.parent):
        if p >= 0 and rigid[i] != rigid[p]:
            a, b = rigid == rigid[i], rigid == rigid[p]
            near |= a[:, None] & b[None, :] | b[:, None] & a[None, :]
    for _ in range(2):
        for i, p in enumerate(tree.parent):
            if p >= 0 and i in moved and np.linalg.norm(model.body_pos[tree.bodies[i]]) < 1e-6:
                both = near[i] | near[p]
                near[i], near[p] = both, both
                near[:, i], near[:, p] = both, both
    return near


# Coupled joints as one linear map from active to all joints: q = A q_active + b (DESIGN §4).
@dataclass(frozen=True)
class Rule:
    """q_joint = sum of weight x leader + offset, radians; `source` says where it is written."""

    joint: str
    leaders: Mapping[str, float] = field(default_factory=dict)
    offset: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class Coupling:
    """The map and the limits that it leaves to the active joints.

    Attributes:
      active: names.
      A, b: q = A q_active + b, rows in the order of the hinges.
      lower, upper: radians; a follower's limits bound its leader too.
    """

    active: tuple[str, ...]
    A: Float[np.ndarray, "joints active"]
    b: Float[np.ndarray, " joints"]
    lower: Float[np.ndarray, " active"]
    upper: Float[np.ndarray, " active"]


def couple(
    model: mujoco.MjModel,
    joints: Sequence[str],
    limits: Float[np.ndarray, "joints 2"],
    mimics: Sequence[Mimic],
    fixed: Mapping[str, float],
    follow: Mapping[str, Follow],
    name: str,
    tendons: Mapping[str, Mapping[str, float]] | None = None,
) -> Coupling:
    """Every coupling that model and card state, resolved to active joints.

    Equalities of joints and of fixed tendons, mimics, and fixed tendons that an actuator pulls while none of
    their joints has an actuator of its own: their joints move in proportion to their ranges. Joints of the
    card's `tendons` do not: they keep angles of their own, whatever tendons the model has.

    Args:
      model: compiled.
      joints: names of the hand's hinges, in order.
      limits: of the hinges, radians.
      mimics: from the URDF.
      fixed: card's joints held at an angle, degrees.
      follow: card's couplings; offsets in degrees.
      name: of the card, for messages.
      tendons: the card's, moment arm by joint.
    Raises:
      UserError: an unknown joint, a non-linear equality, a circle, or limits that leave nothing.
    """
    known = set(joints)
    free = {j for arms in (tendons or {}).values() for j in arms}
    rules = [Rule(j, {}, float(np.deg2rad(v)), "fixed") for j, v in fixed.items()]
    rules += [Rule(j, {f.joint: f.scale}, float(np.deg2rad(f.offset)), "follow") for j, f in follow.items()]
    for rule in rules:
        for j in (rule.joint, *rule.leaders):
            if j not in known:
                raise UserError(
                    f"{rule.source}: joint {j!r}", f"one of {', '.join(joints)}", f"mend card {name}"
                )
    told = {rule.joint for rule in rules}
    for rule in [*_mimic_rules(mimics), *_equalities(model, name), *_tendons(model, joints, limits, free)]:
        if rule.joint in known and rule.joint not in told and set(rule.leaders) <= known:
            rules.append(rule)
            told.add(rule.joint)
    by_joint = {rule.joint: rule for rule in rules}
    active = tuple(j for j in joints if j not in by_joint)
    A, b = np.zeros((len(joints), len(active))), np.zeros(len(joints))
    for i, j in enumerate(joints):
        weights, b[i] = _resolve(j, by_joint, (), name)
        for leader, w in weights.items():
            A[i, active.index(leader)] = w
    return Coupling(active, A, b, *_limits(A, b, limits, joints, active, name))


def _mimic_rules(mimics: Sequence[Mimic]) -> list[Rule]:
    return [Rule(m.joint, {m.leader: m.multiplier}, m.offset, "mimic") for m in mimics]


def _equalities(model: mujoco.MjModel, name: str) -> list[Rule]:
    rules = []
    for e in range(model.neq):
        kind, c = mujoco.mjtEq(int(model.eq_type[e])), model.eq_data[e]
        one, two = int(model.eq_obj1id[e]), int(model.eq_obj2id[e])
        if kind not in (mujoco.mjtEq.mjEQ_JOINT, mujoco.mjtEq.mjEQ_TENDON):
            continue
        if np.any(c[2:5]):
            raise UserError(
                f"a non-linear equality (number {e}) in the model of {name}",
                "polycoef 'a b 0 0 0'",
                "make it linear, or hold the joint with the card's `fixed` or `follow`",
            )
        if kind == mujoco.mjtEq.mjEQ_JOINT:
            leaders = {model.joint(two).name: float(c[1])} if two >= 0 else {}
            rules.append(Rule(model.joint(one).name, leaders, float(c[0]), "equality"))
            continue
        first = _fixed_tendon(model, one)
        other = _fixed_tendon(model, two) if two >= 0 else {}
        if not first or (two >= 0 and not other):
            continue  # spatial: no linear map
        # sum a_j q_j = c0 + c1 sum b_k q_k (MuJoCo: lengths relative to those at qpos0)
        *_, last = first
        weights = {j: -w / first[last] for j, w in first.items() if j != last}
        for j, w in other.items():
            weights[j] = weights.get(j, 0.0) + c[1] * w / first[last]
        rules.append(Rule(last, weights, float(c[0] / first[last]), "tendon equality"))
    return rules


def _fixed_tendon(model: mujoco.MjModel, t: int) -> dict[str, float]:
    """Coefficients by joint; empty for a spatial tendon."""
    wraps = range(model.tendon_adr[t], model.tendon_adr[t] + model.tendon_num[t])
    if any(int(model.wrap_type[w]) != int(mujoco.mjtWrap.mjWRAP_JOINT) for w in wraps):
        return {}
    return {model.joint(int(model.wrap_objid[w])).name: float(model.wrap_prm[w]) for w in wraps}


def _tendons(model: mujoco.MjModel, joints: Sequence[str], limits: np.ndarray, free: set[str]) -> list[Rule]:
    pulled = [
        int(model.actuator_trnid[a, 0])
        for a in range(model.nu)
        if int(model.actuator_trntype[a]) == int(mujoco.mjtTrn.mjTRN_TENDON)
    ]
    driven = {
        model.joint(int(model.actuator_trnid[a, 0])).name
        for a in range(model.nu)
        if int(model.actuator_trntype[a]) == int(mujoco.mjtTrn.mjTRN_JOINT)
    }
    rules = []
    for t in pulled:
        weights = _fixed_tendon(model, t)
        if not weights or not set(weights) <= set(joints) or (driven | free) & set(weights):
            continue
        reach = {
            j: float(np.abs(limits[list(joints).index(j)]).max()) * np.sign(w) for j, w in weights.items()
        }
        first, *others = weights
        rules += [Rule(j, {first: reach[j] / reach[first]}, 0.0, "tendon") for j in others if reach[first]]
    return rules


def _resolve(
    joint: str, rules: Mapping[str, Rule], seen: tuple[str, ...], name: str
) -> tuple[dict[str, float], float]:
    if joint in seen:
        raise UserError(
            f"joints that follow each other in a circle: {' -> '.join([*seen, joint])}",
            "a leader that follows none",
            f"mend `follow` of card {name} or the model",
        )
    if joint not in rules:
        return {joint: 1.0}, 0.0
    rule, total = rules[joint], {}
    offset = rule.offset
    for leader, weight in rule.leaders.items():
        below, shift = _resolve(leader, rules, (*seen, joint), name)
        offset += weight * shift
        for j, w in below.items():
            total[j] = total.get(j, 0.0) + weight * w
    return total, offset


def _limits(A, b, limits, joints, active, name) -> tuple[np.ndarray, np.ndarray]:
    rows = [joints.index(a) for a in active]
    lower, upper = limits[rows, 0].copy(), limits[rows, 1].copy()
    for i in range(len(joints)):
        (leaders,) = np.nonzero(A[i])
        if len(leaders) != 1 or i == rows[leaders[0]]:
            continue
        k = leaders[0]
        ends = np.sort((limits[i] - b[i]) / A[i, k])
        # a follower may stand a little past its limit: rounding in the file
        lower[k] = ends[0] if ends[0] > lower[k] + 1e-3 else lower[k]
        upper[k] = ends[1] if ends[1] < upper[k] - 1e-3 else upper[k]
    for k in np.flatnonzero(lower >= upper):
        raise UserError(
            f"joint {active[k]} with limits {np.rad2deg(lower[k]):.1f} to {np.rad2deg(upper[k]):.1f} degrees",
            "a lower limit below the upper one, followers' limits included",
            f"mend the model, or `limits` of card {name}",
        )
    return lower, upper
