"""Handles that sticks and pistols carry: cut where a person would, and nothing cut elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.objects.shapes import dense
from zdg_jax.objects.parts.cavity import enclosure, without_handle
from zdg_jax.objects.parts.graph_cut import build_face_graph
from zdg_jax.objects.parts.handle_end import SLICE, handle_end, waist, with_arm
from zdg_jax.objects.parts.segment import segment, with_handle_end, with_waist


def boxes(*placed: tuple[tuple[float, float, float], tuple[float, float, float]]) -> trimesh.Trimesh:
    """A union of boxes given as (size, centre), metres."""
    made = []
    for size, center in placed:
        box = trimesh.creation.box(size)
        box.apply_translation(center)
        made.append(box)
    return dense(trimesh.boolean.union(made, engine="manifold") if len(made) > 1 else made[0])


PADDLE = (((0.12, 0.03, 0.02), (0.0, 0.0, 0.0)), ((0.14, 0.1, 0.02), (0.12, 0.0, 0.0)))


def test_a_paddle_s_handle_ends_where_it_widens() -> None:
    mesh = boxes(*PADDLE)
    end = handle_end(mesh)
    border = mesh.triangles_center[end, 0].max()
    assert border == pytest.approx(0.05, abs=1.5 * SLICE)
    assert not (end & (mesh.triangles_center[:, 0] > 0.06)).any()
    assert end[mesh.triangles_center[:, 0] < 0.04].all()


def test_handle_end_does_not_depend_on_how_the_thing_lies() -> None:
    mesh = boxes(*PADDLE)
    turned = mesh.copy()
    turned.apply_transform(trimesh.transformations.rotation_matrix(0.9, [0.3, 1.0, -0.5]))
    turned.apply_translation([0.3, -0.2, 0.1])
    differ = handle_end(mesh) != handle_end(turned)
    assert mesh.area_faces[differ].sum() < 0.03 * mesh.area


@pytest.mark.parametrize("size", [(0.2, 0.03, 0.02), (0.1, 0.08, 0.06)])
def test_what_is_as_wide_everywhere_has_no_handle_end(size: tuple[float, float, float]) -> None:
    assert not handle_end(boxes((size, (0.0, 0.0, 0.0)))).any()


def test_only_a_part_that_runs_across_the_border_is_cut() -> None:
    mesh = boxes(*PADDLE)
    handle = handle_end(mesh)
    one = with_handle_end(mesh, np.zeros(len(handle), int), handle_end(mesh))
    np.testing.assert_array_equal(one == 1, handle)
    told = np.where(handle, 1, 0)
    np.testing.assert_array_equal(with_handle_end(mesh, told, handle_end(mesh)), told)
    kept = np.zeros(len(handle), int)
    np.testing.assert_array_equal(with_handle_end(mesh, kept, handle_end(mesh), keep=[0]), kept)


def test_a_pistol_is_parted_into_grip_and_barrel_and_a_slab_is_not() -> None:
    pistol = boxes(((0.16, 0.05, 0.03), (0.0, 0.0, 0.0)), ((0.045, 0.11, 0.03), (-0.045, -0.075, 0.0)))
    label = with_arm(pistol, np.zeros(len(pistol.faces), int))
    y = pistol.triangles_center[:, 1]
    sides = label[y < -0.06], label[y > 0.0]
    assert [len(np.unique(side)) for side in sides] == [1, 1]
    assert sides[0][0] != sides[1][0]
    slab = boxes(((0.16, 0.11, 0.03), (0.0, 0.0, 0.0)))
    assert not with_arm(slab, np.zeros(len(slab.faces), int)).any()


STEMMED = (
    ((0.06, 0.012, 0.06), (0.0, 0.006, 0.0)),
    ((0.01, 0.09, 0.01), (0.0, 0.055, 0.0)),
    ((0.07, 0.08, 0.07), (0.0, 0.138, 0.0)),
)


def test_a_stem_is_cut_out_of_what_runs_across_it_and_only_then() -> None:
    mesh = boxes(*STEMMED)
    y = mesh.triangles_center[:, 1]
    stem = waist(mesh)
    assert stem[(y > 0.02) & (y < 0.09)].all()
    assert not stem[(y < 0.005) | (y > 0.105)].any()
    foot = np.where(y < 0.012, 1, 0)
    np.testing.assert_array_equal(with_waist(mesh, foot) == 2, stem)
    told = np.where(stem, 1, 0)
    np.testing.assert_array_equal(with_waist(mesh, told), told)
    np.testing.assert_array_equal(with_waist(mesh, foot, keep=[0]) == 2, stem & (foot == 1))


@pytest.mark.parametrize("placed", [PADDLE, (((0.2, 0.03, 0.02), (0.0, 0.0, 0.0)),)])
def test_what_widens_on_one_side_only_has_no_waist(placed) -> None:
    assert not waist(boxes(*placed)).any()


def test_a_cone_is_no_handle_and_the_other_end_is() -> None:
    cone = trimesh.creation.cone(0.03, 0.25)
    cone.apply_translation([0.0, 0.0, 0.1])
    body = trimesh.creation.cylinder(0.03, 0.2)
    grip = trimesh.creation.cylinder(0.014, 0.12)
    grip.apply_translation([0.0, 0.0, -0.15])
    mesh = dense(trimesh.boolean.union([cone, body, grip], engine="manifold"))
    z = mesh.triangles_center[:, 2]
    end = handle_end(mesh)
    assert end[z < -0.12].all()
    assert not end[z > -0.08].any()


def test_two_shells_of_one_bar_are_cut_and_two_bars_are_not() -> None:
    mesh = boxes(*PADDLE)
    handle, z = handle_end(mesh), mesh.triangles_center[:, 2]
    shells = np.where(z > 0, 1, 0)
    np.testing.assert_array_equal(with_handle_end(mesh, shells, handle_end(mesh)) == 2, handle)
    bars = (((0.12, 0.008, 0.02), (0.0, 0.012, 0.0)), ((0.12, 0.008, 0.02), (0.0, -0.012, 0.0)))
    two = boxes(*bars, PADDLE[1])
    sides = np.where(two.triangles_center[:, 1] > 0, 1, 0)
    np.testing.assert_array_equal(with_handle_end(two, sides, handle_end(two)), sides)


LADLE = (((0.16, 0.012, 0.01), (0.11, 0.034, 0.0)), ((0.08, 0.04, 0.08), (0.0, 0.02, 0.0)))


def test_the_inside_of_a_ladle_ends_where_its_handle_begins() -> None:
    mesh = boxes(*LADLE)
    end, up = handle_end(mesh), mesh.face_normals[:, 1] > 0.9
    graph, inside = build_face_graph(mesh), up & (mesh.triangles_center[:, 1] > 0.03)
    assert (inside & end).any()
    left = without_handle(graph, enclosure(mesh, np.asarray(mesh.face_normals)), inside, end)
    np.testing.assert_array_equal(left, inside & ~end)


def test_the_inside_of_a_neck_stays_inside() -> None:
    outer = boxes(((0.05, 0.12, 0.05), (0.0, 0.1, 0.0)), ((0.14, 0.1, 0.14), (0.0, 0.0, 0.0)))
    hole = boxes(((0.04, 0.2, 0.04), (0.0, 0.1, 0.0)), ((0.13, 0.09, 0.13), (0.0, 0.0, 0.0)))
    mesh = dense(trimesh.boolean.difference([outer, hole], engine="manifold"), 0.02)
    end = mesh.triangles_center[:, 1] > 0.05
    middle = mesh.bounds.mean(axis=0) * [1.0, 0.0, 1.0]
    inside = ((mesh.triangles_center - middle) * mesh.face_normals)[:, [0, 2]].sum(axis=1) < -1e-4
    assert (inside & end).any()
    enclosed = enclosure(mesh, np.asarray(mesh.face_normals))
    kept = without_handle(build_face_graph(mesh), enclosed, inside, end)
    np.testing.assert_array_equal(kept, inside)


def test_a_long_handle_is_a_handle_too() -> None:
    assert handle_end(
        boxes(((0.25, 0.012, 0.01), (0.16, 0.0, 0.0)), ((0.08, 0.04, 0.08), (0.0, 0.0, 0.0)))
    ).any()


@pytest.mark.slow
def test_a_flat_dish_with_a_handle_is_no_plate() -> None:
    mesh = boxes(((0.16, 0.006, 0.16), (0.0, 0.0, 0.0)), ((0.12, 0.02, 0.025), (0.135, 0.007, 0.0)))
    handle = mesh.triangles_center[:, 0] > 0.085
    parts = segment(mesh).face_part
    own = np.bincount(parts[handle], weights=mesh.area_faces[handle]).argmax()
    assert (parts[handle] == own).mean() > 0.95
    assert not (parts[mesh.triangles_center[:, 0] < 0.06] == own).any()
