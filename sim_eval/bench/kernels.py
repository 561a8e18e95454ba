"""The GPU kernels on a GPU: the same numbers as plain XLA, and what each part of a step takes.

`python -m sim_eval.bench.kernels [--json FILE]`; needs a CUDA device and no mesh but its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import trimesh
from jaxtyping import Array

from zdg_jax.errors import UserError
from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.objects.sdf.build import build_signed_distance_field
from zdg_jax.refine import RefineConfig
from zdg_jax.refine.batching import stack
from zdg_jax.refine.gpu.energy_kernel import measure_kernel
from zdg_jax.refine.optimize import Path, Schedule, State, compiled, gradients, measured
from zdg_jax.refine.problem import build_problem
from zdg_jax.refine.starts import jittered
from zdg_jax.refine.variables import Variables, kinematics, to_field, to_pose, to_variables

#: What both paths give of a grasp: energies, and dE/dG by its parts.
COMPARED = ("terms", *Variables._fields)
#: Relative error of energies and gradients allowed between the two paths.
TOLERANCE = 1e-4
SHAPES = {
    "rod": lambda: trimesh.creation.cylinder(radius=0.015, height=0.24, sections=48),
    "plate": lambda: trimesh.creation.box((0.13, 0.006, 0.15)),
    "box": lambda: trimesh.creation.box((0.04, 0.06, 0.18)),
    "ring": lambda: trimesh.creation.torus(major_radius=0.05, minor_radius=0.008),
}


def check(hand_name: str = "human16", tasks: int = 128, seeds: int = 64, steps: int = 20) -> dict[str, Any]:
    """Compares kernel and XLA on a batch of tasks x seeds grasps and times each part.

    A sample or a vertex exactly at contact has a kink: rounding then decides whether it counts. Such rows
    are counted, not averaged away.

    Args:
      hand_name: a built-in hand.
      tasks, seeds: batch; tasks take the shapes in turn.
      steps: of the loop comparison.

    Raises:
      UserError: no CUDA device.
    """
    if jax.devices()[0].platform == "cpu":
        raise UserError("a machine without CUDA", "a CUDA device", "run the tests in interpret mode instead")
    hand = load_hand(hand_name)
    tables, targets, v = _batch(hand, tasks, seeds)
    links = jax.jit(_each(lambda x: kinematics(hand, x)))(v).links
    batch = jnp.asarray(3)
    found = {path: jax.jit(partial(_on, hand, path))(tables, targets, v, batch) for path in ("xla", "kernel")}
    out: dict[str, Any] = {"hand": hand_name, "grasps": tasks * seeds, "device": jax.devices()[0].device_kind}
    for name in COMPARED:
        want, got = (np.asarray(found[path][name]) for path in ("xla", "kernel"))
        out[name] = _compare(want, got, tasks * seeds)
    out["loop"] = _loops(hand, tables, targets, v, steps)
    out["microseconds"] = _times(hand, tables, targets, v, links, batch)
    return out


def _on(hand: HandModel, path: Path, tables: Any, targets: Any, v: Variables, batch: Array) -> dict[str, Any]:
    slope = gradients(hand, tables, targets, v, batch, path)
    _, _, terms, _ = measured(hand, tables, targets, State(v, None), path)
    return dict(zip(COMPARED, (terms, *slope), strict=True))


def _batch(hand: HandModel, tasks: int, seeds: int):
    config = RefineConfig()
    objects = [_object(name) for name in SHAPES]
    types = list(hand.grasp_types)
    problems, poses, joints = [], [], []
    for t in range(tasks):
        obj = objects[t % len(objects)]
        grasp = _grasp(obj, types[t % len(types)], t)
        problems.append(build_problem(hand, obj, grasp, config))
        assert grasp.initial is not None
        pose, q = jittered(hand, grasp.initial, seeds, t, config)
        poses.append(to_field(obj.field.R_field_obj, pose))
        joints.append(q)
    tables, targets = stack(problems, tasks)
    start = (jnp.asarray(np.stack(x), jnp.float32) for x in (poses, joints))
    return tables, targets, jax.jit(_each(to_variables))(*start)


def _object(name: str) -> ObjectModel:
    mesh = SHAPES[name]()
    points, faces = trimesh.sample.sample_surface_even(mesh.subdivide_to_size(0.01), 4096, seed=0)
    points = np.asarray(points)
    return ObjectModel(
        object_id=name, name=None, scale=1.0, mesh=mesh, mesh_sha256="", warnings=(), parts=(),
        samples=SurfaceSamples(points, np.zeros_like(points), np.asarray(faces)),
        face_part=np.ones(len(mesh.faces), np.int64), sample_part=np.ones(len(points), np.int64),
        features=np.zeros((len(points), 1)), field=build_signed_distance_field(mesh),
    )  # fmt: skip


def _grasp(obj: ObjectModel, grasp_type: str, seed: int) -> ReasonedGrasp:
    """Palm 3 cm from a random sample, facing the object's centre."""
    rng = np.random.default_rng(seed)
    points = obj.samples.points
    at = points[rng.integers(len(points))]
    near = np.linalg.norm(points - at, axis=1)
    z = -at / max(float(np.linalg.norm(at)), 1e-6)
    x = np.cross(z, rng.normal(size=3))
    x /= np.linalg.norm(x)
    guidance = ContactGuidance(near < 0.045, near < 0.025, None, (1,), (1,))
    initial = InitialGrasp(at - 0.03 * z, np.stack([x, np.cross(z, x), z], axis=1), grasp_type, "", 0, 0)
    return ReasonedGrasp("", "ok", "", guidance, initial)


def _compare(want: np.ndarray, got: np.ndarray, rows: int) -> dict[str, float]:
    want, got = want.reshape(rows, -1), got.reshape(rows, -1)
    size = np.linalg.norm(want, axis=1)
    error = np.linalg.norm(want - got, axis=1) / np.maximum(size, 1e-6 * size.max())
    return {
        "median": float(np.median(error)),
        "p99": float(np.quantile(error, 0.99)),
        "rows_beyond_tolerance": int((error > TOLERANCE).sum()),
    }


def _loops(hand: HandModel, tables: Any, targets: Any, v: Variables, steps: int) -> dict[str, float]:
    ends = []
    schedule = Schedule(jnp.asarray(600), jnp.float32(0.005), jnp.float32(0.98), jnp.asarray(10))
    for path in ("xla", "kernel"):
        start, advance = compiled(hand, "adam", path)
        state = start(jax.jit(_each(to_pose))(v), v.joints)
        state = advance(tables, targets, schedule, state, jnp.asarray(0), jnp.asarray(steps))
        ends.append(np.concatenate([np.asarray(x) for x in state.variables], axis=-1))
    gap = np.abs(ends[0] - ends[1]).max(axis=-1)
    return {"steps": steps, "median": float(np.median(gap)), "p99": float(np.quantile(gap, 0.99))}


def _times(hand: HandModel, tables: Any, targets: Any, v: Variables, links: Any, batch: Any) -> dict:
    kin = jax.jit(lambda v: _each(lambda x: kinematics(hand, x))(v))
    measure = jax.jit(lambda *a: measure_kernel(hand, *a))
    schedule = Schedule(jnp.asarray(600), jnp.float32(0.005), jnp.float32(0.98), jnp.asarray(10))
    start, advance = compiled(hand, "adam", "kernel")
    begin = start(jax.jit(_each(to_pose))(v), v.joints)
    hundred = lambda: advance(tables, targets, schedule, begin, jnp.asarray(0), jnp.asarray(100))  # noqa: E731
    return {
        "kinematics_xla": _time(lambda: kin(v)),
        "measure_kernel": _time(lambda: measure(tables, targets, links, batch)),
        "step": _time(hundred, repeat=3) / 100,
    }


def _time(run: Callable[[], Any], repeat: int = 20) -> float:
    """Median microseconds, the first run apart."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(seconds)


def _each(function: Callable) -> Callable:
    return jax.vmap(jax.vmap(function))


def main() -> int:
    """Prints the comparison; exit status 1 if more than one row in a thousand is beyond the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hand", default="human16")
    parser.add_argument("--tasks", type=int, default=128)
    parser.add_argument("--json")
    args = parser.parse_args()
    try:
        found = check(args.hand, args.tasks)
    except UserError as error:
        print(f"kernels: {error}", file=sys.stderr)
        return 2
    text = json.dumps(found, indent=1)
    print(text)
    if args.json:
        with open(args.json, "w") as file:
            file.write(text + "\n")
    off = max(found[name]["rows_beyond_tolerance"] for name in COMPARED)
    return int(off > found["grasps"] / 1000)


if __name__ == "__main__":
    sys.exit(main())
