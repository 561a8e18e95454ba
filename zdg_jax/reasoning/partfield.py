"""Learnt point features from files, in place of the geometric ones (paper III-A, PartField [35])."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError
from zdg_jax.foreign import MIB, check_regular
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.sources import ZOO_PREFIX

GEOMETRIC = "geometric"
_MAX_FILE = 16384 * MIB
_LARGEST = 1e6  # of features; their squares must have a sum
_DO = "run PartField on the mesh as zdg_jax loads it (docs/local-models.md)"


def with_features(obj: ObjectModel, source: str) -> ObjectModel:
    """The object with features as named on the command line.

    Args:
      obj: as loaded.
      source: "geometric", a `.npy` file, or a folder with one for each object (`feature_file`).
    Raises:
      UserError: no such file, or one that does not fit the mesh.
    """
    if source == GEOMETRIC:
        return obj
    features = read_features(feature_file(Path(source).expanduser(), obj), obj)
    return replace(obj, features=features, learnt_features=True)


def feature_file(source: Path, obj: ObjectModel) -> Path:
    """The object's file: `source` itself, or in that folder `part_feat_NAME_0_batch.npy` and the like.

    NAME is the object's id without its prefix and suffix: "ycb:025_mug" and "cups/025_mug.stl" are both
    "025_mug"; "zoo:mug/3" is "mug_3". Looked for, in this order: part_feat_NAME_0_batch.npy,
    part_feat_NAME_0.npy (as PartField writes them), NAME.npy.

    Raises:
      UserError: nothing there.
    """
    if source.is_file():
        return source
    name = obj.object_id.split(":", 1)[-1]
    name = name.replace("/", "_") if obj.object_id.startswith(ZOO_PREFIX) else Path(name).stem
    names = [f"part_feat_{name}_0_batch.npy", f"part_feat_{name}_0.npy", f"{name}.npy"]
    for candidate in names:
        if (source / candidate).is_file():
            return source / candidate
    raise UserError(
        f"no features of {obj.object_id} at {source}", f"one of {', '.join(names)}, or a file", _DO
    )


def read_features(path: Path, obj: ObjectModel) -> Float[np.ndarray, "samples features"]:
    """One unit row a surface sample, from rows for each face or each vertex of the object's mesh.

    PartField's rows are compared by direction; at unit length Euclidean distance does that. A sample takes
    its face's row, or the mean of its face's vertices weighted by barycentric coordinates. Rows are taken
    to be faces' if faces and vertices are equally many.

    Args:
      path: `.npy`, one row a face or vertex; PartField has 448 columns.
      obj: whose mesh the rows belong to.
    Raises:
      UserError: unreadable, not finite, or with another number of rows.
    """
    check_regular(path, _MAX_FILE)
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(rows, np.ndarray):  # an archive of several
            raise ValueError("an archive")
    except Exception as error:  # its header is parsed as Python, and fails in Python's ways
        said = f"{type(error).__name__} {str(error)[:120]}"
        raise UserError(f"features {path} ({said})", "a .npy file of numbers", _DO) from error
    mesh = obj.mesh
    if rows.ndim == 3 and rows.shape[0] == 1:
        rows = rows[0]
    if rows.ndim != 2 or rows.shape[1] == 0 or len(rows) not in (len(mesh.faces), len(mesh.vertices)):
        raise UserError(
            f"features {path} of shape {rows.shape}",
            f"{len(mesh.faces)} rows (faces) or {len(mesh.vertices)} rows (vertices)",
            _DO,
        )
    floats = np.issubdtype(rows.dtype, np.floating)
    # half precision ends before that
    if not floats or not (np.abs(rows) <= min(_LARGEST, float(np.finfo(rows.dtype).max))).all():
        got = f"features {path} with {rows.dtype} that are no numbers"
        raise UserError(got, f"finite floats up to {_LARGEST:g}", _DO)
    rows = rows.astype(np.float64)
    faces = obj.samples.faces
    if len(rows) == len(mesh.faces):
        features = rows[faces]
    else:
        features = np.einsum("sk,skd->sd", _barycentric(obj), rows[np.asarray(mesh.faces)[faces]])
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _barycentric(obj: ObjectModel) -> Float[np.ndarray, "samples 3"]:
    from trimesh.triangles import points_to_barycentric

    triangles = np.asarray(obj.mesh.triangles)[obj.samples.faces]
    weights = np.clip(np.nan_to_num(points_to_barycentric(triangles, obj.samples.points), nan=1 / 3), 0, 1)
    return weights / weights.sum(axis=1, keepdims=True)
