"""Meshes of bug reports and hostile files: refused in one line, mended and told, never lost."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.objects.shapes import sphere
from zdg_jax.errors import UserError
from zdg_jax.objects import load_mesh_source
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.sdf.mesh_distance import signed_distance

fuzz = settings(derandomize=True, deadline=None, max_examples=200)
BOX = trimesh.creation.box((0.06, 0.08, 0.05))


def placed(mesh: trimesh.Trimesh, *at: float) -> trimesh.Trimesh:
    moved = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return moved.apply_translation(at)


def inside_out(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, np.asarray(mesh.faces)[:, ::-1], process=False)


def together(*meshes: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.util.concatenate(meshes)


def told(mesh: trimesh.Trimesh) -> str:
    return " ".join(check_mesh(mesh, "m")[1])


def faced(face: list[int]) -> trimesh.Trimesh:
    return trimesh.Trimesh(BOX.vertices, [face], process=False)


def flat(*size: float) -> trimesh.Trimesh:
    return trimesh.creation.box(size)


SHEET = trimesh.Trimesh(
    [[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0]], [[0, 1, 2], [0, 2, 3]]
).subdivide()
TURN = trimesh.transformations.rotation_matrix(1.0, [1, 2, 3])
REFUSED = {
    "a sheet": (SHEET, "flat"),
    "a turned sheet": (
        SHEET.copy().apply_transform(TURN),
        "flat",
    ),
    "one triangle": (trimesh.Trimesh([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]], [[0, 1, 2]]), "flat"),
    "a nanometre thick": (flat(0.1, 0.1, 1e-9), "flat"),
    "a needle": (flat(0.1, 1e-6, 1e-6), "flat"),
    "each face twice, turned": (together(BOX, inside_out(BOX)), "no volume"),
    "vertices that are not there": (
        trimesh.Trimesh(BOX.vertices, [[0, 1, 99]], process=False),
        "vertex 99 of 8",
    ),
    "a negative vertex": (faced([0, 1, -1]), "vertex -1 of 8"),
    "one point": (trimesh.Trimesh([[0, 0, 0]] * 3, [[0, 1, 2]], process=False), "size 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_body_is_one_line(case: str) -> None:
    mesh, said = REFUSED[case]
    with pytest.raises(UserError, match=said):
        check_mesh(mesh, "m")


def test_a_soup_of_triangles_is_refused() -> None:
    rng = np.random.default_rng(0)
    soup = trimesh.Trimesh(rng.uniform(0, 0.1, (3000, 3)), np.arange(3000).reshape(-1, 3), process=False)
    with pytest.raises(UserError, match="hang together nowhere"):
        check_mesh(soup, "m")


def test_bristles_tiles_and_balls_stay() -> None:
    grid = [
        placed(trimesh.creation.box((0.002, 0.03, 0.002)), 0.004 * i, 0.05, 0.004 * k)
        for i in range(15)
        for k in range(15)
    ]
    for pieces in (
        [trimesh.creation.box((0.06, 0.02, 0.06)), *grid],
        grid,
        [placed(sphere(0.003), 0.01 * k, 0, 0) for k in range(12)],
    ):
        mesh = together(*pieces)
        checked, warnings = check_mesh(mesh, "brush")
        assert checked.area == pytest.approx(mesh.area)
        assert np.allclose(checked.bounds, mesh.bounds)
        assert "dropped" not in " ".join(warnings)


def test_real_specks_still_go() -> None:
    checked, warnings = check_mesh(together(sphere(), placed(sphere(0.0005), 0.06, 0, 0)), "m")
    assert "dropped 1 loose specks" in " ".join(warnings)
    assert checked.bounds[1][0] == pytest.approx(0.05, abs=1e-3)


def test_each_shell_faces_outward_and_cavities_stay_cavities() -> None:
    apart = together(sphere(), inside_out(placed(BOX, 0.2, 0, 0)))
    checked, warnings = check_mesh(apart, "m")
    assert checked.volume == pytest.approx(sphere().volume + BOX.volume)
    assert "inside out" in " ".join(warnings)
    overlapping = together(sphere(), inside_out(placed(BOX, 0.05, 0, 0)))
    checked, _ = check_mesh(overlapping, "m")
    assert signed_distance(checked, np.array([[0.065, 0.0, 0.0]]))[0] < 0
    hollow = together(sphere(0.05), inside_out(sphere(0.045)))
    checked, warnings = check_mesh(hollow, "m")
    assert checked.volume == pytest.approx(sphere(0.05).volume - sphere(0.045).volume)
    assert not warnings


def test_doubled_faces_count_once_and_shells_in_shells_are_told() -> None:
    checked, warnings = check_mesh(together(BOX, BOX), "m")
    assert checked.volume == pytest.approx(BOX.volume)
    assert "there twice" in " ".join(warnings)
    assert told(sphere()) == ""


def test_inner_walls_and_shells_in_shells_are_no_surface() -> None:
    """A case with ribs, a ball in a ball, two bars across each other: the outer boundary of the union."""
    ribs = [placed(trimesh.creation.box((0.001, 0.079, 0.049)), 0.01 * k, 0, 0) for k in (-2, -1, 0, 1, 2)]
    bar = trimesh.creation.box((0.2, 0.02, 0.02))
    turned = bar.copy()
    turned.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [0, 1, 0]))
    for mesh, volume in (
        (together(BOX, *ribs), BOX.volume),
        (together(sphere(0.05), sphere(0.045)), sphere(0.05).volume),
        (together(bar, turned), 2 * bar.volume - 0.02**3),
    ):
        checked, warnings = check_mesh(mesh, "m")
        assert checked.volume == pytest.approx(volume)
        assert checked.is_watertight
        assert "lies inside the object" in " ".join(warnings)
        assert "taken as one body" in " ".join(warnings)
    ribbed, _ = check_mesh(together(BOX, *ribs), "m")
    middle = np.array([[0.005, 0.0, 0.0]])
    assert signed_distance(ribbed, middle)[0] == pytest.approx(-BOX.extents.min() / 2, abs=1e-6)


def test_a_shell_of_unknown_side_is_told_only() -> None:
    """What lies in a cavity, beside a nested shell: the file does not say what is meant."""
    mesh = together(sphere(0.05), inside_out(sphere(0.045)), sphere(0.04), sphere(0.035))
    checked, warnings = check_mesh(mesh, "m")
    assert checked.volume == pytest.approx(mesh.volume)
    assert "export the outer surface alone" in " ".join(warnings)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_far_origins_are_moved_and_the_way_back_is_told(far: float) -> None:
    checked, warnings = check_mesh(placed(sphere(), far, -2 * far, 0), "m")
    assert np.abs(checked.bounds).max() < 0.06
    assert f"add ({far}, {-2 * far}, 0.0) m" in " ".join(warnings)
    near, warnings = check_mesh(placed(sphere(), 3, 0, 0), "m")
    assert near.bounds.mean(axis=0)[0] == pytest.approx(3)
    assert not warnings


# files


def loaded(path: Path) -> trimesh.Trimesh:
    return load_mesh_source(str(path))[0]


@pytest.mark.slow
def test_pipes_giants_and_bombs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.stl")
    os.mkfifo(tmp_path / "m.mtl")
    os.mkfifo(tmp_path / "b.bin")
    (tmp_path / "m.obj").write_text("mtllib m.mtl\n" + trimesh.exchange.obj.export_obj(BOX))
    assert len(loaded(tmp_path / "m.obj").faces) == 12
    with pytest.raises(UserError, match="no file"):
        loaded(tmp_path / "pipe.stl")
    with (tmp_path / "giant.obj").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="MiB"):
        loaded(tmp_path / "giant.obj")
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.stl", "w") as member,
    ):
        for _ in range(1100):
            member.write(bytes(1 << 20))
    with pytest.raises(UserError, match="MiB"):
        loaded(tmp_path / "bomb.zip")
    tree = {
        "asset": {"version": "2.0"}, "buffers": [{"uri": "b.bin", "byteLength": 4}], "scene": 0,
        "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "bufferViews": [{"buffer": 0, "byteLength": 4}],
        "accessors": [{"componentType": 5126, "type": "VEC3", "count": 1, "bufferView": 0}],
    }  # fmt: skip
    (tmp_path / "pipe.gltf").write_text(json.dumps(tree))
    with pytest.raises(UserError):
        loaded(tmp_path / "pipe.gltf")
    tree["accessors"] = [{"componentType": 5126, "type": "VEC3", "count": 10**12}]
    (tmp_path / "zeros.gltf").write_text(json.dumps(tree))
    with pytest.raises(UserError, match="numbers"):
        loaded(tmp_path / "zeros.gltf")


def test_bytes_that_only_look_wrong(tmp_path: Path) -> None:
    obj, stl = trimesh.exchange.obj.export_obj(BOX).encode(), trimesh.exchange.stl.export_stl(BOX)
    (tmp_path / "bom.obj").write_bytes(b"\xef\xbb\xbf" + obj.partition(b"\n")[2])
    assert len(loaded(tmp_path / "bom.obj").vertices) == 8
    (tmp_path / "tail.stl").write_bytes(stl + b"what somebody appended")
    assert len(loaded(tmp_path / "tail.stl").faces) == 12
    name = os.fsencode(tmp_path) + b"/b\xfcrste.stl"
    with open(name, "wb") as file:
        file.write(stl)
    assert len(loaded(Path(os.fsdecode(name))).faces) == 12
    (tmp_path / "empty.gltf").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        loaded(tmp_path / "empty.gltf")
    (tmp_path / "zero.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n")
    (tmp_path / "out.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n"
    )
    with pytest.raises(UserError, match="vertex 7 of 3"):
        loaded(tmp_path / "out.ply")
    with pytest.raises(UserError), contextlib.nullcontext():
        check_mesh(loaded(tmp_path / "zero.obj"), "m")


@fuzz
@given(st.sampled_from(["stl", "obj", "ply", "off", "glb"]), st.data())
def test_fuzz_the_mesh_loader(kind: str, data: st.DataObject) -> None:
    """Good files with some bytes changed, cut or repeated: a mesh, or one line."""
    whole = io.BytesIO()
    BOX.export(whole, file_type=kind)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"m.{kind}"
        path.write_bytes(bytes(content))
        with contextlib.suppress(UserError), np.errstate(all="ignore"):
            check_mesh(loaded(path), "m")


@fuzz
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([0.0, 1e-9, 0.05, 1.0, 1e30]),
)
def test_fuzz_the_check(seed: int, num_vertices: int, num_faces: int, size: float) -> None:
    """Any few vertices and faces, degenerate ones above all."""
    rng = np.random.default_rng(seed)
    vertices = np.round(rng.uniform(-size, size, (num_vertices, 3)), int(rng.integers(0, 4)))
    faces = rng.integers(-1, max(1, num_vertices + 1), (num_faces, 3))
    with contextlib.suppress(UserError), np.errstate(all="ignore"):
        checked, _ = check_mesh(trimesh.Trimesh(vertices, faces, process=False), "m")
        assert np.isfinite(checked.vertices).all()
        assert np.ptp(checked.vertices, axis=0).max() <= 2.0


def test_stl_headers_that_lie(tmp_path: Path) -> None:
    for count in (0, 1, 2**31, 2**32 - 1):
        (tmp_path / "m.stl").write_bytes(bytes(80) + struct.pack("<I", count) + bytes(49))
        with pytest.raises(UserError):
            loaded(tmp_path / "m.stl")


@pytest.mark.parametrize(
    "name", ["m.3mf", "m.dae", "m.step", "m.tar.gz", "m.tar.bz2", "m", "m.STL.exe", ".stl"]
)
def test_files_of_kinds_that_are_not_read_are_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x" * 200)
    with pytest.raises(UserError, match="convert it to one of") as caught:
        loaded(tmp_path / name)
    offered = caught.value.do.removeprefix("convert it to one of ").split(", ")
    assert "stl" in offered
    assert not {"tar.gz", "tar.bz2", "bz2", "dae", "3mf", "step"} & set(
        offered
    )  # what is offered can be read
