"""Grasping tasks for benchmarks: many objects, prepared as little as refinement needs, no reasoning."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Int

import zdg_jax.objects
from sim_eval.metrics.penetration import penetration_depth
from sim_eval.simobject import MJX_TEMPLATE, ConvexParams, SimObject, sim_object
from sim_eval.solids import Inertial
from zdg_jax.api import make_reasoner, reason_task
from zdg_jax.cache import cached_arrays
from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.hands.kinematics import posed_skin
from zdg_jax.hands.model import HandModel, pregrasp_and_squeeze
from zdg_jax.objects import (
    build_signed_distance_field,
    load_mesh_source,
    load_object,
    signed_distance,
    ycb_names,
)
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.load import UP_TO_Y, mesh_sha256
from zdg_jax.objects.model import ObjectModel, SignedDistanceField, SurfaceSamples
from zdg_jax.objects.samples import sample_surface
from zdg_jax.objects.sources import YCB_PREFIX, quiet
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.starts import jittered

# only what `_arrays` runs: an edit of segmentation need not prepare 200 objects anew
_MODULES = "checks model samples sdf/build sdf/mesh_distance".split()
_SOURCES = tuple(Path(zdg_jax.objects.__file__).parent / f"{name}.py" for name in _MODULES)
#: Radii of M_hand^3d and P_func^3d around the task's point, and how far off the palm begins, metres.
HAND_RADIUS, FUNC_RADIUS, PALM_OFF = 0.045, 0.025, 0.05
#: Sizes of one mesh that count as different objects.
SCALES = (1.0, 0.9, 1.1)
_FEW = 3  # objects that are not worth another process


def bench_specs(count: int, meshes: Sequence[str] | None = None) -> list[tuple[str, float]]:
    """(mesh, scale) of `count` different objects: the meshes spread evenly, then again at other scales.

    Args:
      count: at least 1.
      meshes: OBJECT arguments; all YCB scans if None.

    Raises:
      UserError: more objects than meshes times scales.
    """
    names = list(meshes) if meshes else [YCB_PREFIX + name for name in ycb_names()]
    most = len(names) * len(SCALES)
    if not 1 <= count <= most:
        raise UserError(
            f"{count} objects", f"1 to {most}: {len(names)} meshes at {len(SCALES)} scales", "choose fewer"
        )
    if count <= len(names):
        pick = np.linspace(0, len(names) - 1, count).round().astype(int)
        return [(names[i], SCALES[0]) for i in pick]
    return [(name, scale) for scale in SCALES for name in names][:count]


def bench_objects(specs: Sequence[tuple[str, float]], workers: int | None = None) -> list[ObjectModel]:
    """Check, sample and grid every mesh, in parallel processes; kept in the cache by content.

    Args:
      specs: (OBJECT argument, scale in metres per unit of its file).
      workers: processes; as many as there are processors by default.

    Returns:
      Objects without parts or features: nothing is segmented.

    Raises:
      UserError: what `load_mesh_source` and `check_mesh` refuse.
    """
    workers = min(workers or os.cpu_count() or 1, len(specs))
    if workers > 1 and len(specs) > _FEW:
        # spawn: a fork of a process with JAX's threads in it can hang
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for _ in pool.map(_prepare, specs):
                pass
    return [_object(*spec) for spec in specs]


def bench_tasks(
    hand: HandModel,
    objects: Sequence[ObjectModel],
    grasps: int,
    seeds: int,
    seed: int = 0,
    points: bool = False,
) -> list[Task]:
    """`grasps` starts dealt evenly to tasks of at most `seeds`, the same number of tasks on each object.

    Tasks of one object stand together; the grasp types of the hand are taken in turn.

    Args:
      hand: gives the grasp types.
      objects: from `bench_objects`.
      grasps: of all tasks; at least one an object.
      seeds: starts of one task.
      seed: same seed, same tasks.
      points: thumb and index finger have key points, the ends of what they may touch.

    Returns:
      Tasks with explicit starts, so that whoever refines them begins alike.

    Raises:
      ValueError: fewer grasps than objects.
    """
    if not 1 <= len(objects) <= grasps or seeds < 1:
        raise ValueError(f"got {grasps} grasps on {len(objects)} objects; expected at least one on each")
    each = -(-grasps // (len(objects) * seeds))
    count = min(grasps, each * len(objects))
    types, config, tasks = list(hand.grasp_types), RefineConfig(), []
    for number in range(count):
        obj = objects[number * len(objects) // count]
        grasp = _grasp(obj, types[number % len(types)], seed + number, points)
        num = grasps * (number + 1) // count - grasps * number // count
        assert grasp.initial is not None
        starts = jittered(hand, grasp.initial, num, seed + number, config)
        tasks.append(Task(obj, grasp, num, seed + number, starts))
    return tasks


def _grasp(obj: ObjectModel, grasp_type: str, seed: int, pointed: bool) -> ReasonedGrasp:
    """Palm 5 cm off a random surface point along its normal, facing it; fingers in any direction."""
    rng = np.random.default_rng(seed)
    points, normals = obj.samples.points, obj.samples.normals
    middle = int(rng.integers(len(points)))
    away = np.linalg.norm(points - points[middle], axis=1)
    z = -normals[middle]
    x = np.cross(z, rng.normal(size=3))
    x /= np.linalg.norm(x)
    initial = InitialGrasp(
        points[middle] - PALM_OFF * z, np.stack([x, np.cross(z, x), z], axis=1), grasp_type, "normal", 0, 0
    )
    reached = points[away < FUNC_RADIUS] @ np.cross(z, x)
    ends = points[away < FUNC_RADIUS][[int(reached.argmin()), int(reached.argmax())]] if pointed else None
    guidance = ContactGuidance(away < HAND_RADIUS, away < FUNC_RADIUS, ends, (1,), (1,))
    return ReasonedGrasp("benchmark", "ok", "", guidance, initial)


def _prepare(spec: tuple[str, float]) -> None:
    _object(*spec)  # what it returns is large: the cache carries it over


def _object(spec: str, scale: float) -> ObjectModel:
    source, object_id, up = load_mesh_source(spec)
    mesh = trimesh.Trimesh(scale * np.asarray(source.vertices) @ UP_TO_Y[up].T, source.faces, process=False)
    sha = mesh_sha256(mesh)
    arrays = cached_arrays("bench", sha, lambda: _arrays(mesh, object_id), _SOURCES)
    mesh = trimesh.Trimesh(arrays["vertices"], arrays["mesh_faces"], process=False)
    count = len(arrays["points"])
    nx, ny, nz = (int(n) for n in arrays["shape"])
    return ObjectModel(
        object_id=object_id,
        name=None,
        scale=scale,
        mesh=mesh,
        mesh_sha256=sha,
        warnings=(),
        samples=SurfaceSamples(arrays["points"], arrays["normals"], arrays["faces"]),
        parts=(),
        face_part=np.ones(len(mesh.faces), dtype=np.int64),
        sample_part=np.ones(count, dtype=np.int64),
        features=np.zeros((count, 1)),
        field=SignedDistanceField(
            arrays["R_field_obj"], arrays["origin"], float(arrays["spacing"]), (nx, ny, nz),
            arrays["entries"], arrays["rows"],
        ),
    )  # fmt: skip


def _arrays(mesh: trimesh.Trimesh, label: str) -> dict[str, Float[np.ndarray, "..."]]:
    with quiet():
        mesh, _ = check_mesh(mesh, label)
        samples = sample_surface(mesh)
        field = build_signed_distance_field(mesh)
    return {
        **{name: np.asarray(getattr(samples, name)) for name in samples.__dataclass_fields__},
        **{name: np.asarray(getattr(field, name)) for name in field.__dataclass_fields__},
        "vertices": np.asarray(mesh.vertices),
        "mesh_faces": np.asarray(mesh.faces),
    }


# Refined grasps of many objects with all that a simulation needs, in one small file.
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
