"""Regions, rays, contours, clearance and neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reasoning.things import HANDLE, HEAD, hammer, random_rotation
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.objects.region import measure
from zdg_jax.reasoning.stages.direction import blocked_share, normal_alignment
from zdg_jax.reasoning.stages.points import contour_points
from zdg_jax.reasoning.stages.rotation import ray_hits
from zdg_jax.reasoning.state import observe_object, part_neighbours

OBJ = hammer(3000)
X, Y, Z = np.eye(3)
HANDLE_MASK = OBJ.part_mask((HANDLE,))


def test_region_of_a_handle() -> None:
    region = measure(OBJ.samples.points[HANDLE_MASK])
    np.testing.assert_allclose(np.abs(region.axis @ X), 1, atol=1e-3)
    np.testing.assert_allclose(region.extents, [0.2, 0.03, 0.03], atol=2e-3)
    assert region.axis[0] > 0


@pytest.mark.parametrize("seed", range(3))
def test_region_moves_with_its_points(seed: int) -> None:
    points = np.random.default_rng(0).normal(size=(500, 3)) * [0.1, 0.04, 0.01]
    R = random_rotation(seed)
    before, after = measure(points), measure(points @ R.T + 0.2)
    np.testing.assert_allclose(after.center, R @ before.center + 0.2, atol=1e-12)
    np.testing.assert_allclose(after.extents, before.extents, atol=1e-9)
    np.testing.assert_allclose(np.abs((after.axes * (before.axes @ R.T)).sum(axis=1)), 1, atol=1e-9)


def test_rays_agree_with_trimesh() -> None:
    rng = np.random.default_rng(0)
    triangles = np.asarray(OBJ.mesh.triangles)
    found = 0
    for _ in range(30):
        origin = rng.uniform(-0.2, 0.2, 3)
        direction = OBJ.samples.points[rng.integers(3000)] - origin
        direction /= np.linalg.norm(direction)
        t, _ = ray_hits(origin, direction, triangles)
        where, _, _ = OBJ.mesh.ray.intersects_location(origin[None], direction[None])
        expected = np.sort((where - origin) @ direction)
        assert (np.diff(t) >= 0).all()
        # Trimesh merges hits on touching faces, as where the handle meets the head.
        np.testing.assert_allclose(np.unique(t.round(4)), np.unique(expected.round(4)), atol=2e-4)
        found += len(t)
    assert found > 5


def test_contour_points_are_inside_near_the_rim_and_spread() -> None:
    v, u = np.mgrid[:100, :120]
    mask = (u - 60) ** 2 + (v - 50) ** 2 < 40**2
    uv = contour_points(mask, 12)
    assert len(uv) == 12
    assert mask[uv[:, 1], uv[:, 0]].all()
    radius = np.linalg.norm(uv - [60, 50], axis=1)
    assert (np.abs(radius - 37) < 2).all()
    gap = np.linalg.norm(uv - np.roll(uv, 1, axis=0), axis=1)
    assert gap.min() > 0.45 * gap.max()  # neighbours in number are neighbours on the outline
    assert uv[0, 1] == uv[:, 1].min() or uv[-1, 1] == uv[:, 1].min()


def test_contour_ignores_specks_and_survives_thin_masks() -> None:
    mask = np.zeros((100, 100), bool)
    mask[40:60, 20:80] = True
    mask[5:8, 5:8] = True
    assert (contour_points(mask, 10)[:, 1] >= 40).all()
    thin = np.zeros((100, 100), bool)
    thin[50:52, 10:90] = True
    assert len(contour_points(thin, 10)) == 10
    assert len(contour_points(np.zeros((9, 9), bool), 4)) == 0


def test_the_way_in_is_blocked_by_the_head_only() -> None:
    share = {
        name: blocked_share(np.zeros(3), d, OBJ.samples, HANDLE_MASK)
        for name, d in {"head": X, "butt": -X, "top": Y, "side": Z}.items()
    }
    assert share["head"] > 0.6
    assert share["butt"] == share["top"] == share["side"] == 0.0
    everything = np.ones_like(HANDLE_MASK)
    assert blocked_share(np.zeros(3), X, OBJ.samples, everything) == 0.0


def test_what_lies_behind_the_held_surface_is_not_in_the_way() -> None:
    """A bowl held by its outside: its inside lies on every way out of its middle."""
    rng = np.random.default_rng(0)
    n = rng.normal(size=(6000, 3))
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    n[:, 1] = -np.abs(n[:, 1])
    points = np.concatenate([0.08 * n, 0.06 * n])
    outside = np.arange(len(points)) < len(n)
    bowl = SurfaceSamples(points, np.concatenate([n, -n]), np.zeros(len(points), np.int64))
    middle = np.array([0.0, -0.03, 0.0])
    assert blocked_share(middle, X, bowl, outside) < 0.05
    assert blocked_share(middle, X, bowl, ~outside) > 0.9  # held by its inside, the wall is


def test_normal_alignment_of_a_cylinder() -> None:
    side = OBJ.samples.normals[HANDLE_MASK & (np.abs(OBJ.samples.points[:, 0]) < 0.09)]
    assert normal_alignment(Y, side) == pytest.approx(1 / np.pi, abs=0.02)
    assert normal_alignment(X, side) == pytest.approx(0, abs=1e-9)


def test_facts_of_the_object() -> None:
    facts = observe_object(OBJ)
    np.testing.assert_allclose(facts.extents, OBJ.mesh.extents)
    assert [part.number for part in facts.parts] == [HANDLE, HEAD]
    assert abs(facts.long_axis[0]) > 0.99


def test_neighbours_share_an_edge() -> None:
    assert part_neighbours(OBJ) == {HANDLE: (), HEAD: ()}  # two bodies that only overlap
    left = OBJ.mesh.triangles_center[:, 0] < 0
    split = type(OBJ)(**{**OBJ.__dict__, "face_part": np.where(left & (OBJ.face_part == HANDLE), 2, 1)})
    assert part_neighbours(split) == {1: (2,), 2: (1,)}
