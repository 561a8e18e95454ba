"""How exact the signed distance fields are, and what they cost."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float

from sim_eval.bench.monitor import cpu_name, load_average
from zdg_jax.objects import (
    build_signed_distance_field,
    field_values,
    load_mesh_source,
    signed_distance,
    ycb_names,
)
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.mesh_file import quiet
from zdg_jax.objects.sources import YCB_PREFIX

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
