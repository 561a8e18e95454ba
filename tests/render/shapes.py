"""Meshes with known geometry, for the render tests."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float, Int


def sphere() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=5, radius=0.05)


def box() -> trimesh.Trimesh:
    return trimesh.creation.box([0.10, 0.06, 0.04])


def ring() -> trimesh.Trimesh:
    """Lies flat; has a hole and hides parts of itself."""
    return trimesh.creation.torus(
        0.06, 0.015, transform=trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0])
    )


def clutter() -> trimesh.Trimesh:
    """Forty random boxes that pierce each other, most triangles large, some slivers."""
    rng = np.random.default_rng(3)
    parts = []
    for _ in range(40):
        part = trimesh.creation.box(rng.uniform(0.002, 0.06, 3))
        part.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
        part.apply_translation(rng.uniform(-0.06, 0.06, 3))
        parts.append(part)
    return trimesh.util.concatenate(parts)


MESHES = {"sphere": sphere, "box": box, "ring": ring, "clutter": clutter}


def flat_hand() -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """A slab the size of a hand, in its palm frame: fingers along x, palm facing +z."""
    slab = trimesh.creation.box([0.16, 0.08, 0.02])
    slab.apply_translation([0.02, 0.0, -0.01])
    return np.asarray(slab.vertices), np.asarray(slab.faces)
