"""Meshes that grasp files name."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import trimesh

from pipelines.formats.grasp_file import ObjectSource
from pipelines.formats.objects import load_measured
from zdg_jax.errors import UserError
from zdg_jax.objects import load_object


def _source(name: str, path: str, sha: str = "") -> ObjectSource:
    return ObjectSource(name=name, path=path, scale=1.0, up="y", mesh_sha256=sha, mesh=None, part=None)


@pytest.mark.slow
def test_generated_objects_are_made_again(tmp_path: Path) -> None:
    want = load_object("zoo:mug/1")
    got = load_measured(_source("mug", "zoo:mug/1", want.mesh_sha256), tmp_path, None)
    assert got.mesh_sha256 == want.mesh_sha256


def test_a_missing_mesh_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--objects"):
        load_measured(_source("nothing", "nothing.obj"), tmp_path, None)


@pytest.mark.parametrize("kind", ["stl", "glb", "gltf", "zip"])
def test_what_can_be_grasped_can_be_measured(kind: str, tmp_path: Path) -> None:
    box, path = trimesh.creation.box((0.05, 0.16, 0.04)), tmp_path / f"box.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("box.stl", trimesh.exchange.stl.export_stl(box))
    elif kind == "gltf":
        for name, data in trimesh.Scene(box).export(file_type="gltf").items():
            (tmp_path / name.replace("model.gltf", "box.gltf")).write_bytes(data)
    else:
        box.export(path)
    got = load_measured(_source("box", str(path)), tmp_path, None)
    assert got.mesh.volume == pytest.approx(box.volume, rel=1e-5)
