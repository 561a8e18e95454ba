"""Feature files: whose they are, that they fit, and that lifting works with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reasoning.things import HANDLE, HEAD, camera_from, hammer
from zdg_jax.errors import UserError
from zdg_jax.objects.samples import feature_file, read_features, with_features
from zdg_jax.reasoning.lifting import lift_mask
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import Surface

OBJ = hammer(1500)
FACES, VERTICES = len(OBJ.mesh.faces), len(OBJ.mesh.vertices)


def save(path: Path, rows: np.ndarray) -> Path:
    np.save(path, rows)
    return path


def learnt(noise: float) -> np.ndarray:
    """Per-face features that know the parts, as learnt ones do."""
    own = np.eye(8)[OBJ.face_part] * 7
    return (own + np.random.default_rng(0).normal(scale=noise, size=own.shape)).astype(np.float16)


def test_geometric_is_the_object_itself() -> None:
    assert with_features(OBJ, "geometric") is OBJ


def test_rows_of_faces_go_to_the_samples_on_them(tmp_path: Path) -> None:
    rows = learnt(1.0).astype(np.float32)
    features = read_features(save(tmp_path / "f.npy", rows), OBJ)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1)
    expected = rows[OBJ.samples.faces].astype(float)
    np.testing.assert_allclose(features, expected / np.linalg.norm(expected, axis=1, keepdims=True))


def test_rows_of_vertices_are_interpolated(tmp_path: Path) -> None:
    rows = np.column_stack([np.asarray(OBJ.mesh.vertices), np.ones(VERTICES)])
    features = read_features(save(tmp_path / "f.npy", rows), OBJ)
    # A linear function of position is met exactly, up to the length.
    np.testing.assert_allclose(features[:, :3] / features[:, 3:], OBJ.samples.points, atol=1e-9)


def test_lifting_with_learnt_features_finds_the_unseen_side(tmp_path: Path) -> None:
    frame = render(Surface.of(OBJ.mesh), camera_from([0.0, 0.3, 1.0], OBJ.mesh))
    shown = np.where(frame.mask, OBJ.face_part[np.maximum(frame.face, 0)], 0)
    obj = with_features(OBJ, str(save(tmp_path / "f.npy", learnt(0.5))))
    for part in (HANDLE, HEAD):
        mask = lift_mask(frame, shown == part, obj.samples, obj.features)
        wanted = obj.part_mask((part,))
        assert (mask & wanted).sum() / (mask | wanted).sum() > 0.9


@pytest.mark.parametrize("name", ["part_feat_thing_0_batch.npy", "part_feat_thing_0.npy", "thing.npy"])
def test_a_folder_holds_each_objects_file(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, learnt(1.0))
    assert feature_file(tmp_path, OBJ) == path  # test:thing
    assert with_features(OBJ, str(tmp_path)).features.shape == (1500, 8)
    other = path.with_name(name.replace("thing", "mug_3"))
    path.rename(other)
    assert feature_file(tmp_path, replace(OBJ, object_id="zoo:mug/3")) == other


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((7, 4)), f"{FACES} rows"),
        (np.zeros(FACES), f"{VERTICES} rows"),
        (np.full((FACES, 4), np.nan), "finite"),
        (np.zeros((FACES, 4), int), "finite floats"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, rows: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        with_features(OBJ, str(save(tmp_path / "f.npy", rows)))


def test_no_file_and_no_array(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="part_feat_thing_0_batch"):
        with_features(OBJ, str(tmp_path))
    (tmp_path / "f.npy").write_text("not an array")
    with pytest.raises(UserError, match="npy file"):
        with_features(OBJ, str(tmp_path / "f.npy"))
