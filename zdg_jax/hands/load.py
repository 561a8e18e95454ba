"""Hands by name or by the path of their card; MJCF or URDF and card to `HandModel`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import mujoco
import numpy as np
import trimesh

from zdg_jax.errors import UserError, alike, did_you_mean
from zdg_jax.hands.blend import blend_of
from zdg_jax.hands.grasp_types import complete
from zdg_jax.hands.io.hand_spec import HandCard, read_card
from zdg_jax.hands.io.kinematic_tree import Tree, check_size, couple, hand_tree, near_links
from zdg_jax.hands.io.link_solids import link_solids, palmar_side, thumb_side
from zdg_jax.hands.io.model_files import compile_model, find_model
from zdg_jax.hands.model import HandModel, posture_of, transmission_of
from zdg_jax.pose import make_pose


def _link_index(names: list[str], name: str, where: str, card: HandCard) -> int:
    if name not in names:
        raise UserError(f"{where}: link {name!r}", f"one of {', '.join(names)}", f"mend card {card.name}")
    return names.index(name)


def build_hand(card: HandCard, folder: Path, reference: Callable[[], HandModel] | None = None) -> HandModel:
    """Compile the MJCF or URDF and join it with its card.

    Args:
      card: what the model does not say.
      folder: where the card lies.
      reference: gives the hand whose grasp types and contact priors fill those that the card leaves out;
        None where it leaves out none.
    Raises:
      UserError: a link, joint or file that the card names does not exist, or the model can't be used.
    """
    source = compile_model(find_model(card.model, folder, card.name))
    model = source.model
    tree = hand_tree(model, card)
    check_size(tree, model)
    keep, links, joints = list(tree.bodies), list(tree.links), tree.joints
    limits = joint_limits(tree, model, card)
    coupled = couple(model, joints, limits, source.mimics, card.fixed, card.follow, card.name, card.tendons)
    actuators, transmission = transmission_of(coupled.active, card.tendons, card.name)

    palm_link = _link_index(links, card.palm.link, "palm", card)
    pad_link = np.array([_link_index(links, p.link, "pads", card) for p in card.pads.values()])
    members = {
        f: [_link_index(links, m, "fingers", card) for m in names] for f, names in card.fingers.items()
    }
    vertices, faces, skin_link, spheres, follows = link_solids(card, folder, model, keep, links)
    origin = _rest_poses(model, keep)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    R = origin[1][skin_link]
    p_link_skin = np.einsum("vji,vj->vi", R, vertices - origin[0][skin_link])
    n_link_skin = np.einsum("vji,vj->vi", R, mesh.vertex_normals)

    finger = np.full(len(vertices), -1)
    for f, ids in enumerate(members.values()):
        finger[np.isin(skin_link, ids)] = f
    finger_names = tuple(card.fingers)
    for f in card.functional_fingers:
        if f not in finger_names:
            raise UserError(
                f"functional_fingers: {f!r}", f"one of {', '.join(finger_names)}", f"mend card {card.name}"
            )
    functional = np.isin(finger, [finger_names.index(f) for f in card.functional_fingers])

    p_palm, R_palm = _palm_frame(card, origin, palm_link)
    palmar = palmar_side(n_link_skin, skin_link, card, origin[1], links)
    thumb = finger_names.index(card.functional_fingers[0])
    across = _to_thumb(vertices, finger, thumb, origin[1][0] @ R_palm)
    beside = thumb_side(n_link_skin, skin_link, card, origin[1], links, across)
    center, radius, sphere_link = spheres
    blend = None
    if follows is not None:
        rest = np.stack([make_pose(p, R) for p, R in zip(*origin, strict=True)])
        blend = blend_of(skin_link, *follows, rest)
    hand = HandModel(
        name=card.name, mjcf=str(source.path), link_names=tuple(links), link_parent=tree.parent,
        p_parent_link=model.body_pos[keep], q_parent_link=model.body_quat[keep],
        joint_names=joints, joint_link=tree.joint_link,
        joint_axis=model.jnt_axis[tree.hinges], p_link_joint=model.jnt_pos[tree.hinges],
        active_names=coupled.active, coupling=coupled.A, coupling_offset=coupled.b,
        lower=coupled.lower, upper=coupled.upper, actuator_names=actuators, transmission=transmission,
        p_link_skin=p_link_skin, n_link_skin=n_link_skin, skin_link=skin_link, skin_faces=faces,
        skin_finger=finger, finger_names=finger_names, functional_fingers=tuple(card.functional_fingers),
        functional=functional, p_link_sphere=center, sphere_radius=radius, sphere_link=sphere_link,
        sphere_pairs=_sphere_pairs(model, tree, origin, center, radius, sphere_link),
        p_base_palm=p_palm, R_base_palm=R_palm, pad_names=tuple(card.pads), pad_link=pad_link,
        p_link_pad=np.array([p.point for p in card.pads.values()]),
        n_link_pad=np.array([np.array(p.normal) / np.linalg.norm(p.normal) for p in card.pads.values()]),
        grasp_types={}, pregrasp_opening=card.pregrasp_opening, squeeze_rule=card.squeeze_rule,
        servo_kp=card.servo.kp, servo_torque=card.servo.torque,
        finger_links={f: tuple(m) for f, m in card.fingers.items()},
        skin_blend=blend,
        posture=posture_of([(p.at_most, p.shares) for p in card.posture], coupled.active, card.name),
    )  # fmt: skip
    return replace(hand, grasp_types=complete(hand, card, (palmar, beside), reference))


def joint_limits(tree: Tree, model: mujoco.MjModel, card: HandCard) -> np.ndarray:
    """[joints, 2] radians: the model's, or the card's where it gives some.

    Raises:
      UserError: a joint that moves has no limits, or the card's limits name none.
    """
    limits = model.jnt_range[tree.hinges].copy()
    for j, degrees in card.limits.items():
        if j not in tree.joints:
            raise UserError(
                f"limits: joint {j!r}", f"one of {', '.join(tree.joints)}", f"mend card {card.name}"
            )
        limits[tree.joints.index(j)] = np.deg2rad(degrees)
    for i, j in enumerate(tree.joints):
        limited = bool(model.jnt_limited[tree.hinges[i]]) or j in card.limits
        if not limited and j not in card.fixed and j not in card.follow:
            raise UserError(
                f"joint {j} without limits",
                "a lower and an upper limit",
                f"give `limits` in card {card.name}",
            )
        if not limited:
            limits[i] = [-np.inf, np.inf]
    return limits


def _rest_poses(model: mujoco.MjModel, keep: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positions [L, 3] and rotations [L, 3, 3] of the kept links at zero joints, in the world of the MJCF."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    return data.xpos[keep].copy(), data.xmat[keep].reshape(-1, 3, 3).copy()


def _palm_frame(card: HandCard, origin, palm_link: int) -> tuple[np.ndarray, np.ndarray]:
    x, z = np.array(card.palm.d_finger), np.array(card.palm.d_palm)
    if abs(x @ z) > 1e-2 * np.linalg.norm(x) * np.linalg.norm(z):
        raise UserError(f"card {card.name}: d_finger not normal to d_palm", "a right angle", "mend `palm`")
    z = z / np.linalg.norm(z)
    x = x - (x @ z) * z
    x = x / np.linalg.norm(x)
    R = origin[1][0].T @ origin[1][palm_link] @ np.stack([x, np.cross(z, x), z], axis=1)
    p = origin[1][0].T @ (
        origin[0][palm_link] + origin[1][palm_link] @ np.array(card.palm.origin) - origin[0][0]
    )
    return p, R


def _to_thumb(vertices, finger, thumb: int, R_world_palm) -> np.ndarray:
    """The palm frame's y or -y: the one that leads from the other fingers to the thumb at rest."""
    others = vertices[(finger >= 0) & (finger != thumb)]
    y = R_world_palm[:, 1]
    return y if (vertices[finger == thumb].mean(axis=0) - others.mean(axis=0)) @ y > 0 else -y


def _sphere_pairs(model, tree: Tree, origin, center, radius, sphere_link) -> np.ndarray:
    """Pairs of spheres on links at least two joints apart that do not already overlap at rest."""
    adjacent = near_links(tree, model)
    world = origin[0][sphere_link] + np.einsum("sij,sj->si", origin[1][sphere_link], center)
    i, j = np.triu_indices(len(center), k=1)
    gap = np.linalg.norm(world[i] - world[j], axis=1) - radius[i] - radius[j]
    ok = ~adjacent[sphere_link[i], sphere_link[j]] & (gap > 0)
    return np.stack([i[ok], j[ok]], axis=1)


_ASSETS = Path(__file__).parent / "assets"
REFERENCE = "human16"
#: Hands that need no other package than ours, and those of the extra `hands`.
HAND_NAMES = (REFERENCE, "shadow")
EXTRA_HANDS = tuple(sorted({p.parent.name for p in _ASSETS.glob("*/card.yaml")} - set(HAND_NAMES)))


def card_path(name: str) -> Path:
    """The card of a built-in hand, or `name` itself where it is a card file or a folder that holds one.

    Raises:
      UserError: neither; the message lists the valid names.
    """
    if name in HAND_NAMES + EXTRA_HANDS:
        return _ASSETS / name / "card.yaml"
    path = Path(name).expanduser()
    path = path / "card.yaml" if path.is_dir() else path
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path
    raise UserError(
        f"hand {name!r}",
        f"one of {', '.join(HAND_NAMES)}, or with the extra `hands` {', '.join(EXTRA_HANDS)}, or a card file",
        f"{did_you_mean(alike(name, HAND_NAMES + EXTRA_HANDS))}choose one with --hand, or make a card with "
        "`zdg hand new MODEL`",
    )


def load_hand(name: str | os.PathLike[str]) -> HandModel:
    """A built-in hand by name, or any hand by its card.

    Raises:
      UserError: unknown name, a package or file that is missing, or what the card or model lacks.
    """
    path = card_path(os.fspath(name))
    return _load(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _load(path: Path, _changed: int) -> HandModel:
    hand = from_card(read_card(path), path.parent)
    return hand if path.is_relative_to(_ASSETS.resolve()) else replace(hand, card=str(path))


def from_card(card: HandCard, folder: Path) -> HandModel:
    """A hand from a card that is not (yet) a file; model and skin are looked for in `folder`."""
    reference = None if card.name == REFERENCE else lambda: load_hand(REFERENCE)
    return build_hand(card, folder, reference)
