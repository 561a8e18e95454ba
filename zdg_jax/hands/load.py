"""MJCF and card to `HandModel`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mujoco
import numpy as np
import trimesh

from zdg_jax.errors import UserError
from zdg_jax.hands.card import GraspTypeCard, HandCard
from zdg_jax.hands.collision import link_solids
from zdg_jax.hands.model import GraspType, HandModel


def model_path(card: HandCard, folder: Path) -> Path:
    """File behind `card.model`; the MJX test data is found without importing MJX."""
    kind, _, rest = card.model.partition(":")
    if kind == "asset":
        path = folder / rest
    elif kind == "mjx":
        spec = importlib.util.find_spec("mujoco")
        if spec is None or spec.origin is None:
            raise UserError("no mujoco package", "mujoco and mujoco-mjx installed", "pip install mujoco-mjx")
        path = Path(spec.origin).parent / "mjx" / "test_data" / rest
    else:
        path = Path(card.model)
    if not path.is_file():
        raise UserError(
            f"no hand model at {path.name}", "a MJCF or URDF file", f"check `model` of card {card.name}"
        )
    return path


def _link_index(names: list[str], name: str, where: str, card: HandCard) -> int:
    if name not in names:
        raise UserError(f"{where}: link {name!r}", f"one of {', '.join(names)}", f"mend card {card.name}")
    return names.index(name)


def _coupling(model: mujoco.MjModel, joints: list[str], fixed: dict[str, float], name: str):
    """Active names and the map q = A q_active + b from joint equalities and the card's fixed joints."""
    slave: dict[str, tuple[str, float, float]] = {}
    for e in range(model.neq):
        if int(model.eq_type[e]) != int(mujoco.mjtEq.mjEQ_JOINT) or model.eq_obj2id[e] < 0:
            continue
        c = model.eq_data[e]
        if np.any(c[2:5]):
            raise UserError(
                f"a non-linear joint equality in {name}", "polycoef 'a b 0 0 0'", "make it linear"
            )
        slave[model.joint(model.eq_obj1id[e]).name] = (model.joint(model.eq_obj2id[e]).name, c[1], c[0])
    active = [j for j in joints if j not in slave and j not in fixed]
    A, b = np.zeros((len(joints), len(active))), np.zeros(len(joints))
    for i, j in enumerate(joints):
        if j in fixed:
            b[i] = np.deg2rad(fixed[j])
            continue
        scale, offset = 1.0, 0.0
        while j in slave:
            j, s, o = slave[j]
            scale, offset = scale * s, offset + scale * o
        A[i, active.index(j)], b[i] = scale, offset
    return active, A, b


def _grasp_type(
    card: HandCard, key: str, g: GraspTypeCard, active: list[str], links: list[str], skin_link, palmar
) -> GraspType:
    joints = np.zeros(len(active))
    for j, degrees in g.joints.items():
        if j not in active:
            raise UserError(
                f"grasp type {key}: joint {j!r}", f"one of {', '.join(active)}", f"mend card {card.name}"
            )
        joints[active.index(j)] = np.deg2rad(degrees)
    by_link = np.zeros(len(links))
    for name, p in g.contact.items():
        by_link[_link_index(links, name, f"grasp type {key}", card)] = p
    return GraspType(joints=joints, contact_prior=by_link[skin_link] * palmar, description=g.description)


def build_hand(card: HandCard, folder: Path) -> HandModel:
    """Compile the MJCF and join it with its card.

    Raises:
      UserError: a link, joint or file that the card names does not exist.
    """
    path = model_path(card, folder)
    model = mujoco.MjSpec.from_file(str(path)).compile()
    names = [model.body(i).name for i in range(1, model.nbody)]
    base = _link_index(names, card.base, "base", card) + 1
    keep = [i for i in range(1, model.nbody) if i == base or _descends(model, i, base)]
    links = [model.body(i).name for i in keep]
    slot = {b: i for i, b in enumerate(keep)}
    hinge = [
        j
        for j in range(model.njnt)
        if model.jnt_bodyid[j] in slot and int(model.jnt_type[j]) == int(mujoco.mjtJoint.mjJNT_HINGE)
    ]
    joints = [model.joint(j).name for j in hinge]
    active, A, b = _coupling(model, joints, card.fixed, card.name)
    rows = [joints.index(a) for a in active]
    limits = model.jnt_range[hinge][rows]

    vertices, faces, skin_link, spheres = link_solids(card, folder, model, keep, links)
    origin = _rest_poses(model, keep)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    R = origin[1][skin_link]
    p_link_skin = np.einsum("vji,vj->vi", R, vertices - origin[0][skin_link])
    n_link_skin = np.einsum("vji,vj->vi", R, mesh.vertex_normals)

    finger = np.full(len(vertices), -1)
    for f, members in enumerate(card.fingers.values()):
        ids = [_link_index(links, m, "fingers", card) for m in members]
        finger[np.isin(skin_link, ids)] = f
    finger_names = tuple(card.fingers)
    functional = np.isin(finger, [finger_names.index(f) for f in card.functional_fingers])

    palm_link = _link_index(links, card.palm.link, "palm", card)
    p_palm, R_palm = _palm_frame(card, origin, palm_link)
    pad_link = np.array([_link_index(links, p.link, "pads", card) for p in card.pads.values()])
    palmar = palmar_side(n_link_skin, skin_link, pad_link, card, origin, palm_link, links)
    types = {
        k: _grasp_type(card, k, g, active, links, skin_link, palmar) for k, g in card.grasp_types.items()
    }
    center, radius, sphere_link = spheres
    return HandModel(
        name=card.name, mjcf=str(path), link_names=tuple(links),
        link_parent=np.array([slot.get(model.body_parentid[i], -1) if i != base else -1 for i in keep]),
        p_parent_link=model.body_pos[keep], q_parent_link=model.body_quat[keep],
        joint_names=tuple(joints), joint_link=np.array([slot[model.jnt_bodyid[j]] for j in hinge]),
        joint_axis=model.jnt_axis[hinge], p_link_joint=model.jnt_pos[hinge],
        active_names=tuple(active), coupling=A, coupling_offset=b, lower=limits[:, 0], upper=limits[:, 1],
        p_link_skin=p_link_skin, n_link_skin=n_link_skin, skin_link=skin_link, skin_faces=faces,
        skin_finger=finger, finger_names=finger_names, functional_fingers=tuple(card.functional_fingers),
        functional=functional, p_link_sphere=center, sphere_radius=radius, sphere_link=sphere_link,
        sphere_pairs=_sphere_pairs(model, keep, slot, base, origin, center, radius, sphere_link),
        p_base_palm=p_palm, R_base_palm=R_palm, pad_names=tuple(card.pads), pad_link=pad_link,
        p_link_pad=np.array([p.point for p in card.pads.values()]),
        n_link_pad=np.array([np.array(p.normal) / np.linalg.norm(p.normal) for p in card.pads.values()]),
        grasp_types=types, pregrasp_opening=card.pregrasp_opening, squeeze_rule=card.squeeze_rule,
        servo_kp=card.servo.kp, servo_torque=card.servo.torque,
    )  # fmt: skip


def _descends(model: mujoco.MjModel, body: int, ancestor: int) -> bool:
    while body > 0:
        body = model.body_parentid[body]
        if body == ancestor:
            return True
    return False


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


def palmar_side(
    n_link_skin, skin_link, pad_link, card: HandCard, origin, palm_link: int, links
) -> np.ndarray:
    """Weight 0..1 of each vertex: how far its normal points to the palmar side of its own link.

    max(0, n . m)^0.5 where m is the pad's normal for links of a finger with a pad, D_palm for the rest: the
    back of a finger or of the hand never touches what it holds.
    """
    facing = np.tile(np.array(card.palm.d_palm, dtype=float), (len(links), 1))
    for i in range(len(links)):  # D_palm in each link's own frame at rest
        facing[i] = origin[1][i].T @ origin[1][palm_link] @ facing[i]
    for f, members in card.fingers.items():
        pad = card.pads.get(f)
        if pad is None:
            continue
        tip = links.index(pad.link)
        n = origin[1][tip] @ (np.array(pad.normal) / np.linalg.norm(pad.normal))
        for m in members:
            facing[links.index(m)] = origin[1][links.index(m)].T @ n
    facing /= np.linalg.norm(facing, axis=1, keepdims=True)
    return np.sqrt(np.clip((n_link_skin * facing[skin_link]).sum(axis=1), 0.0, 1.0))


def _sphere_pairs(model, keep, slot, base, origin, center, radius, sphere_link) -> np.ndarray:
    """Pairs of spheres on links at least two joints apart that do not already overlap at rest."""
    n = len(keep)
    adjacent = np.eye(n, dtype=bool)
    for i, b in enumerate(keep):
        if b != base:
            p = slot[model.body_parentid[b]]
            adjacent[i, p] = adjacent[p, i] = True
    # Massless or zero-offset links (knuckles, hubs) do not count as a joint's distance.
    for _ in range(2):
        for i, b in enumerate(keep):
            if b != base and np.linalg.norm(model.body_pos[b]) < 1e-6:
                p = slot[model.body_parentid[b]]
                both = adjacent[i] | adjacent[p]
                adjacent[i], adjacent[p] = both, both
                adjacent[:, i], adjacent[:, p] = both, both
    world = origin[0][sphere_link] + np.einsum("sij,sj->si", origin[1][sphere_link], center)
    i, j = np.triu_indices(len(center), k=1)
    gap = np.linalg.norm(world[i] - world[j], axis=1) - radius[i] - radius[j]
    ok = ~adjacent[sphere_link[i], sphere_link[j]] & (gap > 0)
    return np.stack([i[ok], j[ok]], axis=1)
