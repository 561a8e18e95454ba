from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tests.objects.shapes import sphere
from zdg_jax.errors import UserError
from zdg_jax.objects import load_mesh_source, ycb_names


@pytest.mark.parametrize("kind", ["stl", "obj", "ply", "off", "glb"])
def test_each_format_gives_the_same_surface(tmp_path, kind):
    path = tmp_path / f"ball.{kind}"
    sphere().export(path)
    mesh, object_id, up = load_mesh_source(str(path))
    assert (object_id, up) == ("ball", "y")
    assert mesh.area == pytest.approx(sphere().area, rel=1e-5)


def test_scenes_are_concatenated_with_their_transforms(tmp_path):
    scene = trimesh.Scene([sphere()])
    scene.add_geometry(sphere(), transform=trimesh.transformations.translation_matrix([0.3, 0, 0]))
    scene.export(tmp_path / "two.glb")
    mesh, _, _ = load_mesh_source(str(tmp_path / "two.glb"))
    assert mesh.area == pytest.approx(2 * sphere().area, rel=1e-5)
    assert mesh.extents[0] == pytest.approx(0.4, rel=1e-5)


def test_ycb_by_full_and_short_name():
    full, object_id, up = load_mesh_source("ycb:048_hammer")
    short, short_id, _ = load_mesh_source("ycb:hammer")
    assert (object_id, up) == ("ycb:048_hammer", "z")
    assert short_id == object_id
    np.testing.assert_array_equal(full.vertices, short.vertices)
    assert len(ycb_names()) > 70


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere/at_all.stl", "no file.*; check the path; `zdg list objects`"),
        ("mug", r"no file.*did you mean ycb:025_mug or zoo:mug/0\? check the path"),
        ("048_hammer", r"did you mean ycb:048_hammer\?"),
        ("ycb:hamer", r"did you mean ycb:048_hammer\?"),
        ("ycb:099_hammer", r"did you mean ycb:048_hammer\?"),
        ("ycb:nonsense_xyz", "choose of 002_master_chef_can"),
        ("zoo:mgu/0", r"did you mean .*mug.*\? `zdg list objects` has all names$"),
        ("ycb:cups", "names 10 scans.*choose of 065-a_cups"),
        ("ycb:", "choose of 002_master_chef_can"),
    ],
)
def test_wrong_specs_get_a_helpful_line(spec, message):
    with pytest.raises(UserError, match=message):
        load_mesh_source(spec)


def test_files_that_are_no_meshes(tmp_path, capfd):
    with pytest.raises(UserError, match="directory"):
        load_mesh_source(str(tmp_path))
    for name, content in (
        ("a.stl", "hello\n" * 9),
        ("b.obj", "hello"),
        ("c.ply", "x"),
        ("d.glb", ""),
        ("e.stl", ""),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError) as caught:
            load_mesh_source(str(tmp_path / name))
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
    (tmp_path / "f.xyzzy").write_text("hello")
    with pytest.raises(UserError, match="kind 'xyzzy'"):
        load_mesh_source(str(tmp_path / "f.xyzzy"))
    assert capfd.readouterr() == ("", "")
