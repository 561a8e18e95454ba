"""What another method is given is what its grasps are measured on."""

from __future__ import annotations

import json

import numpy as np
import trimesh

from pipelines.benchmark.export import main
from pipelines.benchmark.methods.gather import benchmark_mesh
from zdg_jax.objects import load_object
from zdg_jax.objects.parts.named import named_parts


def test_meshes_points_and_sentences(tmp_path, capsys):
    assert main(["--set", "ycb", "--only", "ycb-025_mug", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "instructions.json").read_text())
    assert f"{len(rows)} instructions of 1 objects" in capsys.readouterr().out
    row = rows[0]
    mesh = trimesh.load_mesh(tmp_path / row["mesh"], process=False)
    obj = load_object(row["object"])
    assert row["mesh_sha256"] == obj.mesh_sha256
    np.testing.assert_allclose(mesh.vertices, obj.mesh.vertices, atol=1e-9)
    np.testing.assert_array_equal(mesh.faces, obj.mesh.faces)
    np.testing.assert_allclose(row["center"], obj.mesh.bounds.mean(axis=0))
    cloud = np.load(tmp_path / row["points"])
    np.testing.assert_allclose(cloud["points"], obj.samples.points, atol=1e-7)
    np.testing.assert_allclose(cloud["normals"], obj.samples.normals, atol=1e-7)
    names = list(cloud["part_names"])
    assert names == row["parts"]
    want = named_parts(obj).samples_of(obj, row["hand_parts"])
    np.testing.assert_array_equal(np.isin(cloud["part"], [names.index(n) for n in row["hand_parts"]]), want)


def test_zoo_meshes_are_those_of_the_benchmark(tmp_path):
    assert main(["--only", "zoo-mug-0", "--out", str(tmp_path)]) == 0
    (row,) = json.loads((tmp_path / "instructions.json").read_text())
    assert row["sentence"]
    assert (
        row["mesh_sha256"] == load_object("zoo:mug/0").mesh_sha256 == benchmark_mesh("zoo:mug/0").mesh_sha256
    )


def test_no_instruction_is_a_user_error(tmp_path, capsys):
    assert main(["--only", "nothing like it", "--out", str(tmp_path)]) == 2
    assert "loosen" in capsys.readouterr().err
