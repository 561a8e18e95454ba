"""Objects by content: what is called alike and is not the same stays apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipelines.drivers.files import Folder
from pipelines.drivers.tasks import TaskSpec
from pipelines.stages.prepare import PrepareStage, mesh_name
from tests.pipelines.cluster.made import options


@pytest.mark.slow
def test_meshes_of_one_name_are_told_apart_and_stored_once(tmp_path: Path) -> None:
    specs = []
    for folder, width in (("a", 0.05), ("b", 0.06), ("c", 0.05)):
        path = tmp_path / folder / "mesh.stl"
        path.parent.mkdir()
        trimesh.creation.box((width, 0.16, 0.04)).export(path)
        specs.append(TaskSpec(folder, str(path), "lift it"))
    out = Folder(str(tmp_path / "out"))
    stage = PrepareStage(options(), out)
    first, other, same = (stage.prepare(spec) for spec in specs)
    assert first.obj.object_id != other.obj.object_id
    assert first.obj.object_id == same.obj.object_id
    assert first.pieces is not None
    assert len(out.names("meshes")) == 2
    again = trimesh.load_mesh(io.BytesIO(out.read(mesh_name(other.obj.mesh_sha256))), file_type="ply")
    np.testing.assert_allclose(again.extents, [0.06, 0.16, 0.04], atol=1e-6)
