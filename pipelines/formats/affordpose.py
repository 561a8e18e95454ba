"""AffordPose's JSON: one human grasp a file, of GraspIt!'s 16-joint hand (GentlesJan/AffordPose)."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import trimesh
from jaxtyping import Float

from pipelines.formats.collect import Rows, each_file, first_of
from pipelines.formats.grasp_file import GraspFile, ObjectSource
from pipelines.formats.graspit_thumb import graspit_bones, thumb_joints
from pipelines.formats.schema import Foreign, Four, Three, Word, numbers, validated
from zdg_jax.errors import UserError
from zdg_jax.foreign import load_json
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.pose import compose, make_pose, relative_pose

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
NUM_DOFS = 16  # the last four are the thumb's, whose axes are not ours: see graspit_thumb.py
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

    Fingers: sign · dof + offset. Thumb: the least squares of `graspit_thumb.thumb_joints`.
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
