"""The objects of viewed grasps: mesh, colour of each face by what the task asked for, samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from pipelines.formats.objects import load_measured
from pipelines.report.table import ViewFile
from zdg_jax.errors import UserError
from zdg_jax.objects.paint import Paint


@dataclass(frozen=True)
class Seen:
    """What a page shows of an object.

    Attributes:
      vertices, faces: metres, object frame.
      face_part: part of each face, None if not known.
      paint: the object's own colours, None if it has none or they are not known.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    face_part: Int[np.ndarray, " f"] | None
    paint: Paint | None = None

    def painted(self, chosen: Bool[np.ndarray, " f"]) -> trimesh.Trimesh | None:
        """Some faces in the object's own colours, textures as they are at corners; None where it has none.

        glTF, by which the page gets them, holds colours of linear light: c = ((s + 0.055) / 1.055)^2.4.
        """
        if self.paint is None:
            return None
        corners = self.vertices[self.faces[chosen]].reshape(-1, 3)
        shown = self.paint.corners[chosen].reshape(-1, 3)
        linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
        rgb = np.rint(255 * linear).astype(np.uint8)
        faces = np.arange(len(corners)).reshape(-1, 3)
        return trimesh.Trimesh(corners, faces, vertex_colors=rgb, process=False)

    def target(self, parts: Sequence[int]) -> Bool[np.ndarray, " f"]:
        """Faces of these parts."""
        if self.face_part is None or not parts:
            return np.zeros(len(self.faces), bool)
        return np.isin(self.face_part, parts)

    def is_part(self, number: int) -> Bool[np.ndarray, " f"]:
        """Faces of one part."""
        return self.target((number,))

    def distance(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Unsigned distance of points to the surface, metres."""
        import igl

        squared = igl.point_mesh_squared_distance(points, self.vertices, self.faces)[0]
        return np.sqrt(squared)


@dataclass
class Objects:
    """Loads each object once.

    Attributes:
      roots: where other people's meshes are.
      lost: by file and object, why there is no mesh.
    """

    roots: Path | None = None
    lost: dict[tuple[str, str], str] = field(default_factory=dict)
    _known: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def of(self, file: ViewFile, key: str) -> Seen | None:
        """The object; None if its mesh can't be found, which `lost` explains."""
        place = (file.grasps.path, key)
        if place not in self._known and place not in self.lost:
            try:
                self._known[place] = self._load(file, key)
            except UserError as error:
                self.lost[place] = str(error)
        return self._known.get(place)

    def _load(self, file: ViewFile, key: str) -> Seen:
        if file.info is not None:
            from pipelines.evaluate import object_again

            obj = object_again(key, dict(file.info), file.sha[key])
            return Seen(np.asarray(obj.mesh.vertices), np.asarray(obj.mesh.faces), obj.face_part, obj.paint)
        folder = Path(file.grasps.path).expanduser()
        found = load_measured(
            file.grasps.objects[key], folder if folder.is_dir() else folder.parent, self.roots
        )
        return Seen(np.asarray(found.mesh.vertices), np.asarray(found.mesh.faces), None)
