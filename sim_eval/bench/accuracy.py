"""How exact the signed distance fields are, how near grasps of one hand come to another, what both cost."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from sim_eval.bench.monitor import cpu_name, load_average
from zdg_jax.hands import HandModel, load_hand
from zdg_jax.hands.keypoints import obstacle
from zdg_jax.hands.kinematics import posed
from zdg_jax.hands.retarget import Retargeted, retarget
from zdg_jax.markdown import table
from zdg_jax.objects import (
    build_signed_distance_field,
    field_values,
    load_mesh_source,
    load_object,
    signed_distance,
    ycb_names,
)
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.sources import YCB_PREFIX, quiet
from zdg_jax.pose import rotation_to_wxyz

BAND = 0.01  # metres from the surface
PACKAGES = ("numpy", "libigl", "trimesh", "scipy")


def bench_fields(names: tuple[str, ...] | None = None, points: int = 40_000) -> dict[str, Any]:
    """Build each scan's field anew and compare look-ups in it with exact distances.

    error = |looked up - exact| at surface points, uniform by area, moved along their normals by
    U(-1 cm, 1 cm).

    Args:
      names: of YCB scans; None for all.
      points: of each scan.

    Returns:
      Ready for JSON: `objects`, one row a scan (millimetres, seconds, bytes), `summary`, `machine`,
      `versions`, `date`.

    Raises:
      UserError: no such scan.
    """
    before = load_average()
    rows = [_bench_one(name, points) for name in (ycb_names() if names is None else names)]
    worst = {
        f"worst_{k}": max((r[k] for r in rows), default=None)
        for k in ("p99_mm", "max_mm", "build_s", "build_cpu_s")
    }
    size = [r["bytes"] for r in rows]
    return {
        "summary": {
            "objects": len(rows),
            **worst,
            "median_build_s": round(float(np.median([r["build_s"] for r in rows])), 3) if rows else None,
            "worst_bytes": max(size, default=None),
            "median_bytes": int(np.median(size)) if rows else None,
            "points": points,
        },
        "objects": rows,
        "machine": {
            "cpu": cpu_name(),
            "cpu_count": os.cpu_count(),
            "system": platform.system(),
            "load_before": before,  # others at work make build_s longer, build_cpu_s hardly
        },
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def points_near(
    mesh: trimesh.Trimesh, count: int, band: float = BAND, seed: int = 0
) -> Float[np.ndarray, "count 3"]:
    """Surface points, uniform by area, moved along their normals by U(-band, band); metres."""
    sampled = trimesh.sample.sample_surface(mesh, count, seed=seed)
    height = np.random.default_rng(seed).uniform(-band, band, (count, 1))
    return np.asarray(sampled[0]) + height * mesh.face_normals[np.asarray(sampled[1])]


def _bench_one(name: str, count: int) -> dict[str, Any]:
    mesh, label, _ = load_mesh_source(YCB_PREFIX + name)
    with quiet():
        mesh, _ = check_mesh(mesh, label)
    start, start_cpu = time.perf_counter(), time.process_time()
    field = build_signed_distance_field(mesh)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    where = points_near(mesh, count)
    error = 1000 * np.abs(field_values(field, where) - signed_distance(mesh, where))
    return {
        "name": name,
        "build_s": round(seconds, 3),
        "build_cpu_s": round(cpu_seconds, 3),
        "cells": len(field.entries),
        "refined": int((field.entries & 1).sum()),
        "rows": len(field.rows),
        "bytes": field.entries.nbytes + field.rows.nbytes,
        "step_mm": round(1000 * field.spacing, 3),
        "p50_mm": round(float(np.median(error)), 4),
        "p99_mm": round(float(np.percentile(error, 99)), 4),
        "max_mm": round(float(error.max()), 4),
    }


# How fast and how near grasps of one hand come to another by finger keypoints.
OBJECTS = ("ycb:025_mug", "ycb:048_hammer", "ycb:006_mustard_bottle", "ycb:035_power_drill")
SPREAD = 0.12  # of joints about their grasp type, radians
RETARGET_PACKAGES = ("jax", "jaxlib", "numpy", "scipy")


def bench_retarget(
    hands: Sequence[str],
    source: str = "human16",
    grasps: int = 1000,
    objects: Sequence[str] = OBJECTS,
    one_by_one: int = 16,
) -> dict[str, Any]:
    """Retarget the same grasps to several hands; the first call, which compiles, is timed apart.

    Grasps: every grasp type in turn, joints moved by N(0, 0.12 rad), turned at random, thumb and index pads
    astride a random point of a scan's surface. The baseline does some of them one a call.

    Args:
      hands: to which.
      source: from which.
      grasps: in all, divided among the objects.
      objects: whose fields hands stay out of.
      one_by_one: grasps of the baseline; 0 for none.

    Returns:
      Ready for JSON: `hands`, one row each (seconds, millimetres), `machine`, `versions`, `date`.

    Raises:
      UserError: an unknown hand or object, or hands without fingers in common.
    """
    human, load = load_hand(source), load_average()
    share = -(-grasps // len(objects))
    work = []
    for k, name in enumerate(objects):
        obj = load_object(name)
        work.append((*_astride(human, obj.samples.points, min(share, grasps - k * share), k), obj))
    fields = [obstacle(obj.field) for *_, obj in work]
    rows = []
    for name in hands:
        hand = load_hand(name)

        def all_of_them(hand: HandModel = hand) -> list[Retargeted]:
            return [
                retarget(human, hand, pose, joints, kinds, field)
                for (pose, joints, kinds, _), field in zip(work, fields, strict=True)
            ]

        start, start_cpu = time.perf_counter(), time.process_time()
        all_of_them()
        first, first_cpu = time.perf_counter() - start, time.process_time() - start_cpu
        start, start_cpu = time.perf_counter(), time.process_time()
        found = all_of_them()
        run, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        each = _one_by_one(human, hand, work[0], fields[0], one_by_one)
        error = 1000 * np.concatenate([f.tip_error for f in found])
        near = np.concatenate([f.reachable for f in found])
        rows.append({
            "hand": name, "grasps": len(error), "compile_s": round(first - run, 2),
            "compile_cpu_s": round(first_cpu - cpu, 2), "run_s": round(run, 3), "run_cpu_s": round(cpu, 3),
            "one_by_one_ms": None if each is None else round(1000 * each, 2),
            "ratio_to_one_by_one": None if each is None else round(each * len(error) / run, 1),
            "fingers": list(found[0].fingers), "tip_mm_reachable": round(float(error[near].mean()), 2),
            "tip_mm_p95_reachable": round(float(np.percentile(error[near], 95)), 2),
            "reachable": round(float(near.mean()), 4),
        })  # fmt: skip
    return {
        "hands": rows,
        "source": source,
        "objects": list(objects),
        "machine": {
            "cpu": cpu_name(),
            "cpu_count": os.cpu_count(),
            "device": jax.devices()[0].device_kind,
            "load_before": load,
        },
        "versions": {name: importlib.metadata.version(name) for name in RETARGET_PACKAGES},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _one_by_one(human: HandModel, hand: HandModel, work, field, count: int) -> float | None:
    """Seconds a grasp where each is a call of its own."""
    pose, joints, kinds, _ = work
    count = min(count, len(pose))
    if not count:
        return None
    retarget(human, hand, pose[:1], joints[:1], kinds[:1], field)
    start = time.perf_counter()
    for i in range(count):
        retarget(human, hand, pose[i : i + 1], joints[i : i + 1], kinds[i : i + 1], field)
    return (time.perf_counter() - start) / count


def _astride(
    hand: HandModel, surface: Float[np.ndarray, "samples 3"], count: int, seed: int
) -> tuple[Float[np.ndarray, "n 7"], Float[np.ndarray, "n active"], list[str]]:
    """Poses, joints and grasp types of random grasps whose thumb and index lie about a surface point."""
    rng = np.random.default_rng(seed)
    names = [list(hand.grasp_types)[i % len(hand.grasp_types)] for i in range(count)]
    joints = np.stack([hand.grasp_types[t].joints for t in names])
    joints = np.clip(joints + rng.normal(size=joints.shape) * SPREAD, hand.lower, hand.upper)
    q = rotation_to_wxyz(Rotation.random(count, rng=rng))
    pose = np.concatenate([np.zeros((count, 3)), q], axis=1)
    pads = posed(hand, pose, joints, "pad")
    between = pads[:, [hand.pad_names.index(f) for f in hand.functional_fingers]].mean(axis=1)
    pose[:, :3] = surface[rng.integers(len(surface), size=count)] - between
    return pose, joints, names


def show_retarget(report: dict[str, Any]) -> str:
    """A Markdown table, as in docs/hands.md."""
    made = report["machine"]
    where = f"{made['cpu']}, {made['cpu_count']} cores, load {made['load_before']}; from {report['source']}"
    columns = {
        "hand": "{hand}", "grasps": "{grasps}", "compile s": "{compile_s:.1f}",
        "processor s ": "{compile_cpu_s:.1f}", "run s": "{run_s:.2f}", "processor s": "{run_cpu_s:.2f}",
        "one by one, ms a grasp": "{one_by_one_ms}", "ratio": "{ratio_to_one_by_one}",
        "tips reachable": "{reachable:.1%}", "tip error mm, mean": "{tip_mm_reachable}",
        "95 %": "{tip_mm_p95_reachable}",
    }  # fmt: skip
    rows = [[form.format(**r) for form in columns.values()] for r in report["hands"]]
    return f"{where}\n\n{table(list(columns), rows)}"
