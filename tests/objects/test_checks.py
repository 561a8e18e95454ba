from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.objects.shapes import sphere
from zdg_jax.errors import UserError
from zdg_jax.objects.checks import check_mesh, fill_small_holes, open_edge_count


def bare(
    mesh: trimesh.Trimesh, vertices: np.ndarray | None = None, faces: np.ndarray | None = None
) -> trimesh.Trimesh:
    """The mesh with other vertices or faces, and nothing tidied up."""
    v = np.array(mesh.vertices) if vertices is None else vertices
    f = np.array(mesh.faces) if faces is None else faces
    return trimesh.Trimesh(v, f, process=False)


def joined(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    shift = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + k for m, k in zip(meshes, shift, strict=False)]
    return trimesh.Trimesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces), process=False)


def test_a_sound_mesh_passes_unchanged_and_unwarned():
    mesh, warnings = check_mesh(sphere(), "ball")
    assert warnings == ()
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(sphere().volume)


def test_checking_is_idempotent():
    holed = bare(sphere(), faces=np.array(sphere().faces)[3:])
    once, _ = check_mesh(holed, "ball")
    twice, warnings = check_mesh(once, "ball")
    assert warnings == ()
    np.testing.assert_array_equal(once.faces, twice.faces)


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (trimesh.Trimesh(), "0 faces"),
        (trimesh.Trimesh(np.zeros((3, 3)), np.zeros((0, 3), dtype=int), process=False), "0 faces"),
        (bare(sphere(), vertices=np.where(np.arange(2562)[:, None] == 7, np.nan, sphere().vertices)), "NaN"),
        (bare(sphere(), vertices=np.where(np.arange(2562)[:, None] == 7, np.inf, sphere().vertices)), "NaN"),
        (sphere(100.0), r"--scale 0\.001"),
        (sphere(1e-6), "--scale 100000"),
        (bare(sphere(), vertices=np.zeros((2562, 3))), "size 0"),
    ],
)
def test_bad_meshes_are_refused_with_the_reason(mesh, message):
    with pytest.raises(UserError, match=message):
        check_mesh(mesh, "thing")


def test_the_suggested_scale_is_accepted():
    with pytest.raises(UserError) as caught:
        check_mesh(sphere(100.0), "mug")
    scale = float(caught.value.do.split("--scale ")[1].split()[0])
    check_mesh(sphere(100.0 * scale), "mug")


def test_inward_faces_are_turned_outward():
    mesh, warnings = check_mesh(bare(sphere(), faces=np.array(sphere().faces)[:, ::-1]), "ball")
    assert mesh.volume > 0
    assert any("outward" in w for w in warnings)


def test_some_flipped_faces_are_turned_back():
    faces = np.array(sphere().faces)
    faces[::7] = faces[::7, ::-1]
    mesh, warnings = check_mesh(bare(sphere(), faces=faces), "ball")
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(sphere().volume)
    assert any("inconsistent" in w for w in warnings)


def test_small_holes_are_filled_and_large_ones_reported():
    faces = np.array(sphere().faces)
    small, warnings = check_mesh(bare(sphere(), faces=faces[1:]), "ball")
    assert small.is_watertight
    assert "filled 1 small holes" in warnings
    top = sphere().triangles_center[:, 1] > 0.03
    large, warnings = check_mesh(bare(sphere(), faces=faces[~top]), "ball")
    assert open_edge_count(large) > 0
    assert any("not watertight" in w for w in warnings)


def test_filling_a_hole_gives_back_the_volume():
    corner = np.flatnonzero((np.array(sphere().faces) == 11).any(axis=1))
    holed = bare(sphere(), faces=np.delete(np.array(sphere().faces), corner, axis=0))
    closed, filled = fill_small_holes(holed, max_hole=0.2)
    assert filled == 1
    assert open_edge_count(closed) == 0
    assert closed.volume == pytest.approx(sphere().volume, rel=1e-2)


def test_loose_specks_are_dropped_real_parts_kept():
    speck = trimesh.creation.icosphere(1, 0.001).apply_translation([0.2, 0, 0])
    mesh, warnings = check_mesh(joined(sphere(), speck), "ball")
    assert mesh.volume == pytest.approx(sphere().volume)
    assert any("speck" in w for w in warnings)
    pair = joined(sphere(), sphere(0.02).apply_translation([0.1, 0, 0]))
    assert check_mesh(pair, "pair")[0].volume == pytest.approx(pair.volume)


def test_absurd_face_counts_are_simplified_with_a_warning():
    huge = trimesh.creation.icosphere(subdivisions=7, radius=0.05)
    mesh, warnings = check_mesh(huge, "ball")
    assert len(mesh.faces) < 60_000 < len(huge.faces)
    assert mesh.volume == pytest.approx(huge.volume, rel=1e-2)
    assert any("simplified" in w for w in warnings)


@pytest.mark.parametrize(("gap", "said"), [(0.07, True), (0.006, True), (0.004, False), (0.0, False)])
def test_bodies_that_do_not_touch_are_told(gap: float, said: bool) -> None:
    """Two cubes 7 cm apart are held like one rigid thing; a shaft and its handle are one, a slit or not."""
    one = trimesh.creation.box([0.05, 0.05, 0.05])
    other = one.copy()
    other.apply_translation([0.05 + gap, 0.0, 0.0])
    _, warnings = check_mesh(trimesh.util.concatenate([one, other]), "two")
    assert any("2 bodies that do not touch" in w for w in warnings) == said


def test_a_body_in_the_gap_joins_two() -> None:
    parts = [trimesh.creation.box([0.05, 0.05, 0.05]).apply_translation([x, 0.0, 0.0]) for x in (0.0, 0.12)]
    parts.append(trimesh.creation.box([0.066, 0.01, 0.01]).apply_translation([0.06, 0.0, 0.0]))
    _, warnings = check_mesh(trimesh.util.concatenate(parts), "three")
    assert not any("do not touch" in w for w in warnings)
