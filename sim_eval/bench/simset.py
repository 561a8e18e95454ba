"""Refined grasps of many objects with all that a simulation needs, in one small file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from sim_eval.convex import MJX_TEMPLATE, ConvexParams
from sim_eval.metrics.penetration import penetration_depth
from sim_eval.simobject import SimObject, sim_object
from sim_eval.solids import Inertial
from zdg_jax.api import make_reasoner, reason_task
from zdg_jax.errors import UserError
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel
from zdg_jax.hands.pregrasp import pregrasp_and_squeeze
from zdg_jax.objects import load_object, signed_distance, ycb_names
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sources import YCB_PREFIX
from zdg_jax.refine import Task, refine_many

TASKS = ("lift it", "use it", "hand it over")


@dataclass(frozen=True)
class GraspSet:
    """Grasps of several objects, ready to simulate without any mesh.

    Attributes:
      hand: all grasps are its.
      names, objects: the objects, cut for MJX.
      index: which object each grasp is of.
      hand_pose, joints: the refined grasps.
      p_dep_cm: their penetration depth in the mesh.
    """

    hand: HandModel
    names: tuple[str, ...]
    objects: tuple[SimObject, ...]
    index: Int[np.ndarray, " n"]
    hand_pose: Float[np.ndarray, "n 7"]
    joints: Float[np.ndarray, "n active"]
    p_dep_cm: Float[np.ndarray, " n"]

    def closing(self) -> tuple[Float[np.ndarray, "n active"], Float[np.ndarray, "n active"]]:
        """Pregrasp and squeeze joints by the hand's rule."""
        return pregrasp_and_squeeze(self.hand, self.joints)

    def repeated(self, count: int) -> GraspSet:
        """So many grasps of all objects in turn, again and again if there are not enough."""
        place = np.concatenate([np.arange(n) for n in np.bincount(self.index)])
        order = np.lexsort((self.index, place))  # the first of each object, then the second, ...
        return self._of(order[np.arange(count) % len(order)])

    def spread(self, count: int) -> GraspSet:
        """At most so many different grasps of all objects."""
        return self.repeated(min(count, len(self.index)))

    def _of(self, pick: Int[np.ndarray, " m"]) -> GraspSet:
        return GraspSet(
            self.hand, self.names, self.objects, self.index[pick], self.hand_pose[pick], self.joints[pick],
            self.p_dep_cm[pick],
        )  # fmt: skip


def prepare(
    hand_name: str,
    meshes: Sequence[str],
    each: int,
    say: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> GraspSet:
    """Reason offline, refine and keep the best grasps of every object for three tasks.

    Args:
      hand_name: a built-in hand.
      meshes: OBJECT arguments; all YCB scans if empty.
      each: grasps an object at most.
      say: told what is done.
      seed: same seed, same set.
    """
    hand, reasoner = load_hand(hand_name), make_reasoner("offline")
    objects = [load_object(name, seed=seed) for name in meshes or [YCB_PREFIX + n for n in ycb_names()]]
    keep = -(-each // len(TASKS))
    tasks: list[Task] = []
    for obj in objects:
        say(f"reason about {obj.object_id}")
        for text in TASKS:
            grasp = reason_task(obj, hand, text, reasoner, seed=seed).grasp
            if grasp.status == "ok":
                tasks.append(Task(obj, grasp, 2 * keep, seed + len(tasks)))
    say(f"refine {len(tasks)} tasks")
    poses: dict[str, list[np.ndarray]] = {}
    joints: dict[str, list[np.ndarray]] = {}
    for task, found in zip(tasks, refine_many(hand, tasks), strict=True):
        best = found.take(found.ok).best(keep)
        poses.setdefault(task.obj.object_id, []).append(best.hand_pose)
        joints.setdefault(task.obj.object_id, []).append(best.joints)
    used = [o for o in objects if o.object_id in poses]
    return pack(
        hand, used, [np.concatenate(poses[o.object_id])[:each] for o in used],
        [np.concatenate(joints[o.object_id])[:each] for o in used],
    )  # fmt: skip


def pack(
    hand: HandModel,
    objects: Sequence[ObjectModel],
    poses: Sequence[Float[np.ndarray, "_ 7"]],
    joints: Sequence[Float[np.ndarray, "_ active"]],
    convex: ConvexParams = MJX_TEMPLATE,
) -> GraspSet:
    """A set of grasps that are already refined, grouped by object."""
    depth = []
    for obj, pose, q in zip(objects, poses, joints, strict=True):
        skin = posed_skin(hand, pose, q)
        depth.append(
            penetration_depth(signed_distance(obj.mesh, skin.reshape(-1, 3)).reshape(skin.shape[:2]))
        )
    return GraspSet(
        hand, tuple(o.object_id for o in objects), tuple(sim_object(o.mesh, convex) for o in objects),
        np.repeat(np.arange(len(objects)), [len(p) for p in poses]),
        np.concatenate(poses).astype(np.float64), np.concatenate(joints).astype(np.float64),
        np.concatenate(depth).astype(np.float64),
    )  # fmt: skip


def write_set(grasps: GraspSet, path: Path) -> None:
    """One compressed npz."""
    pieces = [p for o in grasps.objects for p in o.pieces]
    np.savez_compressed(
        path, allow_pickle=False, hand=np.array(grasps.hand.name), names=np.array(grasps.names),
        notes=np.array([o.note for o in grasps.objects]),
        pieces_of=np.array([len(o.pieces) for o in grasps.objects]),
        vertices_of=np.array([len(p) for p in pieces]),
        vertices=np.concatenate(pieces), com=np.stack([o.inertial.com for o in grasps.objects]),
        inertia=np.stack([o.inertial.inertia for o in grasps.objects]),
        source=np.array([o.inertial.source for o in grasps.objects]),
        index=grasps.index, hand_pose=grasps.hand_pose, joints=grasps.joints, p_dep_cm=grasps.p_dep_cm,
    )  # fmt: skip


def read_set(path: Path) -> GraspSet:
    """What `write_set` wrote.

    Raises:
      UserError: there is no such file, or it holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            d = {name: file[name] for name in file.files}
        pieces = np.split(d["vertices"], np.cumsum(d["vertices_of"])[:-1])
        ends = np.cumsum(d["pieces_of"])
        objects = tuple(
            SimObject(
                tuple(pieces[end - count : end]),
                Inertial(1.0, d["com"][i], d["inertia"][i], str(d["source"][i])),
                str(d["notes"][i]),
            )
            for i, (end, count) in enumerate(zip(ends, d["pieces_of"], strict=True))
        )  # fmt: skip
        return GraspSet(
            load_hand(str(d["hand"])), tuple(str(n) for n in d["names"]), objects, d["index"], d["hand_pose"],
            d["joints"], d["p_dep_cm"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} ({error})", "a file that `zdg bench sim --prepare FILE` wrote", "check the path"
        ) from error
