"""Parts by name where people gave them: every face of the zoo, regions of labelled scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import trimesh
from jaxtyping import Bool, Int

from zdg_jax.errors import UserError
from zdg_jax.objects.descriptors import describe_part
from zdg_jax.objects.model import ObjectModel, Part
from zdg_jax.objects.scan_labels import scan_regions
from zdg_jax.objects.sources import YCB_PREFIX, ZOO_PREFIX
from zdg_jax.objects.zoo import zoo_object


@dataclass(frozen=True)
class NamedParts:
    """Attributes:
    names: of the parts.
    face_part: index into `names` of each face of the checked mesh.
    """

    names: tuple[str, ...]
    face_part: Int[np.ndarray, " faces"]

    def faces_of(self, names: Sequence[str]) -> Bool[np.ndarray, " faces"]:
        """Faces that belong to any of these parts.

        Raises:
          UserError: the object has no part of that name.
        """
        if unknown := sorted(set(names) - set(self.names)):
            raise UserError(f"part {unknown[0]!r}", f"one of {', '.join(self.names)}", "mend the label")
        return np.isin(self.face_part, [self.names.index(name) for name in names])

    def samples_of(self, obj: ObjectModel, names: Sequence[str]) -> Bool[np.ndarray, " samples"]:
        """Surface samples on any of these parts."""
        return self.faces_of(names)[obj.samples.faces]


def named_parts(obj: ObjectModel) -> NamedParts:
    """The labelled parts of a zoo object or of a labelled YCB scan.

    Raises:
      UserError: the object has no labels.
    """
    return parts_of_mesh(obj.object_id, obj.mesh, obj.scale)


def parts_of_mesh(object_id: str, mesh: trimesh.Trimesh, scale: float = 1.0) -> NamedParts:
    """The same from the checked mesh alone.

    Args:
      object_id: `zoo:CATEGORY/VARIANT` or `ycb:NAME`.
      mesh: checked, +y up.
      scale: by which it was multiplied.

    Raises:
      UserError: the object has no labels.
    """
    if object_id.startswith(ZOO_PREFIX):
        made = zoo_object(object_id.removeprefix(ZOO_PREFIX))
        if len(made.face_part) != len(mesh.faces):
            raise ValueError(f"{object_id}: the checks changed its faces; its labels no longer fit")
        return NamedParts(made.part_names, made.face_part)
    if object_id.startswith(YCB_PREFIX):
        centers = np.asarray(mesh.triangles_center) / scale
        normals = np.asarray(mesh.face_normals)
        names, face_part = scan_regions(object_id.removeprefix(YCB_PREFIX)).label(centers, normals)
        return NamedParts(names, face_part)
    raise UserError(
        f"{object_id} without labels", "a zoo: object or a labelled ycb: scan", "choose another object"
    )


def with_named_parts(obj: ObjectModel) -> tuple[ObjectModel, tuple[str, ...]]:
    """The object with its labelled parts in place of the geometric ones; part n has the n-th name.

    Thickness, through-holes and hollows are those of the geometric parts underneath.
    """
    named = named_parts(obj)
    present = [k for k in range(len(named.names)) if (named.face_part == k).any()]
    face_part = np.searchsorted(present, named.face_part) + 1
    area = obj.mesh.area_faces
    thickness, hole, concave = (np.zeros(len(face_part)) for _ in range(3))
    for part in obj.parts:
        thickness[part.faces] = part.descriptor.thickness
        hole[part.faces] = part.descriptor.hole_diameter
        concave[part.faces] = part.descriptor.concave
    parts = []
    for number in range(1, len(present) + 1):
        faces = np.flatnonzero(face_part == number)
        weight = area[faces] / area[faces].sum()
        held = float(hole[faces].max()) if weight[hole[faces] > 0].sum() > 0.5 else 0.0
        descriptor = describe_part(obj.mesh, faces, thickness, held, bool(weight @ concave[faces] > 0.5))
        parts.append(Part(number, faces, descriptor))
    made = replace(obj, parts=tuple(parts), face_part=face_part, sample_part=face_part[obj.samples.faces])
    return made, tuple(named.names[k] for k in present)
