from __future__ import annotations

import numpy as np
import trimesh

from tests.objects.shapes import sphere
from zdg_jax.objects import closest_points, signed_distance
from zdg_jax.objects.sdf.mesh_distance import grid_nodes

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


def test_grid_nodes_run_along_the_last_axis_first():
    nodes = grid_nodes(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), (2, 3, 4))
    np.testing.assert_allclose(nodes.reshape(2, 3, 4, 3)[1, 2, 3], [1.1, 2.4, 3.9])
    np.testing.assert_allclose(nodes[1] - nodes[0], [0, 0, 0.3], atol=1e-12)
