"""The way of a hand: pregrasp, grasp, squeeze, lift; joint trajectories in the robot's own joint order."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from pipelines.dataset import joint_order, load_grasps, write_atomic
from pipelines.formats import GraspFile
from pipelines.runtime import output_folder
from zdg_jax.errors import UserError
from zdg_jax.hands import HandModel, load_hand


def joint_path(
    hand: HandModel,
    pregrasp: Float[np.ndarray, "n active"],
    grasp: Float[np.ndarray, "n active"],
    squeeze: Float[np.ndarray, "n active"],
    steps: int,
) -> Float[np.ndarray, "n times joints"]:
    """All joints of the model at 2 `steps` + 1 times, straight between the three poses.

    q(t) = A q_active(t) + b: followers and fixed joints are among them, so that a controller that knows only
    the model's joints can play it.

    Args:
      hand: whose `joint_names` give the order.
      pregrasp, grasp, squeeze: active joints, radians.
      steps: from one pose to the next.
    """
    t = np.linspace(0.0, 1.0, steps + 1)[None, :, None]
    closing = pregrasp[:, None] + t * (grasp - pregrasp)[:, None]
    pressing = grasp[:, None] + t[:, 1:] * (squeeze - grasp)[:, None]
    return np.concatenate([closing, pressing], axis=1) @ hand.coupling.T + hand.coupling_offset


def base_path(
    before: Float[np.ndarray, "n 7"], at: Float[np.ndarray, "n 7"], steps: int
) -> Float[np.ndarray, "n times 7"]:
    """The base link's poses at the times of `joint_path`: straight to the grasp, then still.

    p(t) = p_0 + t (p_1 - p_0), the turn by spherical interpolation.

    Args:
      before, at: xyz wxyz at the pregrasp and at the grasp, metres.
      steps: from one pose to the next.
    """
    t = np.linspace(0.0, 1.0, steps + 1)
    place = before[:, None, :3] + t[None, :, None] * (at - before)[:, None, :3]
    turns = [
        Slerp([0.0, 1.0], Rotation.from_quat(np.stack([a, b])[:, [4, 5, 6, 3]]))(t).as_quat()[:, [3, 0, 1, 2]]
        for a, b in zip(before, at, strict=True)
    ]
    coming = np.concatenate([place, np.array(turns).reshape(len(at), len(t), 4)], axis=2)
    return np.concatenate([coming, np.repeat(at[:, None], steps, axis=1)], axis=1)


def trajectories(path: str, steps: int = 10) -> dict[str, Any]:
    """Trajectories of every grasp with status "ok" whose closing was planned.

    Args:
      path: `grasps.parquet` or its folder.
      steps: from one pose to the next.
    Returns: `hand`, `joint_names` (the robot's own order), `base_link`, `stages` with the step each ends at,
      and by grasp `grasp_id`, `object_id`, `hand_pose` (xyz wxyz of the base link in the object frame,
      metres), `base_poses` [grasps, times, 7] (the same on the way) and `positions` [grasps, times, joints],
      radians.
    Raises:
      UserError: what the file lacks, or fewer than one step.
    """
    if steps < 1:
        raise UserError(f"--steps {steps}", "1 or more", "choose another --steps")
    grasps, info = load_grasps(Path(path).expanduser())
    hand = load_hand(info["hand"])
    order = joint_order(info["joint_names"], hand)
    planned = np.isfinite(grasps.pregrasp).all(axis=1) & np.isfinite(grasps.squeeze).all(axis=1)
    grasps = grasps.take(grasps.ok & planned)
    poses = [joints[:, order] for joints in (grasps.pregrasp, grasps.joints, grasps.squeeze)]
    known = np.isfinite(grasps.pregrasp_pose).all(axis=1, keepdims=True)
    before = np.where(known, grasps.pregrasp_pose, grasps.hand_pose)
    return {
        "hand": hand.name, "base_link": hand.link_names[0], "joint_names": list(hand.joint_names),
        "stages": {"pregrasp": 0, "grasp": steps, "squeeze": 2 * steps},
        "units": {"angle": "rad", "length": "m"},
        "grasp_id": list(grasps["grasp_id"]),
        "object_id": [grasps.tasks[task]["object_id"] for task in grasps.task_index],
        "hand_pose": grasps.hand_pose,
        "base_poses": base_path(before, grasps.hand_pose, steps),
        "positions": joint_path(hand, poses[0], poses[1], poses[2], steps),
    }  # fmt: skip


def write_trajectories(path: str, out: str, *, steps: int = 10) -> int:
    """Write `trajectories` as .npz or .json.

    Returns: how many.
    Raises:
      UserError: another suffix, a folder that can't be written, or what `trajectories` refuses.
    """
    file = Path(out).expanduser()
    if file.suffix not in (".npz", ".json"):
        raise UserError(f"--out {out}", "a name that ends in .npz or .json", "choose another --out")
    output_folder(str(file.parent))
    found = trajectories(path, steps)
    if file.suffix == ".npz":
        sink = io.BytesIO()
        stages = list(found["stages"].items())
        plain = {k: v for k, v in found.items() if k not in ("stages", "units")}
        np.savez_compressed(
            sink, allow_pickle=False, stage_names=np.array([n for n, _ in stages]),
            stage_ends=np.array([s for _, s in stages]), **{k: np.asarray(v) for k, v in plain.items()},
        )  # fmt: skip
        write_atomic(file, sink.getvalue())
    else:
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
        write_atomic(file, json.dumps(plain, allow_nan=False).encode() + b"\n")
    return len(found["grasp_id"])


#: Value of the slider at which each stage is reached.
STAGES = {"pregrasp": 0.0, "grasp": 1.0, "squeeze": 2.0, "lift": 3.0}
#: How far the object and the hand go up, metres.
LIFT = 0.10


@dataclass(frozen=True)
class At:
    """A hand and an object at one time.

    Attributes:
      pose: xyz (metres) and wxyz of the hand's link 0 in the object frame.
      joints: active, radians; on the way to the squeeze the servos' targets, which the object resists.
      lift: metres that hand and object have gone up by.
      said: in words.
    """

    pose: Float[np.ndarray, " 7"]
    joints: Float[np.ndarray, " active"]
    lift: float
    said: str


def at_stage(grasps: GraspFile, row: int, time: float) -> At:
    """One grasp at a time of `STAGES`, straight between stages; a stage that the file lacks is the grasp.

    p(t) = p_0 + t (p_1 - p_0), the turn by spherical interpolation, q(t) = q_0 + t (q_1 - q_0).

    Args:
      grasps, row: which grasp.
      time: 0 pregrasp, 1 grasp, 2 squeeze, 3 lifted.
    """
    pose, joints = grasps.hand_pose[row], grasps.joints[row]
    before, squeeze = (
        q if np.isfinite(q).all() else joints for q in (grasps.pregrasp[row], grasps.squeeze[row])
    )
    away = pose if grasps.pregrasp_pose is None else grasps.pregrasp_pose[row]
    away = away if np.isfinite(away).all() else pose
    if time < 1.0:
        steps = 64
        way = base_path(away[None], pose[None], steps)[0]
        return At(
            way[round(steps * time)], before + time * (joints - before), 0.0, "coming" if time else "pregrasp"
        )
    press = min(time - 1.0, 1.0)
    up = LIFT * max(0.0, time - 2.0)
    said = "lifted, servos at the squeeze's targets" if up else "squeeze: servo targets" if press else "grasp"
    return At(pose, joints + press * (squeeze - joints), up, said)
