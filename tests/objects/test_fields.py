from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trimesh

from tests.objects.shapes import sphere
from zdg_jax.objects import build_point_distance_grid, build_sdf_grid, closest_points, lookup, signed_distance
from zdg_jax.objects.fields import grid_nodes

RNG = np.random.default_rng(0)


def box_distance(points: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Closed form of the signed distance to an axis-aligned box."""
    q = np.abs(points) - half
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0)


def test_signed_distance_equals_the_closed_form_of_a_box():
    half = np.array([0.03, 0.05, 0.02])
    points = RNG.uniform(-0.1, 0.1, (500, 3))
    np.testing.assert_allclose(
        signed_distance(trimesh.creation.box(2 * half), points), box_distance(points, half), atol=1e-9
    )


def test_signed_distance_of_an_open_box_keeps_its_sign():
    box = trimesh.creation.box([0.1, 0.1, 0.1])
    open_box = trimesh.Trimesh(box.vertices, box.faces[1:], process=False)
    points = np.array([[0.0, 0.0, 0.0], [0.03, -0.02, 0.01], [0.2, 0.0, 0.0], [0.0, 0.07, 0.0]])
    assert (np.sign(signed_distance(open_box, points)) == [-1, -1, 1, 1]).all()


def test_closest_points_lie_on_the_named_face_at_the_stated_distance():
    mesh = sphere()
    points = RNG.uniform(-0.1, 0.1, (200, 3))
    nearest, distance, face = closest_points(mesh, points)
    np.testing.assert_allclose(np.linalg.norm(points - nearest, axis=1), distance, atol=1e-12)
    height = np.einsum("nd,nd->n", nearest - mesh.triangles[face, 0], mesh.face_normals[face])
    np.testing.assert_allclose(height, 0, atol=1e-9)


def test_empty_queries_give_empty_answers():
    assert signed_distance(sphere(), np.zeros((0, 3))).shape == (0,)
    assert closest_points(sphere(), np.zeros((0, 3)))[0].shape == (0, 3)


def channels(grid):
    return (
        jnp.asarray(grid.values, dtype=jnp.float32)[..., None],
        jnp.asarray(grid.origin, dtype=jnp.float32),
        jnp.asarray(grid.spacing, dtype=jnp.float32),
    )


def test_grid_agrees_with_exact_distance_and_its_gradient_has_norm_one():
    mesh = sphere(0.05)
    grid = build_sdf_grid(mesh, margin=0.02, resolution=48)
    assert grid.values.shape == (48, 48, 48)
    points = RNG.normal(size=(400, 3))
    points *= RNG.uniform(0.025, 0.065, (400, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
    values, origin, spacing = channels(grid)

    def phi(p):
        return lookup(values, origin, spacing, p)[..., 0]

    batch = jnp.asarray(points, dtype=jnp.float32)
    np.testing.assert_allclose(phi(batch), signed_distance(mesh, points), atol=0.1 * grid.spacing.max())
    norms = np.linalg.norm(jax.vmap(jax.grad(phi))(batch), axis=1)
    np.testing.assert_allclose(norms, 1, atol=0.06)


def test_lookup_reproduces_trilinear_functions_and_their_gradients():
    shape, spacing, origin = (5, 6, 7), 0.1, np.array([-0.2, 0.1, 0.3])
    nodes = grid_nodes(origin, spacing, shape)
    linear, bilinear = nodes @ [1.0, -2.0, 3.0] + 0.5, nodes[:, 0] * nodes[:, 1]
    values = jnp.asarray(np.stack([linear, bilinear], axis=-1).reshape(*shape, 2), dtype=jnp.float32)
    points = origin + RNG.uniform(0.01, 0.99, (50, 3)) * (np.array(shape) - 1) * spacing
    batch = jnp.asarray(points, dtype=jnp.float32)

    def at(p):
        return lookup(values, jnp.asarray(origin, dtype=jnp.float32), spacing, p)

    np.testing.assert_allclose(
        at(batch), np.stack([points @ [1, -2, 3] + 0.5, points[:, 0] * points[:, 1]], -1), atol=2e-6
    )
    slope = jax.vmap(jax.jacobian(at))(batch)
    np.testing.assert_allclose(slope[:, 0], np.tile([1.0, -2.0, 3.0], (50, 1)), atol=2e-5)
    np.testing.assert_allclose(slope[:, 1, :2], points[:, [1, 0]], atol=2e-5)


def test_a_thin_axis_gets_a_finer_step():
    mesh = trimesh.creation.box((0.30, 0.002, 0.02))
    grid = build_sdf_grid(mesh, margin=0.03)
    np.testing.assert_allclose(grid.spacing * 63, [0.36, 0.062, 0.08])
    inside = jnp.zeros((1, 3), dtype=jnp.float32)
    assert lookup(*channels(grid), inside)[0, 0] < -0.0003  # a 2 mm blade is not lost between nodes


def test_gradients_are_finite_on_nodes_on_the_border_and_beyond():
    grid = build_sdf_grid(sphere(), resolution=12)
    values, origin, spacing = channels(grid)
    nodes = grid_nodes(grid.origin, grid.spacing, grid.values.shape)
    far = np.concatenate([nodes + 0.3, nodes * 5.0, nodes])
    slope = jax.vmap(jax.grad(lambda p: lookup(values, origin, spacing, p)[0]))(
        jnp.asarray(far, dtype=jnp.float32)
    )
    assert bool(jnp.isfinite(slope).all())


def test_beyond_the_grid_the_distance_to_it_is_added():
    grid = build_sdf_grid(sphere(), margin=0.01, resolution=16)
    values, origin, spacing = channels(grid)
    corner = grid.origin + grid.spacing * 15
    outside = jnp.asarray(corner + np.array([0.3, 0.0, 0.4]), dtype=jnp.float32)
    got = lookup(values, origin, spacing, outside)[0]
    np.testing.assert_allclose(got, grid.values[-1, -1, -1] + 0.5, rtol=1e-5)


def test_point_distance_grid_equals_brute_force():
    grid = build_sdf_grid(sphere(), resolution=9)
    points = RNG.uniform(-0.05, 0.05, (30, 3))
    field = build_point_distance_grid(points, grid)
    nodes = grid_nodes(grid.origin, grid.spacing, grid.values.shape)
    brute = np.linalg.norm(nodes[:, None] - points[None], axis=-1).min(axis=1)
    np.testing.assert_allclose(field.values.reshape(-1), brute, atol=1e-6)
    with pytest.raises(ValueError, match="no points"):
        build_point_distance_grid(np.zeros((0, 3)), grid)
