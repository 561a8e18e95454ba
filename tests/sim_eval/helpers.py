"""Small hands and objects with known answers."""

from __future__ import annotations

import dataclasses

import numpy as np
import trimesh

from zdg_jax.hands import HandModel, load_hand
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.objects.sdf.build import build_signed_distance_field


def sphere(
    radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0), level: int = 5
) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=level, radius=radius)
    mesh.apply_translation(center)
    return mesh


def box(
    extents: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(extents)
    mesh.apply_translation(center)
    return mesh


def as_object(mesh: trimesh.Trimesh, samples: int = 2000) -> ObjectModel:
    """Only what evaluation reads; the rest is empty."""
    points, faces = trimesh.sample.sample_surface(mesh, samples, seed=0)[:2]
    surface = SurfaceSamples(np.asarray(points), np.asarray(mesh.face_normals[faces]), np.asarray(faces))
    rest = {f.name: None for f in dataclasses.fields(ObjectModel)}
    obj = object.__new__(ObjectModel)
    for name, value in {**rest, "mesh": mesh, "samples": surface}.items():
        object.__setattr__(obj, name, value)
    return obj


def with_field(obj: ObjectModel) -> ObjectModel:
    """The same, with the distance field that closing reads."""
    object.__setattr__(obj, "field", build_signed_distance_field(obj.mesh))
    return obj


def hand() -> HandModel:
    return load_hand("human16")


def grasps(mesh: trimesh.Trimesh, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Hands around an object, some deep in it, some far: (hand_pose [n, 7], joints [n, active])."""
    rng = np.random.default_rng(seed)
    model = hand()
    types = list(model.grasp_types.values())
    quat = rng.normal(size=(count, 4))
    quat /= np.linalg.norm(quat, axis=1, keepdims=True)
    place = mesh.bounds.mean(axis=0) + 0.03 * rng.normal(size=(count, 3))
    joints = np.stack([types[i % len(types)].joints for i in range(count)])
    return np.concatenate([place, quat], axis=1), joints
