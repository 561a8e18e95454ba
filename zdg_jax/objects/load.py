"""One call from an OBJECT argument to a checked `ObjectModel`."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import numpy as np
import trimesh

from zdg_jax.cache import cached_arrays
from zdg_jax.errors import UserError
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.model import ObjectModel, Part, SignedDistanceField, SurfaceSamples
from zdg_jax.objects.paint import Paint, transferred
from zdg_jax.objects.parts.descriptors import describe_part
from zdg_jax.objects.parts.segment import segment
from zdg_jax.objects.parts.visibility import shape_diameter
from zdg_jax.objects.samples import sample_features, sample_surface
from zdg_jax.objects.sdf.build import build_signed_distance_field
from zdg_jax.objects.sources import PREFIXES, load_mesh_source, load_paint_source, quiet
from zdg_jax.objects.whole import moved_home

_HERE = Path(__file__).parent
_SOURCES = tuple(p for folder in (".", "sdf", "parts") for p in (_HERE / folder).glob("*.py"))
# proper rotations that take the named axis to +y
UP_TO_Y = {
    "x": np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}


def load_object(
    spec: str | os.PathLike[str],
    *,
    scale: float = 1.0,
    up: str | None = None,
    name: str | None = None,
    num_samples: int = 4096,
    seed: int = 0,
) -> ObjectModel:
    """Load, check, turn, sample and segment an object.

    p_obj = R_up (scale p_file); the origin stays the file's own. Segmentation, distance field,
    samples and features are cached on disk by the shape's content and code (see `cache`); colours are read
    each time, and are in no hash but `ObjectModel.looks_sha256`.

    Args:
      spec: mesh file, `ycb:NAME` or `zoo:CATEGORY/VARIANT`.
      scale: metres per unit of the file.
      up: axis of the file that points up, "x", "y" or "z"; by default "y", for YCB scans "z".
      name: what the user calls the object, if told; reasoning sees no other name.
      num_samples: surface samples (paper IV-A: 4096).
      seed: of the samples.

    Returns:
      The object: metres, +y up, outward normals, parts numbered from 1.

    Raises:
      UserError: what `load_mesh_source` and `check_mesh` refuse, an unknown axis, a bad scale.
    """
    if not isinstance(spec, (str, os.PathLike)):
        expected = "a mesh file, ycb:NAME or zoo:CATEGORY/VARIANT"
        raise UserError(f"a {type(spec).__name__}", expected, 'write it to a file: mesh.export("it.ply")')
    spec = os.fspath(spec)
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(f"scale {scale}", "a positive number", "give metres per unit of the file, e.g. 0.001")
    if num_samples < 1:
        raise UserError(f"{num_samples} samples", "at least 1", "leave it at 4096")
    mesh, object_id, source_up = load_mesh_source(spec)
    asked, up = up, source_up if up is None else up
    if up not in UP_TO_Y:
        raise UserError(f"up axis '{up}'", "x, y or z", "name the axis of the file that points up")
    turned = trimesh.Trimesh(scale * np.asarray(mesh.vertices) @ UP_TO_Y[up].T, mesh.faces, process=False)
    with quiet():
        mesh, warnings = check_mesh(turned, object_id)
        sha = mesh_sha256(mesh)
        shape = cached_arrays("shape", sha, lambda: _shape_arrays(mesh), _SOURCES)
        field = cached_arrays("field", sha, lambda: _field_arrays(mesh), _SOURCES)
        surface = cached_arrays(
            "samples", f"{sha} {num_samples} {seed}", lambda: _samples(mesh, num_samples, seed), _SOURCES
        )
        paint, told = _paint(spec, turned, scale * UP_TO_Y[up].T, mesh)
    hint = axis_notes(spec, asked, mesh) if spec.lower().endswith(".stl") else ()
    face_part = shape["face_part"]
    samples = SurfaceSamples(surface["points"], surface["normals"], surface["faces"])
    return ObjectModel(
        object_id=object_id,
        name=name,
        scale=float(scale),
        mesh=mesh,
        mesh_sha256=sha,
        warnings=(*hint, *warnings, *told),
        samples=samples,
        parts=_parts(mesh, shape),
        paint=paint,
        face_part=face_part,
        sample_part=face_part[samples.faces],
        features=surface["features"],
        field=_field(field),
    )


def _paint(
    spec: str, turned: trimesh.Trimesh, turn: np.ndarray, mesh: trimesh.Trimesh
) -> tuple[Paint | None, tuple[str, ...]]:
    """The checked mesh's colours and what there is to say; `turned` is before the checks, `turn` made it."""
    found = load_paint_source(spec)
    if found is None or isinstance(found, str):
        return None, () if found is None else (found,)
    triangles, paint = found
    home = np.asarray(moved_home(turned, []).vertices)[0] - np.asarray(turned.vertices)[0]
    return transferred(triangles @ turn + home, paint, mesh), ()


def mesh_sha256(mesh: trimesh.Trimesh) -> str:
    """SHA-256 of the vertices (little-endian float64, metres) followed by the faces (int64)."""
    digest = hashlib.sha256(np.ascontiguousarray(mesh.vertices, dtype="<f8").tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, dtype="<i8").tobytes())
    return digest.hexdigest()


def _shape_arrays(mesh: trimesh.Trimesh) -> dict[str, np.ndarray]:
    parts = segment(mesh)
    return {
        "face_part": parts.face_part.astype(np.int64) + 1,
        "hole_diameters": parts.hole_diameters,
        "thickness": parts.thickness,
        "concave": parts.concave,
    }


def _field_arrays(mesh: trimesh.Trimesh) -> dict[str, np.ndarray]:
    field = build_signed_distance_field(mesh)
    return {name: np.asarray(getattr(field, name)) for name in field.__dataclass_fields__}


def _field(arrays: dict[str, np.ndarray]) -> SignedDistanceField:
    nx, ny, nz = (int(n) for n in arrays["shape"])
    return SignedDistanceField(
        R_field_obj=arrays["R_field_obj"],
        origin=arrays["origin"],
        spacing=float(arrays["spacing"]),
        shape=(nx, ny, nz),
        entries=arrays["entries"],
        rows=arrays["rows"],
    )


def _samples(mesh: trimesh.Trimesh, count: int, seed: int) -> dict[str, np.ndarray]:
    samples = sample_surface(mesh, count, seed)
    thickness = shape_diameter(mesh, samples.points, samples.normals)
    features = sample_features(mesh, samples, thickness)
    return {
        "points": samples.points,
        "normals": samples.normals,
        "faces": samples.faces,
        "features": features,
    }


def _parts(mesh: trimesh.Trimesh, shape: dict[str, np.ndarray]) -> tuple[Part, ...]:
    parts = []
    for index, (hole, concave) in enumerate(zip(shape["hole_diameters"], shape["concave"], strict=True)):
        faces = np.flatnonzero(shape["face_part"] == index + 1)
        descriptor = describe_part(mesh, faces, shape["thickness"], float(hole), bool(concave))
        parts.append(Part(index + 1, faces, descriptor))
    return tuple(parts)


# Which way a mesh file stands: said to the user, and a guess at the axis where it lies on its side.
#: Of the height: what is this near to the lowest point rests on the ground.
_NEAR = 0.01
#: Share of the footprint that a foot at least rests on, and by how much another axis must be better.
_FOOT, _BETTER = 0.3, 3.0


#: What a note on the axis begins with.
TAKEN = "taken as +y up"


def axis_notes(source: str, up: str | None, mesh: trimesh.Trimesh) -> tuple[str, ...]:
    """What a person should know of the axis that was taken as up; nothing where it was named or is known.

    Args:
      source: the OBJECT argument.
      up: as asked; None for the default.
      mesh: as loaded, taken as +y up.
    """
    if up is not None or source.startswith(PREFIXES):
        return ()
    rests = {axis: _resting(mesh, k) for k, axis in enumerate("xyz")}
    if rests["z"] > _FOOT and rests["z"] > _BETTER * rests["y"]:
        return (f"{TAKEN}, but it looks as if it stood on its z axis: if so, add --up z",)
    return (f"{TAKEN}; if the file is +z up, as many robots' meshes are, add --up z",)


def _resting(mesh: trimesh.Trimesh, axis: int) -> float:
    """Area of the faces that lie on the ground and look down, over the area of the box's footprint."""
    low, high = mesh.bounds
    height = (high - low)[axis]
    on_ground = mesh.triangles[:, :, axis].max(axis=1) < low[axis] + _NEAR * height
    down = mesh.face_normals[:, axis] < -0.9
    footprint = np.prod(np.delete(high - low, axis))
    return float(mesh.area_faces[on_ground & down].sum() / max(footprint, 1e-12))
