from __future__ import annotations

import numpy as np
import trimesh
from scipy.spatial import KDTree

from tests.objects.shapes import sphere
from zdg_jax.objects.samples import sample_surface
from zdg_jax.objects.sdf.mesh_distance import closest_points


def test_samples_lie_on_their_faces_with_unit_outward_normals():
    mesh = sphere()
    samples = sample_surface(mesh, 1000)
    assert samples.points.shape == samples.normals.shape == (1000, 3)
    np.testing.assert_allclose(closest_points(mesh, samples.points)[1], 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(samples.normals, axis=1), 1, atol=1e-9)
    assert (np.einsum("nd,nd->n", samples.points, samples.normals) > 0).all()
    np.testing.assert_array_equal(samples.normals, mesh.face_normals[samples.faces])


def test_samples_are_far_more_even_than_random_ones():
    mesh = sphere()

    def spread(points: np.ndarray) -> float:
        gap = KDTree(points).query(points, k=2)[0][:, 1]
        return float(gap.min() / gap.mean())

    even = sample_surface(mesh, 1000).points
    random = trimesh.sample.sample_surface(mesh, 1000, seed=0)[0]
    assert spread(even) > 0.5 > 5 * spread(random)


def test_density_follows_area_on_both_sides_of_a_thin_sheet():
    sheet = trimesh.creation.box([0.2, 0.001, 0.1])
    samples = sample_surface(sheet, 2000)
    up, down = (float(np.mean(samples.normals[:, 1] * s > 0.9)) for s in (1, -1))
    assert abs(up - down) < 0.03
    left = samples.points[:, 0] < 0
    assert abs(left.mean() - 0.5) < 0.03


def test_same_seed_same_samples_other_seed_others():
    mesh = sphere()
    one, two, other = (sample_surface(mesh, 300, seed).points for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-4
