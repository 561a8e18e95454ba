"""The part of a compiled model that is the hand: links below the base and their hinges."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Int

from zdg_jax.errors import UserError
from zdg_jax.hands.io.hand_spec import HandCard


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
