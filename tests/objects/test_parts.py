from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.objects.shapes import dense, dumbbell, mug, sphere
from zdg_jax.objects.parts.barrel import with_barrel
from zdg_jax.objects.parts.descriptors import describe_part
from zdg_jax.objects.parts.graph_cut import absorb_slivers, build_face_graph, clean_borders
from zdg_jax.objects.parts.segment import recursive_ncut, segment
from zdg_jax.objects.parts.through_holes import find_loops, through_holes
from zdg_jax.objects.zoo import zoo_object


def share(mesh, result, k):
    return mesh.area_faces[result.face_part == k].sum() / mesh.area


def check_contract(mesh, result):
    numbers = np.unique(result.face_part)
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert 2 <= len(numbers) <= 8
    assert len(result.hole_diameters) == len(result.concave) == len(numbers)
    shares = [share(mesh, result, k) for k in numbers]
    assert (np.diff(shares) < 1e-12).all()
    assert min(shares) > 0.005


def test_thick_and_thin_cylinder_part_at_the_step():
    mesh = dumbbell()
    result = segment(mesh)
    check_contract(mesh, result)
    x = mesh.triangles_center[:, 0]
    shaft = result.face_part[np.argmax(x)]
    handle = result.face_part[np.argmin(x)]
    wrong = ((result.face_part == shaft) & (x < 0.048)) | ((result.face_part == handle) & (x > 0.056))
    assert mesh.area_faces[wrong].sum() < 0.02 * mesh.area


def test_mug_has_a_ring_handle_an_inside_and_an_outside():
    mesh = mug()
    result = segment(mesh)
    check_contract(mesh, result)
    (handle,) = np.flatnonzero(result.hole_diameters)
    # what is left of the ring's 40 mm hole beside the wall: the clear circle between x = 40 and x = 65 mm
    assert 0.018 < result.hole_diameters[handle] < 0.03
    centers = mesh.triangles_center
    radius = np.linalg.norm(centers[:, [0, 2]], axis=1)
    ring = radius > 0.0425
    assert mesh.area_faces[ring & (result.face_part != handle)].sum() < 0.15 * mesh.area_faces[ring].sum()
    (inside,) = np.flatnonzero(result.concave)
    cavity = (radius < 0.0375) & (centers[:, 1] > -0.0415)
    agree = mesh.area_faces[cavity == (result.face_part == inside)].sum() / mesh.area
    assert agree > 0.93


def test_through_hole_of_a_torus_has_the_torus_diameter_and_axis():
    torus = trimesh.creation.torus(0.03, 0.006, major_sections=64, minor_sections=24)
    holes = through_holes(torus)
    assert len(holes) == 1
    assert holes[0].diameter == pytest.approx(2 * (0.03 - 0.006), rel=0.05)
    assert abs(holes[0].axis[2]) > 0.99
    (loop,) = find_loops(build_face_graph(torus))
    assert loop.faces.mean() > 0.95
    check_contract(torus, segment(torus))


@pytest.mark.parametrize("turned", [False, True])
def test_a_handle_cut_out_of_the_body_is_a_loop_of_its_own(turned):
    """A jug's slot goes through a body as deep as its handle; turned, the same faces."""
    body = trimesh.creation.box((0.13, 0.26, 0.07))
    at = trimesh.transformations.translation_matrix((-0.035, 0.04, 0))
    slot = trimesh.creation.box((0.03, 0.09, 0.1), at)
    cut = body.difference(slot, engine="manifold")
    assert isinstance(cut, trimesh.Trimesh)
    mesh = dense(cut)
    x, y = mesh.triangles_center[:, :2].T
    if turned:
        mesh.apply_transform(trimesh.transformations.rotation_matrix(0.7, (1.0, 2.0, 3.0)))
    (loop,) = find_loops(build_face_graph(mesh))
    area = mesh.area_faces
    assert 0.02 < loop.diameter < 0.033  # the slot is 3 cm wide, a pixel 2.7 mm
    bar = (x < -0.045) & (np.abs(y - 0.04) < 0.04)
    assert area[loop.faces & bar].sum() > 0.7 * area[bar].sum()
    assert area[loop.faces & (x > 0.0)].sum() < 0.01 * area.sum()


def test_a_handle_under_a_bar_is_a_loop_of_its_own():
    """A suitcase's carry handle stands in the opening of the bar that it is wheeled by, and before it."""

    def bow(width: float, height: float, bar: float, z: float) -> trimesh.Trimesh:
        outer = trimesh.creation.box((width, height, bar))
        hole = trimesh.creation.box((width - 2 * bar, height - bar, 2 * bar))
        hole.apply_translation((0, -0.5 * bar, 0))
        cut = outer.difference(hole, engine="manifold")
        assert isinstance(cut, trimesh.Trimesh)
        cut.apply_translation((0, 0.5 * height - 0.002, z))
        return cut

    body = trimesh.creation.box((0.4, 0.5, 0.15), trimesh.transformations.translation_matrix((0, -0.25, 0)))
    suitcase = trimesh.boolean.union(
        [body, bow(0.26, 0.3, 0.015, -0.05), bow(0.15, 0.045, 0.018, 0.0)], engine="manifold"
    )
    assert isinstance(suitcase, trimesh.Trimesh)
    mesh = dense(suitcase)
    loops = find_loops(build_face_graph(mesh))
    assert [loop.within for loop in loops] == [False, True]
    wide, short = (mesh.triangles_center[loop.faces] for loop in loops)
    assert wide[:, 2].max() < -0.03
    assert np.abs(short[:, 2]).max() < 0.02
    assert segment(mesh).hole_diameters.astype(bool).sum() == 2


def test_objects_without_holes_have_no_loops():
    for mesh in (sphere(), dumbbell()):
        assert find_loops(build_face_graph(mesh)) == []


def test_a_lump_is_parted_into_side_top_and_bottom():
    mesh = dense(trimesh.creation.box([0.06, 0.08, 0.06]))
    result = segment(mesh)
    check_contract(mesh, result)
    assert not result.concave.any()
    for sign in (1, -1):
        assert len(np.unique(result.face_part[mesh.face_normals[:, 1] * sign > 0.99])) == 1


@pytest.mark.slow
def test_segmentation_is_deterministic_and_follows_a_shift():
    mesh = dumbbell()
    one, two = segment(mesh), segment(mesh.copy())
    np.testing.assert_array_equal(one.face_part, two.face_part)
    moved = segment(mesh.copy().apply_translation([0.2, -0.1, 0.3]))
    assert (moved.face_part == one.face_part).mean() > 0.97


def test_ncut_finds_planted_blocks_and_stops():
    sizes = [40, 30, 20]
    truth = np.repeat(np.arange(3), sizes)
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 0.02, (90, 90))
    affinity = np.where(truth[:, None] == truth[None], 1.0, (noise + noise.T) / 2)
    np.fill_diagonal(affinity, 0)
    shuffle = rng.permutation(90)
    label = recursive_ncut(affinity[np.ix_(shuffle, shuffle)], 8, 0.5, 0.05)
    pairs = {(int(a), int(b)) for a, b in zip(label, truth[shuffle], strict=True)}
    assert len(pairs) == len(np.unique(label)) == 3
    assert recursive_ncut(np.ones((50, 50)), 8, 0.5, 0.05).max() == 0


def test_a_ragged_border_moves_to_the_crease_and_slivers_go():
    mesh = dumbbell()
    graph = build_face_graph(mesh)
    x = mesh.triangles_center[:, 0]
    ragged = np.where(x + 0.004 * np.sin(900 * mesh.triangles_center[:, 1]) > 0.053, 1, 0)
    cleaned = clean_borders(graph, ragged, 0.01)
    a, b = graph.pairs.T
    cost = [graph.cut_price[label[a] != label[b]].sum() for label in (ragged, cleaned)]
    assert cost[1] < 0.7 * cost[0]
    spotted = cleaned.copy()
    spotted[np.argmin(x)] = 7
    np.testing.assert_array_equal(absorb_slivers(graph, spotted, 0.01), absorb_slivers(graph, cleaned, 0.01))


@pytest.mark.parametrize("variant", range(4))
@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_the_back_of_a_blade_is_its_straighter_edge(variant: int, mirror: float):
    made = zoo_object(f"knife/{variant}")
    vertices = np.asarray(made.mesh.vertices) * [1.0, 1.0, mirror]
    faces = np.asarray(made.mesh.faces)[:, :: int(mirror)]
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    thin = np.full(len(faces), 0.002)
    blade = np.flatnonzero(made.face_part == made.part_names.index("blade"))
    assert describe_part(mesh, blade, thin, 0.0, False).straight @ [0.0, 0.0, -mirror] > 0.95
    # backs of blade and handle in one line, the edge drops below the handle
    handle = np.unique(faces[made.face_part == made.part_names.index("handle")])
    z = mirror * vertices[:, 2]
    assert z[np.unique(faces[blade])].min() == pytest.approx(z[handle].min(), abs=0.002)
    assert z[np.unique(faces[blade])].max() > z[handle].max() - 0.004
    assert not describe_part(mesh, np.arange(len(faces)), 5 * thin, 0.0, False).straight.any()


@pytest.mark.parametrize("gap", [0.0, 0.03, 0.09])
def test_a_thin_part_in_two_places_is_described(gap: float):
    """Earphones: the middle of a part need not belong to it."""
    ends = [trimesh.creation.box((0.02, 0.004, 0.0005)) for _ in range(2)]
    for end, sign in zip(ends, (-1, 1), strict=True):
        end.apply_translation((sign * (gap + 0.02) / 2, 0, 0))
    two = trimesh.util.concatenate(ends)
    known = describe_part(two, np.arange(len(two.faces)), np.full(len(two.faces), 0.0005), 0.0, False)
    np.testing.assert_array_equal(known.straight, 0.0)


def lump(barrel: float, along: list[float]) -> trimesh.Trimesh:
    """A box of 12 by 8 by 4 cm with a barrel that stands 4 cm out of it along an axis."""
    box = trimesh.creation.box(extents=(0.12, 0.08, 0.04))
    tube = trimesh.creation.cylinder(barrel, 0.08, sections=48)
    tube.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], along))
    reach = 0.02 if along[2] else 0.04
    tube.apply_translation(reach * np.array(along))
    return dense(trimesh.boolean.union([box, tube], engine="manifold"))


def test_a_barrel_that_stands_out_of_a_lump_comes_off():
    mesh = lump(0.025, [0, 0, 1])
    found = with_barrel(mesh, np.asarray(mesh.face_normals), np.zeros(len(mesh.faces), int))
    on = mesh.triangles_center[found == 1]
    assert on[:, 2].min() > 0.019
    assert np.linalg.norm(on[:, :2], axis=1).max() < 0.03
    assert on[:, 2].max() > 0.059  # with its front
    np.testing.assert_array_equal(np.unique(segment(mesh).face_part), [0, 1])


@pytest.mark.parametrize(("radius", "along"), [(0.025, [0, 1, 0]), (0.01, [0, 0, 1]), (0.038, [0, 0, 1])])
def test_a_knob_on_top_a_button_and_what_is_as_wide_as_the_rest_stay(radius, along):
    mesh = lump(radius, along)
    label = np.zeros(len(mesh.faces), int)
    np.testing.assert_array_equal(with_barrel(mesh, np.asarray(mesh.face_normals), label), label)
