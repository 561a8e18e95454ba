"""Which way a mesh file stands: said to the user, and a guess at the axis where it lies on its side."""

from __future__ import annotations

import numpy as np
import trimesh

from zdg_jax.objects.sources import PREFIXES

#: Of the height: what is this near to the lowest point rests on the ground.
_NEAR = 0.01
#: Share of the footprint that a foot at least rests on, and by how much another axis must be better.
_FOOT, _BETTER = 0.3, 3.0


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
        return ("taken as +y up, but it looks as if it stood on its z axis: if so, add --up z",)
    return ("taken as +y up; if the file is +z up, as many robots' meshes are, add --up z",)


def _resting(mesh: trimesh.Trimesh, axis: int) -> float:
    """Area of the faces that lie on the ground and look down, over the area of the box's footprint."""
    low, high = mesh.bounds
    height = (high - low)[axis]
    on_ground = mesh.triangles[:, :, axis].max(axis=1) < low[axis] + _NEAR * height
    down = mesh.face_normals[:, axis] < -0.9
    footprint = np.prod(np.delete(high - low, axis))
    return float(mesh.area_faces[on_ground & down].sum() / max(footprint, 1e-12))
