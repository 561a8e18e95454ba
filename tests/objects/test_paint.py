"""Colours of a mesh, from the file to the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from zdg_jax.objects.load import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.paint import Paint, paint_of, texel, transferred
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import NEUTRAL, Surface, join, look

RED, BLUE = (200, 30, 20, 255), (20, 40, 210, 255)
SIZES = (0.06, 0.10, 0.04)


def halves() -> trimesh.Trimesh:
    """A block that is red in its upper and blue in its lower half, as vertex colours."""
    mesh = trimesh.creation.box(extents=SIZES).subdivide().subdivide()
    colors = np.where(mesh.vertices[:, 1:2] > 0, RED, BLUE).astype(np.uint8)
    mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=colors)
    return mesh


def textured() -> trimesh.Trimesh:
    """Twelve faces only: red above the middle by an image, which no colour a face could show."""
    mesh = trimesh.creation.box(extents=SIZES)
    picture = np.zeros((64, 8, 3), np.uint8)
    picture[:32], picture[32:] = RED[:3], BLUE[:3]
    uv = np.column_stack([np.full(len(mesh.vertices), 0.5), 0.02 + 0.96 * (mesh.vertices[:, 1] > 0)])
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture))
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return mesh


def drawn(obj: ObjectModel, size: int = 48) -> np.ndarray:
    camera = look(np.asarray(obj.mesh.vertices), (0.0, 0.0, 1.0), size=size)
    return render(Surface.painted(obj.mesh, obj.paint), camera).rgb.astype(int)


def is_red_over_blue(rgb: np.ndarray) -> bool:
    above, below = rgb[8, 24], rgb[40, 24]
    return bool(above[0] > above[2] + 60 and below[2] > below[0] + 60)


@pytest.mark.parametrize(("make", "file"), [
    (halves, "a.ply"), (halves, "a.glb"), (halves, "a.obj"), (textured, "a.glb"), (textured, "a.obj"),
])  # fmt: skip
@pytest.mark.parametrize("up", ["y", pytest.param("z", marks=pytest.mark.slow)])
def test_a_picture_has_the_files_colours(tmp_path: Path, make, file: str, up: str) -> None:
    mesh = make()
    if up == "z":
        mesh.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    mesh.export(tmp_path / file)
    obj = load_object(str(tmp_path / file), up=up, num_samples=64)
    assert obj.paint is not None
    assert is_red_over_blue(drawn(obj))


def test_colours_change_no_shape_and_no_cache_of_it(tmp_path: Path) -> None:
    bare = halves()
    bare.visual = trimesh.visual.ColorVisuals(bare)
    for name, mesh in (("bare", bare), ("two", halves())):
        mesh.export(tmp_path / f"{name}.ply")
    other = halves()
    other.visual = trimesh.visual.ColorVisuals(other, vertex_colors=np.tile(RED, (len(other.vertices), 1)))
    other.export(tmp_path / "one.ply")
    grey, two, one = (load_object(str(tmp_path / f"{n}.ply"), num_samples=64) for n in ("bare", "two", "one"))
    assert grey.mesh_sha256 == two.mesh_sha256 == one.mesh_sha256
    assert len({grey.looks_sha256, two.looks_sha256, one.looks_sha256}) == 3
    assert grey.looks_sha256 == grey.mesh_sha256
    assert grey.paint is None
    assert np.ptp(drawn(grey), axis=2).max() < 25


def test_scans_and_stl_files_are_grey(tmp_path: Path) -> None:
    halves().export(tmp_path / "a.stl")
    assert load_object(str(tmp_path / "a.stl"), num_samples=64).paint is None


def test_a_texture_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    textured().export(inner / "a.obj")
    (inner / "material.mtl").rename(tmp_path / "material.mtl")
    text = (inner / "a.obj").read_text().replace("mtllib material.mtl", "mtllib ../material.mtl")
    (inner / "a.obj").write_text(text)
    obj = load_object(str(inner / "a.obj"), num_samples=64)
    assert obj.paint is None


def test_a_broken_texture_leaves_the_object_grey(tmp_path: Path) -> None:
    textured().export(tmp_path / "a.obj")
    for picture in tmp_path.glob("*.png"):
        picture.write_bytes(b"no picture")
    obj = load_object(str(tmp_path / "a.obj"), num_samples=64)
    assert len(obj.mesh.faces) == 12
    assert np.ptp(drawn(obj), axis=2).max() < 60


def test_mended_faces_take_the_nearest_colour() -> None:
    source = halves()
    found = paint_of(trimesh.Scene(source))
    assert found is not None
    finer = trimesh.creation.box(extents=SIZES).subdivide().subdivide().subdivide()
    paint = transferred(*found, finer)
    red = paint.corners[:, :, 0] > paint.corners[:, :, 2]
    clear = np.abs(finer.triangles[:, :, 1]) > 0.026  # colours blend between the two rows at the middle
    np.testing.assert_array_equal(red[clear], finer.triangles[:, :, 1][clear] > 0)


def test_at_is_the_barycentric_mean_and_the_texture_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (16, 16, 3)).astype(np.uint8)
    paint = Paint(rng.random((2, 3, 3)), rng.random((2, 3, 2)), np.array([-1, 0]), (texture,))
    face, weight = np.array([0, 1]), rng.dirichlet(np.ones(3), 2)
    got = paint.at(face, weight)
    np.testing.assert_allclose(got[0], weight[0] @ paint.corners[0])
    np.testing.assert_allclose(got[1], texel(texture, weight[1] @ paint.uv[1]))


def test_texels_by_corner_and_repetition() -> None:
    texture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(255 * texel(texture, corners), texture[[1, 1, 0, 0], [0, 1, 0, 1]])


def test_a_tint_lets_the_colours_through_and_a_join_keeps_them() -> None:
    mesh = halves()
    found = paint_of(trimesh.Scene(mesh))
    assert found is not None
    paint = transferred(*found, mesh)
    tint = mesh.triangles_center[:, 0] > 0
    both = Surface.painted(mesh, paint, (0.0, 1.0, 0.0), tint)
    whole, _ = join([Surface.of(mesh), both])
    colors = whole.face_colors()
    np.testing.assert_allclose(colors[: len(mesh.faces)], np.tile(NEUTRAL, (len(mesh.faces), 1)))
    own = colors[len(mesh.faces) :]
    np.testing.assert_allclose(own, both.face_colors())
    assert (own[tint][:, 1] > 0.6).all()
    assert (own[~tint][:, 1] < 0.2).all()
    assert own[tint][:, 0].max() > own[tint][:, 0].min() + 0.1  # red and blue can still be told apart
