"""Two-level distance fields: their layout, their laws and how exact they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim_eval.bench.accuracy import bench_fields, points_near
from tests.objects.field_oracle import cell_value, lookup_numpy
from tests.objects.shapes import sphere
from tests.objects.test_fields import box_distance
from zdg_jax.objects import build_signed_distance_field, field_values, signed_distance, ycb_names
from zdg_jax.objects.model import SUBDIVISION, SignedDistanceField
from zdg_jax.objects.sdf.build import CORNERS, MIDDLES, interpolation_error
from zdg_jax.objects.sdf.mesh_distance import MeshDistance

RNG = np.random.default_rng(0)
MARGIN = 0.01
HARD = ("019_pitcher_base", "028_skillet_lid", "029_plate", "032_knife", "033_spatula", "037_scissors")
EXTENTS = (0.04, 0.06, 0.10)


@pytest.fixture(scope="module")
def block() -> tuple[trimesh.Trimesh, SignedDistanceField]:
    """A box: creases inside, smooth outside, so cells of both kinds side by side."""
    mesh = trimesh.creation.box(EXTENTS)
    return mesh, build_signed_distance_field(mesh)


def corner_values(field: SignedDistanceField) -> np.ndarray:
    """[rows, 2, 2, 2] (dx, dy, dz), unpacked without the oracle's arithmetic."""
    return field.rows.astype("<u4").view("<f2").reshape(-1, 2, 2, 2)


def cell_index(field: SignedDistanceField) -> np.ndarray:
    return np.array(list(np.ndindex(field.shape)))


def errors(mesh: trimesh.Trimesh, field: SignedDistanceField, count: int = 8000) -> np.ndarray:
    points = points_near(mesh, count)
    return np.abs(lookup_numpy(field, points) - signed_distance(mesh, points))


def assert_exact(mesh: trimesh.Trimesh, field: SignedDistanceField) -> None:
    error = errors(mesh, field)
    assert np.percentile(error, 99) <= 0.0003
    assert error.max() <= 0.001


def test_the_grid_covers_the_object_and_its_axes_are_a_rotation_long_axis_last(block):
    turned = block[0].copy().apply_transform(trimesh.transformations.rotation_matrix(1.1, [1, -2, 0.5]))
    for mesh in (block[0], turned):
        field = build_signed_distance_field(mesh)
        R = field.R_field_obj
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(R) == pytest.approx(1)
        vertices = mesh.vertices @ R.T
        np.testing.assert_allclose(np.ptp(vertices, axis=0), EXTENTS, atol=1e-6)
        low, high = field.bounds
        assert (vertices.min(axis=0) - MARGIN >= low - 1e-9).all()
        assert (vertices.max(axis=0) + MARGIN <= high + 1e-9).all()


def test_every_row_belongs_to_exactly_one_cell(block):
    _, field = block
    assert field.entries.shape == (np.prod(field.shape),)
    refined = field.entries & 1 == 1
    assert 0 < refined.sum() < len(refined)
    row, length = field.entries >> 1, np.where(refined, SUBDIVISION**3, 1)
    order = np.argsort(row)
    np.testing.assert_array_equal(row[order], np.cumsum(length[order]) - length[order])
    assert length.sum() == len(field.rows)


def test_rows_hold_exact_distances_at_coarse_nodes(block):
    mesh, field = block
    values, cells = corner_values(field), cell_index(field)
    refined = field.entries & 1 == 1
    for d in CORNERS:
        # corner d of a refined cell is corner d of its fine cell 3 d
        a, b, c = (SUBDIVISION - 1) * d
        fine = np.where(refined, (a * SUBDIVISION + b) * SUBDIVISION + c, 0)
        got = values[(field.entries >> 1) + fine, d[0], d[1], d[2]].astype(float)
        nodes = field.origin + field.spacing * (cells + d)
        exact = signed_distance(mesh, nodes @ field.R_field_obj)
        near = np.abs(exact) < 0.01
        np.testing.assert_allclose(got[near], exact[near], rtol=6e-4, atol=1e-7)
        assert np.abs(got - exact).max() < 0.002  # far away every second node is exact


def test_neighbouring_fine_cells_store_the_same_values_at_shared_nodes(block):
    _, field = block
    values, cells = corner_values(field), cell_index(field)
    at = np.flatnonzero(field.entries & 1)
    sub = np.array(list(np.ndindex(4, 4, 4)))
    node = SUBDIVISION * cells[at][:, None, None] + sub[None, :, None] + CORNERS[None, None]
    value = values[(field.entries[at] >> 1)[:, None] + np.arange(64)].reshape(-1)
    flat = np.ravel_multi_index(tuple(node.reshape(-1, 3).T), tuple(4 * n + 1 for n in field.shape))
    order = np.argsort(flat, kind="stable")
    same = flat[order][1:] == flat[order][:-1]
    assert same.sum() > len(at)
    np.testing.assert_array_equal(value[order][1:][same], value[order][:-1][same])


def test_the_value_is_continuous_across_faces_of_refined_and_uncut_cells(block):
    _, field = block
    refined = (field.entries & 1 == 1).reshape(field.shape)
    cells = cell_index(field)
    for axis in range(3):
        step = np.eye(3, dtype=int)[axis]
        low = cells[cells[:, axis] < field.shape[axis] - 1]
        mixed = low[refined[tuple(low.T)] != refined[tuple((low + step).T)]]
        assert len(mixed) > 50
        low = np.concatenate([np.repeat(mixed, 9, axis=0), low])
        q = low + RNG.uniform(0, 1, low.shape)
        q[:, axis] = low[:, axis] + 1
        here, there = cell_value(field, low, q), cell_value(field, low + step, q)
        # a tied node is the rounded mean of rounded corners: half a unit in the last place
        assert (np.abs(here - there) <= 2.0**-11 * np.abs(here) + 1e-7).all()


def test_lookups_close_together_differ_by_no_more_than_their_distance(block):
    mesh, field = block
    points = points_near(mesh, 20_000, band=0.012)
    step = RNG.normal(size=points.shape)
    step *= 1e-5 / np.linalg.norm(step, axis=1, keepdims=True)
    change = np.abs(lookup_numpy(field, points + step) - lookup_numpy(field, points))
    assert change.max() < 1.8e-5  # |grad| <= sqrt(3), and rounding


def test_a_box_and_a_sphere_have_their_closed_forms(block):
    mesh, field = block
    points = points_near(mesh, 8000)
    error = np.abs(lookup_numpy(field, points) - box_distance(points, np.array(EXTENTS) / 2))
    assert np.percentile(error, 99) <= 0.0003
    assert error.max() <= 0.001
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.05)
    points = points_near(ball, 8000)
    error = lookup_numpy(build_signed_distance_field(ball), points) - (np.linalg.norm(points, axis=1) - 0.05)
    assert np.abs(error).max() < 0.0003


def test_the_two_readers_agree(block):
    _, field = block
    points = np.concatenate([RNG.uniform(-0.08, 0.08, (2000, 3)), field.bounds @ field.R_field_obj])
    np.testing.assert_allclose(field_values(field, points), lookup_numpy(field, points), atol=1e-12)


def test_beyond_the_grid_the_distance_to_it_is_added(block):
    _, field = block
    corner = field.bounds[1]
    far = lookup_numpy(field, (corner + np.array([0.3, 0.0, 0.4]))[None] @ field.R_field_obj)
    np.testing.assert_allclose(far, lookup_numpy(field, corner[None] @ field.R_field_obj) + 0.5)


def test_a_turned_and_moved_object_has_the_same_distances():
    mesh = trimesh.util.concatenate(
        [
            trimesh.creation.box(EXTENTS),
            trimesh.creation.box((0.01, 0.02, 0.03)).apply_translation([0, 0.05, 0]),
        ]
    )
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    T[:3, 3] = [0.3, -0.2, 1.0]
    moved = mesh.copy().apply_transform(T)
    points = points_near(mesh, 4000)
    here = lookup_numpy(build_signed_distance_field(mesh), points)
    there = lookup_numpy(build_signed_distance_field(moved), points @ T[:3, :3].T + T[:3, 3])
    assert np.abs(here - there).max() < 0.0006
    assert np.abs(here - there).mean() < 0.00003


def test_two_builds_are_identical():
    a, b = (build_signed_distance_field(trimesh.creation.torus(0.03, 0.008)) for _ in range(2))
    for name in ("R_field_obj", "origin", "entries", "rows"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.spacing, a.shape) == (b.spacing, b.shape)


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((0.01, 0.01, 0.01)),
        trimesh.creation.box((0.2, 0.1, 0.0005)),
        trimesh.creation.box((1.0, 0.3, 0.02)),
        trimesh.creation.annulus(0.03, 0.031, 0.08),
        # overlapping bodies: nearest faces inside the solid show the wrong side
        trimesh.util.concatenate(
            [
                trimesh.creation.box(EXTENTS),
                trimesh.creation.box(EXTENTS).apply_translation([0.02, 0.01, 0.03]),
            ]
        ),
    ],
    ids=["cube of 1 cm", "sheet of 0.5 mm", "board of 1 m", "pipe with a 1 mm wall", "overlapping boxes"],
)
def test_odd_shapes_are_exact_too(mesh):
    assert_exact(mesh, build_signed_distance_field(mesh))


def test_an_open_scan_keeps_its_sign():
    ball = sphere(0.04)
    hole = np.linalg.norm(ball.triangles_center - [0, 0.04, 0], axis=1) < 0.006
    open_ball = trimesh.Trimesh(ball.vertices, ball.faces[~hole], process=False)
    assert not open_ball.is_watertight
    field = build_signed_distance_field(open_ball)
    points = points_near(open_ball, 8000)
    away = np.linalg.norm(points - [0, 0.04, 0], axis=1) > 0.012  # across the hole the sign jumps
    error = np.abs(lookup_numpy(field, points) - signed_distance(open_ball, points))[away]
    assert np.percentile(error, 99) <= 0.0003
    assert error.max() <= 0.001


def test_a_sheet_without_an_inside_is_no_solid():
    x, y = np.meshgrid(np.linspace(0, 0.1, 11), np.linspace(0, 0.06, 7), indexing="ij")
    vertices = np.stack([x, y, 0.002 * np.sin(60 * x)], axis=-1).reshape(-1, 3)
    i = np.arange(77).reshape(11, 7)
    a, b, c, d = i[:-1, :-1].ravel(), i[1:, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
    field = build_signed_distance_field(trimesh.Trimesh(vertices, faces, process=False))
    assert np.isfinite(corner_values(field)).all()


def test_the_nearest_face_tells_the_side_that_the_winding_number_tells():
    shapes = [trimesh.creation.cone(0.03, 0.1), trimesh.creation.capsule(0.1, 0.01), sphere()]
    shapes.append(trimesh.creation.box((0.05, 0.05, 0.001)))
    for mesh in shapes:
        distance = MeshDistance(mesh.vertices, mesh.faces)
        points = points_near(mesh, 4000, band=0.004) + RNG.normal(size=(4000, 3)) * 0.002
        near = distance.nearest(points)
        assert near.sure.mean() > 0.7
        np.testing.assert_array_equal(near.outside[near.sure], distance.sign(points)[near.sure] > 0)


def test_the_error_estimate_vanishes_on_planes_and_is_right_for_parabolas():
    h, a, n = 0.003, 40.0, np.array([0.6, 0.0, 0.8])
    phi = (h * CORNERS @ n)[None] + 0.004
    plane = np.tile(n, (1, 8, 1))
    assert interpolation_error(phi, plane, h).max() < 1e-8
    slope = a * h * CORNERS[None] * [1, 0, 0]
    bent = interpolation_error(0.5 * a * (h * CORNERS[None, :, 0]) ** 2, slope, h)
    np.testing.assert_allclose(bent[0], np.where(MIDDLES[:, 0] == 1, a * h**2 / 8, 0), atol=1e-8)
    step = np.where(CORNERS[None, :, 0] == 1, phi - 0.0012, phi)  # a second, parallel face between them
    along_x = (MIDDLES == 1).sum(axis=1) == 1
    error = interpolation_error(step, plane, h)[0]
    np.testing.assert_allclose(error[along_x], np.where(MIDDLES[along_x, 0] == 1, 0.0003, 0), atol=1e-8)


def check(name: str) -> None:
    (row,) = bench_fields((name,), points=40_000)["objects"]
    assert row["p99_mm"] <= 0.3, row
    assert row["max_mm"] <= 1.0, row


@pytest.mark.parametrize("name", HARD)
@pytest.mark.slow
def test_hard_scans_are_exact(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ycb_names())
def test_all_scans_are_exact(name):
    check(name)


def test_the_bench_gives_plain_numbers():
    report = bench_fields(("062_dice",), points=500)
    assert set(report) == {"summary", "objects", "machine", "versions", "date"}
    assert report["summary"]["objects"] == 1
    assert all(isinstance(v, int | float | str) for v in report["objects"][0].values())
    assert set(itertools.chain(report["versions"])) >= {"numpy", "libigl"}


def test_a_large_object_stays_within_what_refinement_has_room_for() -> None:
    """A pot of 40 x 30 cm: cells are rounded up to even numbers and must stay below the limit."""
    from zdg_jax.objects.sdf.build import MAX_CELLS

    field = build_signed_distance_field(trimesh.creation.cylinder(radius=0.2, height=0.3, sections=64))
    assert np.prod(np.array(field.shape) + 1) <= MAX_CELLS
