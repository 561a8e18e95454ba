"""The renderer against geometry, against an independent ray caster, and one backend against the other."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from tests.render.shapes import MESHES, box, clutter, sphere
from zdg_jax.render import raycast
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Camera, Frame, Surface, look, side_views

SIZE = 160
each_mesh = pytest.mark.parametrize("mesh", [pytest.param(make(), id=name) for name, make in MESHES.items()])
embree = pytest.mark.skipif(raycast.EmbreeScene is None, reason="embreex has no wheel here")


def lifted(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Back-projected centres of all object pixels, and their faces."""
    v, u = np.nonzero(frame.mask)
    return frame.camera.back_project(np.stack([u, v], axis=1) + 0.5, frame.depth[v, u]), frame.face[v, u]


@each_mesh
@pytest.mark.parametrize("view", range(4))
def test_back_projected_pixels_lie_on_the_faces_they_name(mesh: trimesh.Trimesh, view: int) -> None:
    frame = render(Surface.of(mesh), side_views(mesh, size=SIZE)[view], supersample=1)
    points, face = lifted(frame)
    assert len(points) > 1000
    corners = mesh.triangles[face]
    weights = trimesh.triangles.points_to_barycentric(corners, points)
    on_face = trimesh.triangles.barycentric_to_points(corners, np.clip(weights, 0, 1))
    # Far below the 1e-5 m that back-projection has to keep.
    assert np.linalg.norm(points - on_face, axis=1).max() < 1e-7


@each_mesh
def test_projecting_what_was_back_projected_gives_the_pixel(mesh: trimesh.Trimesh) -> None:
    frame = render(Surface.of(mesh), side_views(mesh, size=SIZE)[1], supersample=1)
    points, _ = lifted(frame)
    uv, z = frame.camera.project(points)
    v, u = np.nonzero(frame.mask)
    np.testing.assert_allclose(uv, np.stack([u, v], axis=1) + 0.5, atol=1e-8)
    np.testing.assert_allclose(z, frame.depth[v, u], rtol=1e-12)


@each_mesh
@embree
def test_both_backends_see_the_same(mesh: trimesh.Trimesh) -> None:
    for camera in side_views(mesh, size=SIZE)[:2]:
        fast, plain = (
            render(Surface.of(mesh), camera, supersample=1, backend=b) for b in ("embree", "numpy")
        )
        assert (fast.mask != plain.mask).mean() < 1e-4
        both = fast.mask & plain.mask
        # Where two faces meet at a pixel's centre either may be named; the surface is the same.
        assert (fast.face != plain.face)[both].mean() < 1e-2
        np.testing.assert_allclose(fast.depth[both], plain.depth[both], atol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("embree", marks=embree)])
def test_agrees_with_an_independent_ray_caster(backend: str) -> None:
    mesh = clutter()
    frame = render(Surface.of(mesh), side_views(mesh, size=SIZE)[0], supersample=1, backend=backend)
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, SIZE, (2, 300))
    camera = frame.camera
    rays = camera.back_project(np.stack([cols, rows], axis=1) + 0.5, np.ones(300)) - camera.p_world_cam
    caster = trimesh.ray.ray_triangle.RayMeshIntersector(mesh)
    where, ray, _ = caster.intersects_location(
        np.tile(camera.p_world_cam, (300, 1)), rays, multiple_hits=True
    )
    nearest = np.full(300, np.inf)
    np.minimum.at(nearest, ray, (where - camera.p_world_cam) @ camera.R_world_cam[:, 2])
    seen = frame.depth[rows, cols]
    assert 50 < np.isfinite(nearest).sum() < 300
    missed = np.isinf(nearest)
    assert (np.isinf(seen) == missed).mean() > 0.99
    both = np.isfinite(seen) & ~missed
    assert (np.abs(seen[both] - nearest[both]) < 1e-6).mean() > 0.99


def test_front_face_of_a_box_has_one_depth_and_one_normal() -> None:
    camera = Camera(np.array([0.0, 0.0, 0.5]), np.diag([1.0, -1.0, -1.0]), 300.0, SIZE, SIZE)
    frame = render(Surface.of(box()), camera)
    np.testing.assert_allclose(frame.depth[frame.mask], 0.5 - 0.02, atol=1e-12)
    np.testing.assert_allclose(
        frame.normal[frame.mask], np.tile([0.0, 0.0, 1.0], (frame.mask.sum(), 1)), atol=1e-12
    )
    v, u = np.nonzero(frame.mask)
    # 0.10 x 0.06 m at 0.48 m and 300 pixels of focal length; a pixel counts if its centre is inside
    assert (np.ptp(u) + 1, np.ptp(v) + 1) == (62, 38)


def test_sphere_covers_the_solid_angle_it_must() -> None:
    camera = Camera(np.array([0.0, 0.0, 0.4]), np.diag([1.0, -1.0, -1.0]), 400.0, SIZE, SIZE)
    frame = render(Surface.of(sphere()), camera, supersample=1)
    radius = 400.0 * np.tan(np.arcsin(0.05 / 0.4))
    assert frame.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    points, _ = lifted(frame)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.05, atol=5e-5)
    front = frame.normal[frame.mask] @ camera.front
    assert front.min() > -0.05  # outward normals of what is seen face the camera


def test_nearer_surface_hides_the_other_and_faces_count_on() -> None:
    near, far = box(), box()
    near.apply_scale(0.5)
    near.apply_translation([0, 0, 0.2])
    camera = Camera(np.array([0.0, 0.0, 0.6]), np.diag([1.0, -1.0, -1.0]), 300.0, SIZE, SIZE)
    frame = render([Surface.of(far, (0.2, 0.2, 0.9)), Surface.of(near, (0.9, 0.2, 0.2))], camera)
    centre = (SIZE // 2, SIZE // 2)
    assert frame.face[centre] >= len(far.faces)
    assert frame.rgb[centre][0] > 2 * frame.rgb[centre][2]
    side = np.argwhere((frame.face >= 0) & (frame.face < len(far.faces)))
    assert len(side) > 100
    blue = frame.rgb[side[:, 0], side[:, 1]].mean(axis=0)
    assert blue[2] > 2 * blue[0]


def test_background_is_marked_in_every_buffer() -> None:
    camera = look(np.asarray(sphere().vertices), [0.0, 0.0, 1.0], size=SIZE)
    frame = render(Surface.of(sphere()), camera)
    empty = ~frame.mask
    assert empty[0, 0]
    assert np.isinf(frame.depth[empty]).all()
    assert (frame.face[empty] == -1).all()
    assert (frame.normal[empty] == 0).all()
    away = ~ndimage.binary_dilation(frame.mask, iterations=2)  # colour is filtered at the rim
    assert frame.rgb[away].min() > 200


@pytest.mark.parametrize("backend", ["numpy", pytest.param("embree", marks=embree)])
def test_nothing_in_view_is_all_background(backend: str) -> None:
    camera = Camera(np.array([0.0, 0.0, 0.5]), np.eye(3), 300.0, SIZE, SIZE)  # looks away
    frame = render(Surface.of(box()), camera, backend=backend)
    assert not frame.mask.any()


def test_supersampling_changes_only_colour() -> None:
    mesh = clutter()
    coarse, fine = (render(Surface.of(mesh), side_views(mesh, size=SIZE)[0], supersample=s) for s in (1, 3))
    np.testing.assert_array_equal(coarse.depth, fine.depth)
    np.testing.assert_array_equal(coarse.face, fine.face)
    assert np.abs(coarse.rgb.astype(int) - fine.rgb).mean() < 6


def test_without_embree_auto_takes_the_numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, camera = box(), side_views(box(), size=SIZE)[0]
    usual = render(Surface.of(mesh), camera)
    monkeypatch.setattr(raycast, "EmbreeScene", None)
    np.testing.assert_allclose(render(Surface.of(mesh), camera).depth, usual.depth, atol=1e-9)
    with pytest.raises(ValueError, match="not installed"):
        render(Surface.of(mesh), camera, backend="embree")


def test_same_scene_same_picture() -> None:
    mesh = clutter()
    first, second = (render(Surface.of(mesh), side_views(mesh, size=SIZE)[2]).rgb for _ in range(2))
    np.testing.assert_array_equal(first, second)
