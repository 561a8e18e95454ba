"""Evenly spread surface samples with outward normals (paper IV-A: 4096 points), and their features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Shaped
from scipy.spatial import KDTree

from zdg_jax.errors import UserError
from zdg_jax.foreign import MIB, check_regular
from zdg_jax.objects.model import ObjectModel, SurfaceSamples
from zdg_jax.objects.sources import ZOO_PREFIX

OVERSAMPLE = 4


def sample_surface(mesh: trimesh.Trimesh, count: int = 4096, seed: int = 0) -> SurfaceSamples:
    """Draw area-uniform candidates, then keep `count` of them by farthest-point selection.

    The distance compared is |p - q|^2 + h^2 |n_p - n_q|^2 with h = sqrt(area / count), so that the
    two sides of a thin sheet are covered independently.

    Args:
      mesh: outward faces, metres.
      count: number of samples.
      seed: same seed, same samples.

    Returns:
      Points in metres, unit outward face normals, and the face of each sample.
    """
    points, faces = trimesh.sample.sample_surface(mesh, OVERSAMPLE * count, seed=seed)[:2]
    normals = mesh.face_normals[faces]
    spacing = np.sqrt(mesh.area / count)
    lifted = np.concatenate([points - points.mean(axis=0), spacing * normals], axis=1)
    keep = _farthest_points(np.ascontiguousarray(lifted.T, dtype=np.float32), count)
    return SurfaceSamples(
        points=np.asarray(points, dtype=np.float64)[keep],
        normals=np.asarray(normals, dtype=np.float64)[keep],
        faces=np.asarray(faces, dtype=np.int64)[keep],
    )


def evenly(rows: Shaped[np.ndarray, "n ..."], most: int) -> Shaped[np.ndarray, "m ..."]:
    """At most so many of the rows, evenly in their order; all of fewer."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]


def _farthest_points(columns: np.ndarray, count: int) -> np.ndarray:
    """Indices of `count` points, each farthest from those before it; `columns` is [dim, points]."""
    chosen = np.zeros(count, dtype=np.int64)
    nearest = np.full(columns.shape[1], np.inf, dtype=np.float32)
    for step in range(1, count):
        delta = columns - columns[:, chosen[step - 1], None]
        np.minimum(nearest, np.einsum("dn,dn->n", delta, delta), out=nearest)
        chosen[step] = int(np.argmax(nearest))
    return chosen


NEIGHBOURS = (24, 96)
WEIGHTS = {"position": 2.0, "normal": 0.5, "thickness": 1.0, "shape": 0.5}


def sample_features(
    mesh: trimesh.Trimesh, samples: SurfaceSamples, thickness: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, "samples features"]:
    """Geometry that tells regions of one object apart; stands in for PartField's learnt features.

    The paper classifies points by PartField [35] features. Ours are [2 (p - c) / r, n / 2,
    log(thickness / median) clipped to +-2, and at two neighbourhood sizes half of (linearity, planarity,
    scattering, bend)], with c the box centre, r half the box diagonal; all entries are of order 1, so that
    K-means and KNN may use plain Euclidean distance. They know nothing of the segmentation.

    Args:
      mesh: gives box centre and size.
      samples: points, normals.
      thickness: shape diameter of each sample, metres.

    Returns:
      One row a sample, 15 columns, dimensionless.
    """
    points, normals = samples.points, samples.normals
    position = (points - mesh.bounds.mean(axis=0)) / (0.5 * np.linalg.norm(mesh.extents))
    finite = np.isfinite(thickness)
    middle = float(np.median(thickness[finite])) if finite.any() else 1.0
    ratio = np.where(finite, thickness, middle) / middle
    columns = [
        WEIGHTS["position"] * position,
        WEIGHTS["normal"] * normals,
        WEIGHTS["thickness"] * np.clip(np.log(np.maximum(ratio, 1e-6)), -2, 2)[:, None],
    ]
    tree = KDTree(points)
    for k in NEIGHBOURS:
        columns.append(WEIGHTS["shape"] * _local_shape(points, normals, tree, min(k, len(points))))
    return np.concatenate(columns, axis=1)


def _local_shape(points: np.ndarray, normals: np.ndarray, tree: KDTree, k: int) -> np.ndarray:
    """(linearity, planarity, scattering, bend) of the k nearest samples; bend > 0 where convex."""
    radius, index = tree.query(points, k=k)
    around = points[index] - points[index].mean(axis=1, keepdims=True)
    moments = np.einsum("nki,nkj->nij", around, around) / k
    values = np.maximum(np.linalg.eigvalsh(moments)[:, ::-1], 0)
    l0, l1, l2 = np.sqrt(values + 1e-18).T
    offset = points[index] - points[:, None]
    height = np.einsum("nki,ni->nk", offset, normals).mean(axis=1)
    bend = np.clip(-4 * height / (radius[:, -1] + 1e-12), -1, 1)
    return np.column_stack([(l0 - l1) / l0, (l1 - l2) / l0, l2 / l0, bend])


# Learnt point features from files, in place of the geometric ones (paper III-A, PartField [35]).
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
