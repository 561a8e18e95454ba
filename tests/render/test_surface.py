"""Coloured meshes."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.render.shapes import box, clutter, sphere
from zdg_jax.render.scene import Surface, face_normals, join


def test_colours_may_be_one_or_one_a_face_or_one_a_vertex() -> None:
    mesh = box()
    assert Surface.of(mesh, (0.1, 0.2, 0.3)).rgb.tolist() == [[0.1, 0.2, 0.3]] * len(mesh.faces)
    by_face = np.random.default_rng(0).random((len(mesh.faces), 3))
    np.testing.assert_array_equal(Surface.of(mesh, by_face).rgb, by_face)
    by_vertex = np.random.default_rng(0).random((len(mesh.vertices), 3))
    np.testing.assert_allclose(Surface.of(mesh, by_vertex).rgb[3], by_vertex[mesh.faces[3]].mean(axis=0))
    with pytest.raises(ValueError, match="expected"):
        Surface.of(mesh, np.zeros((5, 3)))


@pytest.mark.parametrize("mesh", [sphere(), clutter()])
def test_face_normals_are_those_of_trimesh(mesh: trimesh.Trimesh) -> None:
    np.testing.assert_allclose(face_normals(Surface.of(mesh)), mesh.face_normals, atol=1e-9)


def test_round_things_are_shaded_smoothly_and_edges_stay_sharp() -> None:
    ball = Surface.of(sphere())
    radial = ball.vertices[ball.faces] / 0.05
    assert np.einsum("fci,fci->fc", ball.shading, radial).min() > 0.999
    block = Surface.of(box())
    np.testing.assert_allclose(block.shading, np.repeat(face_normals(block)[:, None], 3, axis=1), atol=1e-12)
    skin = Surface.from_arrays(block.vertices, block.faces, smooth=True)
    corner = skin.vertices[skin.faces[0, 0]]
    assert (skin.shading[0, 0] * corner > 0).all()  # a box's corner normal points into the corner's octant


def test_joined_surfaces_keep_their_triangles() -> None:
    first, second = Surface.of(box()), Surface.of(sphere(), (0.2, 0.4, 0.6))
    whole, source = join([first, second])
    np.testing.assert_array_equal(
        whole.vertices[whole.faces],
        np.concatenate([first.vertices[first.faces], second.vertices[second.faces]]),
    )
    assert np.bincount(source).tolist() == [len(first.faces), len(second.faces)]
    np.testing.assert_array_equal(whole.rgb[source == 1], second.rgb)


def test_a_face_without_area_has_no_normal() -> None:
    flat = Surface.from_arrays(np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(face_normals(flat), np.zeros((1, 3)))
    assert np.isfinite(flat.shading).all()
