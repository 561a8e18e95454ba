"""Analytic shapes that the tests know everything about."""

from __future__ import annotations

import numpy as np
import trimesh


def sphere(radius: float = 0.05) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=4, radius=radius)


def dumbbell() -> trimesh.Trimesh:
    """A thick and a thin cylinder in a row along x: handle and shaft."""
    handle = trimesh.creation.cylinder(0.016, 0.1, sections=48)
    shaft = trimesh.creation.cylinder(0.004, 0.1, sections=32)
    shaft.apply_translation([0, 0, 0.095])
    joined = trimesh.boolean.union([handle, shaft], engine="manifold")
    joined.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [0, 1, 0]))
    return dense(joined)


def mug() -> trimesh.Trimesh:
    """Cup of radius 40 mm and height 90 mm with a 3 mm wall and a ring handle; up is y."""
    outer = trimesh.creation.cylinder(0.04, 0.09, sections=64)
    inner = trimesh.creation.cylinder(0.037, 0.09, sections=64)
    inner.apply_translation([0, 0, 0.004])
    ring = trimesh.creation.torus(0.025, 0.005, major_sections=48, minor_sections=16)
    ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    ring.apply_translation([0.045, 0, 0])
    cup = trimesh.boolean.difference([trimesh.boolean.union([outer, ring], engine="manifold"), inner])
    cup.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    return dense(cup)


def dense(mesh: trimesh.Trimesh, edge: float = 0.008) -> trimesh.Trimesh:
    vertices, faces, *_ = trimesh.remesh.subdivide_to_size(
        mesh.vertices, mesh.faces, max_edge=edge, max_iter=30
    )
    return trimesh.Trimesh(vertices, faces, process=True)
