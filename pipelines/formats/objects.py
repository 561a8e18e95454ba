"""Finding and loading the meshes that grasp files name; see docs/formats.md for the rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Bool
from scipy.spatial import cKDTree

from pipelines.formats.grasp_file import ObjectSource
from zdg_jax.errors import UserError
from zdg_jax.objects.checks import check_mesh
from zdg_jax.objects.load import UP_TO_Y, mesh_sha256
from zdg_jax.objects.model import SurfaceSamples
from zdg_jax.objects.samples import sample_surface
from zdg_jax.objects.sources import PREFIXES, load_mesh_source, quiet
from zdg_jax.objects.whole import FAR

SUFFIXES = (".obj", ".stl", ".ply", ".off", ".glb", ".gltf", ".zip")
# inside an object's own folder: DexGraspNet's meshdata, DexGraspBench's processed objects, ours
INSIDE = ("coacd/decomposed.obj", "mesh/simplified.obj", "mesh/normalized.obj", "simplified.obj")
MESHDATA = "meshdata"


@dataclass(frozen=True)
class MeasuredObject:
    """A mesh and its samples: all that `sim_eval.evaluate` reads, without parts and fields.

    Attributes:
      mesh: metres, +y up, outward faces.
      samples: of its surface.
      mesh_sha256: of the mesh.
      part: samples on the ground-truth part, if the file labels one.
    """

    mesh: trimesh.Trimesh
    samples: SurfaceSamples
    mesh_sha256: str
    part: Bool[np.ndarray, " samples"] | None = None


def load_measured(source: ObjectSource, folder: Path, objects: Path | None) -> MeasuredObject:
    """Find, scale, turn, check and sample an object.

    Args:
      source: from the grasp file.
      folder: where the grasp file lies.
      objects: the user's `--objects`.

    Raises:
      UserError: no mesh found, a bad one, or another one than the grasps were made for.
    """
    name = source.name or source.path
    mesh = source.mesh
    if mesh is None:
        mesh = load_mesh_source(find_mesh(source, folder, objects))[0]
    turned = trimesh.Trimesh(
        source.scale * np.asarray(mesh.vertices) @ UP_TO_Y[source.up].T, mesh.faces, process=False
    )
    if not source.mesh_sha256 and np.abs(turned.vertices).max(initial=0.0) > FAR:
        raise UserError(
            f"{name}, {np.abs(turned.vertices).max():.0f} m from its origin", f"at most {FAR:g} m",
            "move mesh and grasps to it",
        )  # fmt: skip
    with quiet():
        checked, _ = check_mesh(turned, name)
    sha = mesh_sha256(checked)
    if source.mesh_sha256 and sha != source.mesh_sha256:
        raise UserError(
            f"{source.path or name} with other contents",
            f"the mesh that {name} had",
            "restore it or synthesize again",
        )
    samples = sample_surface(checked)
    return MeasuredObject(checked, samples, sha, _part(turned, source, samples))


def find_mesh(source: ObjectSource, folder: Path, objects: Path | None) -> str:
    """The mesh of an object: the first that exists of `candidates`.

    Raises:
      UserError: none does.
    """
    if source.path.startswith(PREFIXES):
        return source.path
    for place in candidates(source, folder, objects):
        if place.is_file() and place.suffix.lower() in SUFFIXES:
            return str(place)
    where = f"under {objects}" if objects is not None else f"beside {folder}"
    raise UserError(
        f"no mesh of {source.name or source.path} {where}",
        f"NAME{SUFFIXES[0]}, NAME/{INSIDE[0]} or NAME/{INSIDE[1]}",
        "name the folder of the meshes with --objects",
    )


def candidates(source: ObjectSource, folder: Path, objects: Path | None) -> Iterator[Path]:
    """Places to look, in order: the file's own path, then the object's name, in each of the roots.

    Roots are `--objects`, the grasp file's folder and the folders above it, the current one, and `meshdata`
    in each, where DexGraspNet keeps its meshes. A path that
    starts with / is taken as it is first, then its last two parts (a folder that was moved), then its last
    part as a name.
    """
    above = folder.resolve()
    given = [objects] if objects is not None else []
    places = [*given, above, *list(above.parents)[:3], Path.cwd()]
    roots = [root for place in places for root in (place, place / MESHDATA)]
    tail = "/".join(Path(source.path).parts[-2:]) if source.path.startswith("/") else ""
    told = (source.path, tail, source.name, Path(source.path).name)
    words = [word for word in dict.fromkeys(told) if word]
    for word in words:
        for root in roots:
            place = root / word  # an absolute word replaces the root
            yield place
            yield from (place.with_name(place.name + suffix) for suffix in SUFFIXES)
            yield from (place / inside for inside in INSIDE)
            if place.is_dir():
                found = [p for p in sorted(place.iterdir()) if p.suffix.lower() in SUFFIXES]
                yield from found if len(found) == 1 else ()


def _part(mesh: trimesh.Trimesh, source: ObjectSource, samples: SurfaceSamples) -> np.ndarray | None:
    """Samples whose nearest labelled vertex is one of the part's."""
    if source.part is None or len(source.part) == 0:
        return None
    label = np.zeros(len(mesh.vertices), bool)
    label[source.part] = True
    return label[cKDTree(np.asarray(mesh.vertices)).query(samples.points, workers=1)[1]]
