"""Small analytic objects with a grasp on each, and numbers that few tests need to change."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import trimesh

from zdg_jax.guidance import ContactGuidance, InitialGrasp, ReasonedGrasp
from zdg_jax.objects import build_signed_distance_field
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.refine import RefineConfig, Task

#: All tests share two compiled shapes: 1 slot and 8 slots of this many starts.
STARTS = 4
SHORT = RefineConfig(steps=25, jitter_position=0.005, jitter_angle=0.1)
# columns: palm down on the object (D_palm = -y), fingers across it along x
R_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@cache
def shape(name: str) -> ObjectModel:
    """box, rod, pole or plate: a body, a handle along z, one too thick to be wrapped, a sheet of 6 mm."""
    mesh = {
        "box": lambda: trimesh.creation.box((0.04, 0.06, 0.18)),
        "rod": lambda: trimesh.creation.cylinder(radius=0.015, height=0.24, sections=48),
        "pole": lambda: trimesh.creation.cylinder(radius=0.022, height=0.24, sections=48),
        "plate": lambda: trimesh.creation.box((0.13, 0.006, 0.15)),
    }[name]()
    return model_of(mesh, name)


def model_of(mesh: trimesh.Trimesh, name: str) -> ObjectModel:
    mesh = mesh.subdivide_to_size(0.02)
    points, faces = trimesh.sample.sample_surface_even(mesh, 900, seed=0)
    return ObjectModel(
        object_id=name,
        name=None,
        scale=1.0,
        mesh=mesh,
        mesh_sha256="",
        warnings=(),
        samples=SurfaceSamples(np.asarray(points), mesh.face_normals[faces], np.asarray(faces)),
        parts=(),
        face_part=np.ones(len(mesh.faces), dtype=np.int64),
        sample_part=np.ones(len(points), dtype=np.int64),
        features=np.zeros((len(points), 1)),
        field=build_signed_distance_field(mesh),
    )


def grasp_on(obj: ObjectModel, part: float = 0.0) -> ReasonedGrasp:
    """Palm 5 mm above the object's top at z = `part`; the samples within 5 cm of there are the regions."""
    points = obj.samples.points
    hand = np.abs(points[:, 2] - part) < 0.05
    func = hand & (points[:, 0] > 0)
    top = np.array([0.0, points[:, 1].max() + 0.005, part])
    initial = InitialGrasp(top, R_DOWN, "handle-grasp", "above", 0, 0)
    return ReasonedGrasp("lift it", "ok", "", ContactGuidance(hand, func, None, (1,), (1,)), initial)


def grasp_all_of(obj: ObjectModel) -> ReasonedGrasp:
    """The same, held anywhere along it."""
    grasp = grasp_on(obj)
    assert grasp.guidance is not None
    anywhere = np.ones(len(obj.samples.points), bool)
    return replace(grasp, guidance=replace(grasp.guidance, hand_mask=anywhere))


def pointed_at(grasp: ReasonedGrasp, points: np.ndarray) -> ReasonedGrasp:
    """The same with key points of thumb and index finger, object frame, metres."""
    assert grasp.guidance is not None
    return replace(grasp, guidance=replace(grasp.guidance, p_obj_points=points))


def six_tasks() -> list[Task]:
    """Three objects, two tasks each."""
    return [
        Task(shape(name), grasp_on(shape(name), part), STARTS, seed)
        for seed, (name, part) in enumerate(
            (name, part) for name in ("box", "rod", "plate") for part in (0.0, 0.04)
        )
    ]
