"""AffordPose's JSON: one human grasp a file, of GraspIt!'s 16-joint hand (GentlesJan/AffordPose)."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from pipelines.formats.grasp_file import GraspFile, ObjectSource, Rows, each_file, first_of
from pipelines.formats.schema import Foreign, Four, Three, Word, numbers, validated
from zdg_jax.errors import UserError
from zdg_jax.foreign import load_json
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import compose, make_pose, relative_pose, wxyz_to_matrix

NAME = "affordpose"
KEYS = ("dofs", "rhand_trans", "rhand_quat", "object_mesh")
HAND = "human16"
# the fingers' dofs in order, and what each is on human16: (joint, sign, degrees where its bone is at dof 0).
# Signs: their spreads turn about the back of the hand, ours about the palm. Offsets: theta of hand.xml.
DOFS = (
    ("index_spread", -1, 0.0), ("index_mcp", 1, -6.15), ("index_pip", 1, 10.51),
    ("middle_spread", -1, 0.0), ("middle_mcp", 1, -3.42), ("middle_pip", 1, 6.55),
    ("ring_spread", -1, 0.0), ("ring_mcp", 1, -4.67), ("ring_pip", 1, 8.08),
    ("little_spread", -1, 0.0), ("little_mcp", 1, -2.26), ("little_pip", 1, 2.23),
)  # fmt: skip
NUM_DOFS = 16  # the last four are the thumb's, whose axes are not ours: see `thumb_joints`
# GraspIt!'s palm has the fingers along -x, the palm facing -y, the index side along +z; ours is +x, +z, -y
GRASPIT_FROM_HUMAN16 = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
# knuckles of index, middle, ring and little finger in that palm, metres (the chains' translations, hand.xml)
KNUCKLES = 1e-3 * np.array(
    [[7.573, 1.183, 26.872], [1.009, 4.904, 2.829], [13.934, 2.426, -20.487], [26.883, -3.557, -37.023]]
)
FINGERS = ("index", "middle", "ring", "little")
# split_objectmesh2partmesh.py
AFFORDANCES = {
    "no_affordance": 0, "handle-grasp": 1, "press": 3, "lift": 4, "wrap-grasp": 5, "twist": 6, "support": 7,
    "pull": 8, "lever": 9,
}  # fmt: skip


class PosedHand(Foreign):
    """The hand and where the object is; positions in millimetres, quaternions wxyz."""

    dofs: Annotated[np.ndarray, numbers(NUM_DOFS)]
    rhand_trans: Three
    rhand_quat: Four
    trans_obj: Three = np.zeros(3)
    quat_obj: Four = np.array([1.0, 0.0, 0.0, 0.0])


class AffordPose(PosedHand):
    """A file's fields."""

    object_mesh: list[str]
    afford_name: Word = ""
    class_name: Word = ""


def detect(path: Path) -> bool:
    """A .json file, or a folder of them, with dofs, palm pose and object mesh."""

    def has_keys(file: Path) -> bool:
        data = load_json(file)
        if not isinstance(data, dict) or not all(key in data for key in KEYS):
            raise UserError(file.name, f"JSON with {', '.join(KEYS)}", "check the file")
        return True

    return first_of(path, ".json", has_keys) is True


def read(path: Path, hand: str | None = None) -> GraspFile:
    """Grasps put on human16: palm on palm so that the knuckles' centres meet, then bone by bone.

    Palm positions are in millimetres, meshes in metres, quaternions wxyz. The vertices' labels give the
    ground-truth part of `afford_name`.

    Raises:
      UserError: unreadable, another hand, not 16 dofs.
    """
    if hand not in (None, HAND):
        raise UserError(f"--hand {hand}", f"{HAND}, which has AffordPose's joints", "leave --hand out")
    model = load_hand(HAND)
    rows = Rows(model)
    dofs: dict[int, np.ndarray] = {}

    def read_one(file: Path, label: str) -> None:
        data = _load(file)
        pose = human16_pose(data)
        mesh, labels = _mesh(data.object_mesh, file.name)
        afford = data.afford_name
        wanted = AFFORDANCES.get(afford.lower())
        part = None if wanted is None else np.flatnonzero(labels == wanted)
        sha = hashlib.sha256("".join(data.object_mesh).encode("utf-8", "replace")).hexdigest()[:8]
        kind = data.class_name
        name = f"{kind or 'object'}-{sha}"
        source = ObjectSource(name, mesh=mesh, part=part)
        dofs[len(rows.joints)] = data.dofs
        later = np.zeros((1, len(model.active_names)))
        rows.add([label], source, kind, pose[None], later, key=f"{name} {afford}".strip())

    each_file(rows, path, ".json", read_one)
    found = human16_joints(model, np.array(list(dofs.values())).reshape(-1, NUM_DOFS))
    for i, joints in zip(dofs, found, strict=True):
        rows.joints[i] = joints
    notes = ("AffordPose's hand is not ours: its grasps were put on human16 (docs/formats.md)",)
    return rows.finish(path, NAME, notes)


def human16_joints(hand: HandModel, dofs: Float[np.ndarray, "rows 16"]) -> Float[np.ndarray, "rows active"]:
    """Joints of human16 whose bones point as GraspIt!'s do, within its limits, radians; NaN for NaN.

    Fingers: sign · dof + offset. Thumb: the least squares of `thumb_joints`.
    """
    fine = np.isfinite(dofs).all(axis=1)
    joints = np.zeros((len(dofs), len(hand.active_names)))
    for k, (name, sign, offset) in enumerate(DOFS):
        joints[:, hand.active_names.index(name)] = sign * dofs[:, k] + np.deg2rad(offset)
    joints = np.clip(joints, hand.lower, hand.upper)
    if fine.any():
        wanted = graspit_bones(dofs[fine, len(DOFS) :]) @ GRASPIT_FROM_HUMAN16
        joints[fine] = thumb_joints(hand, wanted, joints[fine])
    joints[~fine] = np.nan
    return joints


def human16_pose(data: PosedHand) -> Float[np.ndarray, "7"]:
    """T_obj_base of human16: T_world_obj^-1 T_world_palm T_graspit_base, metres and wxyz.

    Args:
      data: with `trans_obj`, `quat_obj` of an object that was moved.
    """
    palm = np.concatenate([1e-3 * data.rhand_trans, data.rhand_quat])
    world_obj = np.concatenate([1e-3 * data.trans_obj, data.quat_obj])
    return relative_pose(world_obj, compose(palm, palm_in_graspit()))


@cache
def palm_in_graspit() -> Float[np.ndarray, "7"]:
    """T_graspit_base: human16's link 0 in GraspIt!'s palm frame, knuckles' centre on knuckles' centre."""
    model = load_hand(HAND)
    ours = np.array([model.p_parent_link[model.link_names.index(f"{f}_proximal")] for f in FINGERS])
    place = KNUCKLES.mean(axis=0) - GRASPIT_FROM_HUMAN16 @ ours.mean(axis=0)
    return make_pose(place, GRASPIT_FROM_HUMAN16)


def _load(file: Path) -> AffordPose:
    return validated(AffordPose, load_json(file), file.name)


def _mesh(lines: list[str], label: str) -> tuple[trimesh.Trimesh, np.ndarray]:
    """(mesh in metres, label of each vertex) out of OBJ lines "v x y z label" and "f i j k"."""
    vertices = [line.split()[1:5] for line in lines if line.startswith("v ")]
    faces = [
        [int(word.partition("/")[0]) for word in line.split()[1:4]] for line in lines if line[:2] == "f "
    ]
    if not vertices or not faces:
        raise UserError(f"{label} with an object_mesh of no faces", "OBJ lines", "check the file")
    points, corners = np.array([v[:3] for v in vertices], np.float64), np.array(faces, np.int64) - 1
    if corners.min() < 0 or corners.max() >= len(points):
        raise UserError(
            f"{label} with faces outside its {len(points)} vertices", "OBJ lines", "check the file"
        )
    labels = np.array([int(float(v[3])) if len(v) > 3 else 0 for v in vertices])
    return trimesh.Trimesh(points, corners, process=False), labels


# The thumb put on human16's: same number of joints, other axes, so that directions decide.
# ManoHand/hand.xml, the thumb's chain: rotation of its base in the palm, then of each joint theta's offset
# (degrees), d, a (metres), alpha (degrees), Denavit-Hartenberg
BASE = np.array([[-0.1486, 0.2665, -0.9522], [-0.9003, 0.3618, 0.2418], [0.4089, 0.8933, 0.1862]])
CHAIN = (
    (0.0, 0.0, 0.0, 90.0),
    (49.739, 0.00244, 0.03069, 44.0),
    (20.502, 0.00772, 0.02597, 30.0),
    (0.0, 0.0, 0.0, 0.0),
)
LINKS = ("thumb_metacarpal", "thumb_proximal", "thumb_distal")
ITERATIONS = 20
STEP = 1e-5  # radians, for the Jacobian


def graspit_bones(dofs: Float[np.ndarray, "rows 4"]) -> Float[np.ndarray, "rows 3 3"]:
    """Unit directions of metacarpal, proximal and distal bone in GraspIt!'s palm frame, [rows, bone, xyz].

    T_i = Rz(q_i + θ_i) Tz(d_i) Tx(a_i) Rx(α_i); the first two bones join the frames' origins, the last one
    lies along x of its frame.

    Args:
      dofs: the last four, radians.
    """
    R, bones = np.broadcast_to(BASE, (len(dofs), 3, 3)), []
    for q, (offset, d, a, alpha) in zip(dofs.T, CHAIN, strict=True):
        R = R @ _turn(q + np.deg2rad(offset), 2)
        if a > 0:
            bones.append(R @ np.array([a, 0.0, d]))
        R = R @ _turn(np.full(len(dofs), np.deg2rad(alpha)), 0)
    bones = np.stack([*bones, R[..., 0]], axis=1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def human16_bones(hand: HandModel, joints: Float[np.ndarray, "rows active"]) -> Float[np.ndarray, "rows 3 3"]:
    """The same of human16, in its link 0: joint to joint, and last joint to the pad's height.

    In numpy: the compiled kinematics would be compiled for every number of rows.
    """
    angles = joints @ hand.coupling.T + hand.coupling_offset
    R, bones = np.tile(np.eye(3), (len(joints), 1, 1)), []
    for name in LINKS:
        link = hand.link_names.index(name)
        step = R @ hand.p_parent_link[link]
        if name != LINKS[0]:
            bones.append(step)
        R = R @ wxyz_to_matrix(hand.q_parent_link[link])
        for j in np.flatnonzero(hand.joint_link == link):
            R = R @ Rotation.from_rotvec(angles[:, j, None] * hand.joint_axis[j]).as_matrix()
    pad = hand.pad_names.index("thumb")
    point, normal = hand.p_link_pad[pad], hand.n_link_pad[pad]
    bones = np.stack([*bones, R @ (point - (point @ normal) * normal)], axis=1)
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def thumb_joints(
    hand: HandModel, wanted: Float[np.ndarray, "rows 3 3"], joints: Float[np.ndarray, "rows active"]
) -> Float[np.ndarray, "rows active"]:
    """Joints with the thumb's four chosen so that Σ |b_i - wanted_i|² is least, within limits.

    Levenberg and Marquardt's steps for all rows at once, a joint at its limit held there while the gradient
    pushes it out.

    Args:
      hand: human16.
      wanted: unit directions in its link 0.
      joints: the other joints, radians.
    """
    free = np.array([i for i, name in enumerate(hand.active_names) if name.startswith("thumb")])
    low, high = hand.lower[free], hand.upper[free]
    result = joints.copy()

    def residual(x: np.ndarray) -> np.ndarray:
        full = np.repeat(result, len(x) // len(result), axis=0)
        full[:, free] = x
        bones = human16_bones(hand, full) - np.repeat(wanted, len(x) // len(wanted), axis=0)
        return bones.reshape(len(x), -1)

    x = np.tile((low + high) / 2, (len(joints), 1))
    damping = np.full(len(x), 1e-2)
    r = residual(x)
    for _ in range(ITERATIONS):
        near = x[:, None] + STEP * np.concatenate([np.eye(4), -np.eye(4)])
        bones = residual(near.reshape(-1, 4)).reshape(len(x), 2, 4, -1)
        J = (bones[:, 0] - bones[:, 1]) / (2 * STEP)  # [rows, 4, 9]
        slope = np.einsum("rij,rj->ri", J, r)
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        J = np.where(held[..., None], 0.0, J)
        H = J @ J.transpose(0, 2, 1) + damping[:, None, None] * np.eye(4)
        step = np.linalg.solve(H, np.where(held, 0.0, slope)[..., None])[..., 0]
        trial = np.clip(x - step, low, high)
        r_trial = residual(trial)
        better = (r_trial**2).sum(axis=1) < (r**2).sum(axis=1)
        x, r = np.where(better[:, None], trial, x), np.where(better[:, None], r_trial, r)
        damping = np.where(better, damping / 3, damping * 5).clip(1e-6, 1e3)
    result[:, free] = x
    return result


def _turn(angle: Float[np.ndarray, " rows"], axis: int) -> Float[np.ndarray, "rows 3 3"]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R = np.tile(np.eye(3), (len(angle), 1, 1))
    R[:, i, i] = R[:, j, j] = np.cos(angle)
    R[:, j, i] = np.sin(angle)
    R[:, i, j] = -R[:, j, i]
    return R
