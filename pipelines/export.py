"""`zdg export`: grasps in the formats of other people's tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from pipelines.dataset import write_atomic
from pipelines.formats import GraspFile, dexgraspbench, dexgraspnet, read_grasps
from pipelines.formats.npy import unique
from pipelines.formats.objects import MeasuredObject, load_measured
from pipelines.lock import locked
from pipelines.runtime import folder_of, output_folder, start_jax
from zdg_jax.errors import UserError, one_of
from zdg_jax.foreign import file_name
from zdg_jax.pose import is_pose
from zdg_jax.status import Status

DENSITY = 1000.0  # kg/m³; DexGraspBench scales it to the mass of its test


@dataclass(frozen=True)
class Exported:
    """Attributes: written: grasps; left_out: those with a status or without a mesh; reason: of the first."""

    out: Path
    written: int
    left_out: int
    reason: str = ""

    def summary(self) -> str:
        """One line for the terminal."""
        rest = f", {self.left_out} left out ({self.reason})" if self.left_out else ""
        return f"{self.written} grasps written{rest}: see {self.out}"


def export(
    path: str,
    to: str,
    out: str,
    *,
    objects: str | None = None,
    hand: str | None = None,
    name: str | None = None,
) -> Exported:
    """Write the grasps with status "ok", and the meshes in our frame (metres, +y up), object by object.

    Args:
      path: a grasp file of any of `pipelines.formats`.
      to: of `WRITERS`.
      out: folder.
      objects: folder of the meshes of other people's files.
      hand: by default the file's.
      name: what the object of a file with one object is called; see `object_names`.

    Raises:
      UserError: an unknown format, what the readers refuse, a name for several objects, or another object
        of the same name in `out`.
    """
    one_of("format", to, WRITERS, "choose one with --format")
    roots = None if objects is None else Path(objects).expanduser()
    start_jax()
    grasps = read_grasps(path, hand)
    folder = output_folder(out)
    place = folder_of(path)
    written, reasons = 0, [f"{s}: {r}" for s, r in zip(grasps.status, grasps.status_reason, strict=True)]
    reason = next((r for r, s in zip(reasons, grasps.status, strict=True) if s != "ok"), "")
    fine = is_pose(grasps.hand_pose) & np.isfinite(grasps.joints).all(axis=1)
    reason = reason or ("" if fine.all() else f"{Status.INVALID_POSE}: {Status.INVALID_POSE.sentence}")
    usable = fine & np.array([s == "ok" for s in grasps.status])
    names = object_names(grasps, list(dict.fromkeys(np.array(grasps.object_key)[usable])), name)
    with locked(folder, command="zdg export"):
        for key in names:
            index = np.flatnonzero(usable & (np.array(grasps.object_key) == key))
            try:
                obj = load_measured(grasps.objects[key], place, roots)
            except UserError as error:
                reason = reason or str(error)
                continue
            WRITERS[to](folder, names[key], grasps, index, obj)
            written += len(index)
    return Exported(folder, written, len(grasps) - written, reason)


def object_names(grasps: GraspFile, keys: list[str], name: str | None = None) -> dict[str, str]:
    """File name of each object: `name`, else what `zdg synth --name` called it, else the file's own word.

    Objects of one file that would share a name get their own words behind it.

    Raises:
      UserError: `name` with several objects.
    """
    if name is not None and len(keys) > 1:
        raise UserError(f"--name {name} for {len(keys)} objects", "one object", "leave --name out")
    told = dict(zip(grasps.object_key, grasps.category, strict=True)) if grasps.format == "zdg" else {}
    words = {key: name or told.get(key) or key for key in keys}
    shared = [word for word in words.values() if list(words.values()).count(word) > 1]
    found = {key: f"{word}_{key}" if word in shared else word for key, word in words.items()}
    taken: set[str] = set()
    return {key: unique(file_name(word), taken) for key, word in found.items()}


def _dexgraspbench(
    folder: Path, name: str, grasps: GraspFile, index: np.ndarray, obj: MeasuredObject
) -> None:
    """Grasps, and the object as the benchmark's `assets` have it: whole mesh, convex pieces, mass."""
    from sim_eval.simobject import convex_pieces
    from sim_eval.solids import hull_union

    place = folder / "objects" / name
    whole = place / "mesh/simplified.obj"
    if whole.is_file() and whole.read_bytes() != _obj_text(obj.mesh):
        raise UserError(
            f"another object {name} in {folder}", "one object a name", "choose another --out, or a --name"
        )
    dexgraspbench.write(folder, name, grasps, [int(i) for i in index])
    for below in ("mesh", "urdf/meshes", "info"):
        (place / below).mkdir(parents=True, exist_ok=True)
    _write_mesh(obj.mesh, whole)
    pieces = convex_pieces(obj.mesh).pieces
    for i, points in enumerate(pieces):
        hull = trimesh.convex.convex_hull(points)
        _write_mesh(hull, place / f"urdf/meshes/convex_piece_{i:03d}.obj")
    volume = float(hull_union(pieces).volume())
    info = {"mass": DENSITY * volume, "density": DENSITY, "scale": 1.0}
    write_atomic(place / "info/simplified.json", json.dumps(info, indent=2).encode() + b"\n")


def _dexgraspnet(folder: Path, name: str, grasps: GraspFile, index: np.ndarray, obj: MeasuredObject) -> None:
    """One .npy an object, and its mesh as the data set's `meshdata` has it."""
    dexgraspnet.write(folder, name, grasps, [int(i) for i in index])
    place = folder / "meshdata" / name / "coacd"
    place.mkdir(parents=True, exist_ok=True)
    _write_mesh(obj.mesh, place / "decomposed.obj")


def _glb(folder: Path, name: str, grasps: GraspFile, index: np.ndarray, obj: MeasuredObject) -> None:
    """One scene an object: the mesh and every hand; its name is not one that a mesh is looked for by."""
    from pipelines.report.scene import build_scene, write_scene
    from zdg_jax.hands import load_hand
    from zdg_jax.hands.kinematics import posed_skin
    from zdg_jax.render.scene import Surface

    model = load_hand(grasps.hand)
    skins = posed_skin(model, grasps.hand_pose[index], grasps.joints[index])
    hands = {grasps.grasp_id[i]: skin for i, skin in zip(index, skins, strict=True)}
    write_scene(build_scene(Surface.of(obj.mesh), hands, model.skin_faces), folder / f"{name}_grasps.glb")


def _obj_text(mesh: trimesh.Trimesh) -> bytes:
    """OBJ with all digits of a double, so that the mesh that is read back is the one measured here."""
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in np.asarray(mesh.vertices, np.float64).tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (np.asarray(mesh.faces) + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def _write_mesh(mesh: trimesh.Trimesh, path: Path) -> None:
    write_atomic(path, _obj_text(mesh))


Writer = Callable[[Path, str, GraspFile, np.ndarray, MeasuredObject], None]
WRITERS: dict[str, Writer] = {"dexgraspbench": _dexgraspbench, "dexgraspnet": _dexgraspnet, "glb": _glb}
