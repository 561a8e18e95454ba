"""Convex pieces: convex, few, the same every time, true to the shape."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial import ConvexHull

from sim_eval import simobject
from sim_eval.simobject import (
    ConvexParams,
    convex_pieces,
    few_vertices,
    limit_error,
    limit_vertices,
    merge_by_bulge,
    merge_pieces,
)
from sim_eval.solids import as_manifold, hull_union, inertial_of
from tests.sim_eval.helpers import box, sphere
from zdg_jax.objects.zoo import zoo_object


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path))
    return tmp_path


def ring() -> trimesh.Trimesh:
    return trimesh.creation.torus(0.04, 0.005, major_sections=32, minor_sections=8)


def inside(pieces, points, slack=0.0):
    return np.array(
        [
            any((h.equations[:, :3] @ p + h.equations[:, 3] <= slack).all() for h in map(ConvexHull, pieces))
            for p in points
        ]
    )


def test_a_convex_object_is_one_piece():
    pieces = convex_pieces(box((0.1, 0.02, 0.03))).pieces
    assert len(pieces) == 1
    np.testing.assert_allclose(hull_union(pieces).volume(), 0.1 * 0.02 * 0.03, rtol=1e-5)


@pytest.mark.parametrize("params", [ConvexParams(), simobject.MJX_TEMPLATE])
def test_limits_hold_and_a_loop_stays_open(params):
    pieces = convex_pieces(ring(), params).pieces
    assert 6 <= len(pieces) <= params.max_pieces
    assert params.max_vertices is None or max(map(len, pieces)) <= params.max_vertices
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    hole = np.stack([0.025 * np.cos(turns), 0.025 * np.sin(turns), 0 * turns], axis=1)
    assert not inside(pieces, hole).any()
    assert inside(pieces, hole * (0.04 / 0.025), slack=1e-4).all()


def test_a_bent_blade_keeps_its_thickness():
    blade = trimesh.util.concatenate([box((0.1, 0.002, 0.02))])
    blade = blade.subdivide().subdivide().subdivide()
    vertices = np.array(blade.vertices)
    vertices[:, 1] += 0.3 * np.abs(vertices[:, 0])  # a V
    mesh = trimesh.Trimesh(vertices, blade.faces)
    volume = hull_union(convex_pieces(mesh).pieces).volume()
    np.testing.assert_allclose(volume, 0.1 * 0.002 * 0.02, rtol=0.15)


def test_same_pieces_again_and_from_the_cache(fresh_cache, monkeypatch):
    first = convex_pieces(ring())
    assert list(fresh_cache.rglob("*.npz"))
    assert not list(fresh_cache.rglob("*.tmp"))
    monkeypatch.setattr(simobject, "_cut", lambda *_: pytest.fail("cut again in spite of the cache"))
    for a, b in zip(first.pieces, convex_pieces(ring()).pieces, strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.undo()
    monkeypatch.setenv("ZDG_CACHE_DIR", str(fresh_cache / "other"))
    for a, b in zip(first.pieces, convex_pieces(ring()).pieces, strict=True):
        np.testing.assert_array_equal(a, b)


def test_parameters_are_part_of_the_key(fresh_cache):
    assert len(convex_pieces(ring(), ConvexParams(max_pieces=7)).pieces) <= 7
    assert len(convex_pieces(ring()).pieces) > 7


def test_nothing_is_printed(fresh_cache, capfd):
    convex_pieces(ring())
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_an_open_mesh_is_cut_and_says_so(fresh_cache):
    mesh = sphere(0.03, level=3)
    mesh.update_faces(mesh.triangles_center[:, 1] < 0.025)
    result = convex_pieces(mesh)
    assert "bounds no solid" in result.note
    np.testing.assert_allclose(hull_union(result.pieces).volume(), 4 / 3 * np.pi * 0.03**3, rtol=0.25)
    assert inertial_of(mesh, result.pieces, 1.0).source == "convex_union"


def test_simplified_a_thin_handle_stays():
    mesh = zoo_object("basket/0").mesh
    solid = as_manifold(np.asarray(mesh.vertices), np.asarray(mesh.faces))
    assert solid is not None
    found = simobject._simplified(solid, 2000)
    assert found.volume() == pytest.approx(solid.volume(), rel=0.01)
    assert found.bounding_box()[4] == pytest.approx(mesh.bounds[1, 1], abs=0.002)


def test_merging_takes_the_cheapest_neighbours():
    row = [np.asarray(box((1, 1, 1), (x, 0, 0)).vertices) for x in (0.0, 1.0, 2.0, 5.0)]
    merged = merge_pieces(row, 2)
    volumes = sorted(ConvexHull(p).volume for p in merged)
    np.testing.assert_allclose(volumes, [1.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(ConvexHull(merge_pieces(row, 1)[0]).volume, 6.0, rtol=1e-6)


def test_fewer_vertices_lie_on_the_same_hull():
    points = np.asarray(sphere(1.0, level=3).vertices)
    few = limit_vertices(points, 32)
    assert len(few) <= 32
    assert ConvexHull(few).volume > 0.65 * ConvexHull(points).volume


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.2, -0.1, 0.05)])
def test_inertia_of_a_box(shift):
    a, b, d = 0.1, 0.02, 0.05
    got = inertial_of(box((a, b, d), shift), [], 1.0)
    np.testing.assert_allclose(got.com, shift, atol=1e-9)
    expected = np.diag([b * b + d * d, a * a + d * d, a * a + b * b]) / 12
    np.testing.assert_allclose(got.inertia, expected, atol=1e-9)
    assert got.source == "mesh"


def test_inertia_does_not_see_the_density_of_the_mesh():
    mesh = sphere(0.03)
    heavy = mesh.copy()
    heavy.density = 7800.0
    np.testing.assert_allclose(inertial_of(heavy, [], 1.0).inertia, inertial_of(mesh, [], 1.0).inertia)
    np.testing.assert_allclose(
        inertial_of(mesh, [], 1.0).inertia, 0.4 * 0.03**2 * np.eye(3), rtol=0.01, atol=1e-12
    )


def test_what_bounds_no_solid():
    plane = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    inverted = box((1, 1, 1))
    inverted.invert()
    for mesh in (plane, inverted):
        assert as_manifold(np.asarray(mesh.vertices), np.asarray(mesh.faces)) is None


def test_the_fewest_vertices_are_those_that_stand_out():
    points = np.asarray(sphere(0.03, level=3).vertices)
    few = limit_vertices(points, 64)
    assert limit_error(points, few) < 0.0022
    assert limit_error(points, points) == 0.0
    cube = np.concatenate([box((1, 1, 1)).vertices, np.zeros((5, 3)) + 0.5])
    assert ConvexHull(limit_vertices(cube, 8)).volume == pytest.approx(1.0)


def test_a_ball_is_split_until_few_vertices_are_enough():
    points = np.asarray(sphere(0.03, level=3).vertices)
    pieces = few_vertices([points], 32, 64)
    assert 1 < len(pieces) <= 32
    assert max(map(len, pieces)) <= 64
    ball = 4 / 3 * np.pi * 0.03**3
    np.testing.assert_allclose(hull_union(pieces).volume(), ball, rtol=0.03)
    np.testing.assert_allclose(sum(ConvexHull(p).volume for p in pieces), ball, rtol=0.03)  # no overlap


def test_merging_by_bulge_keeps_a_loop_open():
    """By volume it is cheap to close a thin ring's hole; by bulge it is not."""
    mesh = ring()
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    around = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    pieces = [
        np.concatenate([0.035 * a + np.array([[0, 0, -z], [0, 0, z]]) for a in (p, q) for z in (0.004,)]
                       + [0.045 * a + np.array([[0, 0, -z], [0, 0, z]]) for a in (p, q) for z in (0.004,)])
        for p, q in zip(around, np.roll(around, -1, axis=0), strict=True)
    ]  # fmt: skip
    merged = merge_by_bulge(pieces, 8, mesh)
    assert len(merged) == 8
    assert not inside(merged, 0.02 * around[::3]).any()
