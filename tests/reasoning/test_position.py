"""Eq. 1: T' lies on the ray and on the expanded hull."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.reasoning.things import hammer, random_rotation
from zdg_jax.objects.model import expanded, half_spaces
from zdg_jax.reasoning.stages import direction

OBJ = hammer(300)
VERTICES = np.asarray(OBJ.mesh.vertices)
C = OBJ.samples.points.mean(axis=0)


def random_directions(count: int = 20) -> np.ndarray:
    d = np.random.default_rng(1).normal(size=(count, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


@pytest.mark.parametrize("expansion", [0.0, 0.01, 0.03])
def test_on_the_ray_and_on_the_hull(expansion: float) -> None:
    hull = expanded(half_spaces(VERTICES), expansion)
    for d in random_directions():
        p = direction.hand_position(C, d, hull)
        assert direction.exit_distance(C, d, hull) > 0
        np.testing.assert_allclose(np.cross(p - C, d), 0, atol=1e-9)
        assert (hull[:, :3] @ p + hull[:, 3]).max() == pytest.approx(0, abs=1e-9)
        assert (VERTICES @ (hull[:, :3].T) + hull[:, 3]).max() <= -expansion + 1e-9


@pytest.mark.parametrize("expansion", [0.005, 0.02])
def test_clear_of_the_object_by_at_least_the_expansion(expansion: float) -> None:
    hull = expanded(half_spaces(VERTICES), expansion)
    points = np.array([direction.hand_position(C, d, hull) for d in random_directions(8)])
    _, distance, _ = trimesh.proximity.closest_point_naive(OBJ.mesh, points)
    assert (distance >= expansion - 1e-9).all()


def test_box_has_a_closed_form() -> None:
    box = trimesh.creation.box(extents=(0.2, 0.1, 0.06))
    hull = expanded(half_spaces(np.asarray(box.vertices)), 0.01)
    for axis, half in enumerate((0.1, 0.05, 0.03)):
        assert direction.exit_distance(np.zeros(3), np.eye(3)[axis], hull) == pytest.approx(
            half + 0.01, abs=1e-6
        )


@pytest.mark.parametrize("seed", range(4))
def test_moves_with_the_object(seed: int) -> None:
    R, t = random_rotation(seed), np.array([0.3, -0.2, 0.1])
    hull, moved = (expanded(half_spaces(v), 0.01) for v in (VERTICES, VERTICES @ R.T + t))
    for d in random_directions(5):
        before = direction.hand_position(C, d, hull)
        after = direction.hand_position(R @ C + t, R @ d, moved)
        np.testing.assert_allclose(after, R @ before + t, atol=1e-9)


def test_flat_object_has_a_hull() -> None:
    sheet = np.array([[x, 0.0, z] for x in (-0.1, 0.1) for z in (-0.1, 0.1)])
    hull = expanded(half_spaces(sheet), 0.01)
    assert direction.exit_distance(np.zeros(3), np.array([0.0, 1.0, 0.0]), hull) == pytest.approx(
        0.01, abs=1e-4
    )
