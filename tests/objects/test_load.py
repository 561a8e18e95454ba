from __future__ import annotations

import numpy as np
import pytest

from tests.objects.shapes import dumbbell, sphere
from zdg_jax import cache
from zdg_jax.cache import cached_arrays
from zdg_jax.errors import UserError
from zdg_jax.objects import field_values, load, load_object, signed_distance
from zdg_jax.objects.load import UP_TO_Y


@pytest.fixture(scope="module")
def scan():
    return load_object("ycb:025_mug", num_samples=1024)


def test_scan_meets_the_contract_of_the_model(scan):
    assert scan.object_id == "ycb:025_mug"
    assert scan.name is None
    assert [p.number for p in scan.parts] == list(range(1, len(scan.parts) + 1))
    assert 2 <= len(scan.parts) <= 8
    np.testing.assert_array_equal(
        np.sort(np.concatenate([p.faces for p in scan.parts])), np.arange(len(scan.mesh.faces))
    )
    np.testing.assert_array_equal(scan.sample_part, scan.face_part[scan.samples.faces])
    assert scan.part_mask((1,)).sum() == (scan.sample_part == 1).sum() > 0
    assert scan.features.shape == (1024, 15)
    assert np.isfinite(scan.features).all()
    assert sum(p.descriptor.area_share for p in scan.parts) == pytest.approx(1)
    for part in scan.parts:
        d = part.descriptor
        assert np.linalg.norm(d.axis) == pytest.approx(1)
        assert d.extents[0] >= d.extents[1] >= d.extents[2] > 0
        assert d.is_loop == (d.hole_diameter > 0)
        assert np.abs(d.relative_center).max() <= 1
        assert 0 <= d.end_distance <= 1


def test_mug_stands_upright_and_its_handle_is_a_loop(scan):
    (handle,) = [p for p in scan.parts if p.descriptor.is_loop]
    assert 0.015 < handle.descriptor.hole_diameter < 0.03
    assert handle.descriptor.area_share < 0.12
    (inside,) = [p for p in scan.parts if p.descriptor.concave]
    mean_normal = scan.mesh.area_faces[inside.faces] @ scan.mesh.face_normals[inside.faces]
    assert mean_normal[1] / np.linalg.norm(mean_normal) > 0.95  # the mouth opens to +y


def test_the_field_is_the_mesh_s_own(scan):
    near = scan.samples.points + 0.004 * scan.samples.normals
    exact = signed_distance(scan.mesh, near)
    np.testing.assert_allclose(field_values(scan.field, near), exact, atol=5e-4)


def test_same_seed_same_object_from_the_cache(scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(*_: object) -> None:
        pytest.fail("built anew")

    for dear in ("_shape_arrays", "_field_arrays", "_samples"):
        monkeypatch.setattr(load, dear, built)
    again = load_object("ycb:mug", num_samples=1024)
    np.testing.assert_array_equal(again.samples.points, scan.samples.points)
    np.testing.assert_array_equal(again.face_part, scan.face_part)
    assert again.mesh_sha256 == scan.mesh_sha256


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_up_axes_are_proper_rotations_onto_y(up, tmp_path):
    R = UP_TO_Y[up]
    np.testing.assert_allclose(R @ R.T, np.eye(3))
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(R @ np.eye(3)["xyz".index(up)], [0, 1, 0])


@pytest.mark.slow
def test_scale_and_frame(tmp_path):
    mesh = dumbbell().apply_translation([0.1, 0.2, 0.3]).apply_scale(1000)
    mesh.export(tmp_path / "tool.stl")
    with pytest.raises(UserError, match=r"--scale 0\.001"):
        load_object(str(tmp_path / "tool.stl"))
    tool = load_object(str(tmp_path / "tool.stl"), scale=0.001, name="screwdriver", num_samples=64)
    np.testing.assert_allclose(tool.mesh.bounds, mesh.bounds / 1000, atol=1e-6)
    assert (tool.name, tool.scale) == ("screwdriver", 0.001)
    assert len(tool.warnings) == 1
    assert "--up z" in tool.warnings[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"up": "w"}, "up axis 'w'"), ({"scale": 0.0}, "positive"), ({"scale": float("nan")}, "positive")],
)
def test_bad_options_are_refused(options, message, tmp_path):
    sphere().export(tmp_path / "ball.stl")
    with pytest.raises(UserError, match=message):
        load_object(str(tmp_path / "ball.stl"), **options)


def test_nan_vertex_is_seen_through_a_file(tmp_path):
    text = "\n".join(
        ["v 0 0 0", "v 0.1 0 0", "v nan 0.1 0", "v 0 0 0.1", "f 1 2 3", "f 1 2 4", "f 2 3 4", "f 1 4 3"]
    )
    (tmp_path / "bad.obj").write_text(text)
    with pytest.raises(UserError, match="NaN"):
        load_object(str(tmp_path / "bad.obj"))


def test_cache_computes_once_and_survives_a_broken_record(tmp_path, monkeypatch):
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path))
    calls = []

    def compute():
        calls.append(1)
        return {"a": np.arange(3)}

    for _ in range(2):
        np.testing.assert_array_equal(cached_arrays("kind", "key", compute, ())["a"], [0, 1, 2])
    assert len(calls) == 1
    (record,) = (tmp_path / "kind").glob("*.npz")
    record.write_bytes(b"PK broken")
    np.testing.assert_array_equal(cached_arrays("kind", "key", compute, ())["a"], [0, 1, 2])
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_costs_time_and_one_line(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZDG_CACHE_DIR", str(tmp_path / "file" / "cache"))
    cache._say_once.cache_clear()
    for kind in ("one", "other"):
        np.testing.assert_array_equal(
            cached_arrays(kind, "key", lambda: {"a": np.arange(3)}, ())["a"], [0, 1, 2]
        )
    (said,) = [record.getMessage() for record in caplog.records]
    assert "ZDG_CACHE_DIR" in said
