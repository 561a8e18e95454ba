"""Framing and the four side views."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.render.shapes import MESHES, box, ring
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface, best_view, look, side_views, view_score, visible_pixels


@pytest.mark.parametrize(
    "front",
    [(0.0, 0.0, 1.0), (1.0, 2.0, 3.0), (-1.0, 0.2, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 1e-5)],
)
def test_look_holds_every_point_as_near_as_it_can(front: tuple[float, float, float]) -> None:
    points = np.random.default_rng(1).normal(size=(200, 3)) * [0.1, 0.03, 0.05] + [1.0, -2.0, 0.5]
    camera = look(points, front, size=200, height=120, margin=0.1)
    np.testing.assert_allclose(camera.R_world_cam.T @ camera.R_world_cam, np.eye(3), atol=1e-12)
    assert np.linalg.det(camera.R_world_cam) == pytest.approx(1.0)
    np.testing.assert_allclose(camera.front, np.array(front) / np.linalg.norm(front), atol=1e-12)
    uv, z = camera.project(points)
    assert z.min() > 0
    off = np.abs(uv - [100, 60]).max(axis=0) / [100, 60]
    assert off.max() == pytest.approx(0.9, abs=1e-6)
    assert off.min() <= 0.9 + 1e-6
    for axis in range(2):  # evenly centred in both directions
        low, high = (uv[:, axis] - [100, 60][axis]).min(), (uv[:, axis] - [100, 60][axis]).max()
        if off[axis] > 0.9 - 1e-6:
            assert low == pytest.approx(-high, abs=1e-6)


def test_up_is_up_in_the_picture() -> None:
    camera = look(np.array([[0.0, 0, 0], [0, 0.1, 0], [0.1, 0, 0]]), [0.0, 0.3, 1.0])
    (foot, head, side), _ = camera.project(np.array([[0.0, 0, 0], [0, 0.1, 0], [0.1, 0, 0]]))
    assert head[1] < foot[1]
    assert side[0] > foot[0]


@pytest.mark.parametrize("mesh", [pytest.param(make(), id=name) for name, make in MESHES.items()])
def test_side_views_stand_at_right_angles_and_hold_the_object(mesh: trimesh.Trimesh) -> None:
    cameras = side_views(mesh, size=128)
    fronts = np.array([c.front for c in cameras])
    elevation = np.degrees(np.arcsin(fronts[:, 1]))
    np.testing.assert_allclose(elevation, elevation[0])
    assert 19.9 < elevation[0] < 48.1
    level = fronts[:, [0, 2]] / np.linalg.norm(fronts[:, [0, 2]], axis=1, keepdims=True)
    np.testing.assert_allclose(
        level @ level.T, [[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]], atol=1e-9
    )
    for camera in cameras:
        uv, z = camera.project(np.asarray(mesh.vertices))
        assert z.min() > 0
        assert uv.min() >= 0
        assert uv.max() <= 128


def test_flat_things_are_seen_from_higher_up() -> None:
    flat, tall = trimesh.creation.box([0.2, 0.02, 0.1]), trimesh.creation.box([0.05, 0.2, 0.05])
    heights = [np.degrees(np.arcsin(side_views(m)[0].front[1])) for m in (flat, tall)]
    assert heights == pytest.approx([48.0, 20.0])


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.3, 2.9])
def test_first_view_looks_across_the_long_side(turn: float) -> None:
    mesh = trimesh.creation.box([0.3, 0.02, 0.05])
    rotation = trimesh.transformations.rotation_matrix(turn, [0, 1, 0])
    mesh.apply_transform(rotation)
    assert abs(side_views(mesh)[0].front @ rotation[:3, 0]) < 1e-6


def test_visible_pixels_count_each_part_once() -> None:
    mesh = box()
    face_part = np.where(mesh.face_normals[:, 1] > 0.5, 2, 1)
    frame = render(Surface.of(mesh), side_views(mesh, size=128)[0], supersample=1)
    pixels = visible_pixels(frame, face_part)
    assert set(pixels) == {1, 2}
    assert sum(pixels.values()) == frame.mask.sum()
    assert pixels[2] == (frame.normal[frame.mask][:, 1] > 0.5).sum()


def test_best_view_prefers_what_is_wanted() -> None:
    views = [{1: 900, 2: 100}, {1: 100, 2: 400}, {1: 400, 2: 400}]
    assert best_view(views) == 0  # 30 + 10 against 10 + 20 and 20 + 20: the first of equals
    assert view_score(views[0]) == view_score(views[2]) == 40.0
    assert best_view(views, wanted=(1,)) == 0
    assert best_view(views, wanted=(2,)) == 1
    assert best_view([{3: 5}, {3: 5}]) == 0
    assert view_score({}) == 0.0


def test_ring_shows_its_hole() -> None:
    mesh = ring()
    frame = render(Surface.of(mesh), side_views(mesh, size=128)[0], supersample=1)
    uv, _ = frame.camera.project(np.zeros((1, 3)))
    u, v = uv[0].astype(int)
    assert not frame.mask[v, u]
