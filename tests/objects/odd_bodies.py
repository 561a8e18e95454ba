"""Meshes whose topology is odd: one-sided, holed, hollow, thin, linked, touching in an edge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import trimesh
from trimesh.transformations import compose_matrix, rotation_matrix


def mobius(count: int = 120, width: float = 0.03, radius: float = 0.06) -> trimesh.Trimesh:
    """A band of one side."""
    turn = np.repeat(np.linspace(0, 2 * np.pi, count, endpoint=False), 2)
    side = np.tile([-width / 2, width / 2], count)
    reach = radius + side * np.cos(turn / 2)
    vertices = np.stack([reach * np.cos(turn), reach * np.sin(turn), side * np.sin(turn / 2)], 1)
    faces = []
    for i in range(count):
        a, b = 2 * i, 2 * i + 1
        c, d = (2 * i + 2, 2 * i + 3) if i < count - 1 else (1, 0)  # the ends meet turned over
        faces += [[a, b, c], [c, b, d]]
    return trimesh.Trimesh(vertices, faces, process=False)


def klein(rows: int = 40, columns: int = 24) -> trimesh.Trimesh:
    """A bottle of one side that passes through itself."""
    u, v = np.meshgrid(
        np.linspace(0, 2 * np.pi, rows, endpoint=False), np.linspace(0, 2 * np.pi, columns, endpoint=False),
        indexing="ij",
    )  # fmt: skip
    reach = 2 + np.cos(u / 2) * np.sin(v) - np.sin(u / 2) * np.sin(2 * v)
    height = np.sin(u / 2) * np.sin(v) + np.cos(u / 2) * np.sin(2 * v)
    vertices = 0.02 * np.stack([reach * np.cos(u), reach * np.sin(u), height], -1).reshape(-1, 3)

    def at(i: int, j: int) -> int:
        return (i % rows) * columns + ((-j) % columns if i >= rows else j % columns)

    faces = []
    for i in range(rows):
        for j in range(columns):
            a, b, c, d = at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)
            faces += [[a, b, c], [a, c, d]]
    return trimesh.Trimesh(vertices, faces, process=False)


def cheese() -> trimesh.Trimesh:
    """A block with closed holes."""
    parts = [trimesh.creation.box((0.08, 0.08, 0.08))]
    for center in np.random.default_rng(0).uniform(-0.03, 0.03, (12, 3)):
        hole = trimesh.creation.icosphere(1, 0.006)
        hole.apply_translation(center)
        hole.invert()
        parts.append(hole)
    return trimesh.util.concatenate(parts)


def wires() -> trimesh.Trimesh:
    """Five wires of 1 mm across each other."""
    turns = [rotation_matrix(angle, [1, 0, 0]) for angle in np.linspace(0, 3, 5)]
    return trimesh.util.concatenate(
        [trimesh.creation.cylinder(0.0005, 0.15, sections=6, transform=turn) for turn in turns]
    )


def hollow() -> trimesh.Trimesh:
    """A ball whose wall is 0.1 mm thick."""
    inner = trimesh.creation.icosphere(3, 0.0499)
    inner.invert()
    return trimesh.util.concatenate([trimesh.creation.icosphere(3, 0.05), inner])


def touching() -> trimesh.Trimesh:
    """Two bars that share an edge."""
    other = trimesh.creation.box((0.1, 0.02, 0.02))
    other.apply_translation([0.1, 0.02, 0.0])
    return trimesh.util.concatenate([trimesh.creation.box((0.1, 0.02, 0.02)), other])


def linked() -> trimesh.Trimesh:
    """Two links of a chain."""
    across = compose_matrix(angles=[np.pi / 2, 0, 0], translate=[0.03, 0, 0])
    return trimesh.util.concatenate(
        [trimesh.creation.torus(0.03, 0.005), trimesh.creation.torus(0.03, 0.005, transform=across)]
    )


BODIES: dict[str, Callable[[], trimesh.Trimesh]] = {
    "mobius": mobius, "klein": klein, "cheese": cheese, "wires": wires, "hollow": hollow,
    "touching": touching, "linked": linked,
    "plate": lambda: trimesh.creation.box((0.1, 0.0001, 0.1)),
    "needle": lambda: trimesh.creation.cylinder(0.0004, 0.18, sections=8),
    "ring": lambda: trimesh.creation.torus(0.05, 0.01),
}  # fmt: skip
