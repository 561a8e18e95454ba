"""Meshes that grasp files name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.formats.grasp_file import ObjectSource
from pipelines.formats.objects import load_measured
from zdg_jax.errors import UserError
from zdg_jax.objects import load_object


def _source(name: str, path: str, sha: str = "") -> ObjectSource:
    return ObjectSource(name=name, path=path, scale=1.0, up="y", mesh_sha256=sha, mesh=None, part=None)


def test_generated_objects_are_made_again(tmp_path: Path) -> None:
    want = load_object("zoo:mug/1")
    got = load_measured(_source("mug", "zoo:mug/1", want.mesh_sha256), tmp_path, None)
    assert got.mesh_sha256 == want.mesh_sha256


def test_a_missing_mesh_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--objects"):
        load_measured(_source("nothing", "nothing.obj"), tmp_path, None)
