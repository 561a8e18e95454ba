"""Stage 1: an object, once; everything below is kept by content, here and on disk."""

from __future__ import annotations

from dataclasses import replace

from pipelines.drivers.files import Folder
from pipelines.drivers.tasks import TaskSpec
from pipelines.options import Settings
from pipelines.stages.messages import PreparedObject
from sim_eval.simobject import convex_pieces
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.objects.samples import with_features
from zdg_jax.objects.sources import PREFIXES

MESHES = "meshes"


def loaded(spec: TaskSpec, options: Settings) -> ObjectModel:
    """The object of a task, with the features that lifting uses.

    Raises:
      UserError: what the mesh or the features lack.
    """
    obj = load_object(spec.object, scale=spec.scale, up=spec.up, name=spec.name, seed=options.seed)
    return with_features(obj, options.features)


class PrepareStage:
    """Loads, checks, samples, segments and cuts objects, and stores their meshes by content hash."""

    def __init__(self, options: Settings, out: Folder | None = None) -> None:
        """Args:
        options: seed of the surface samples, features.
        out: where meshes go; None stores none.
        """
        self._options, self._out = options, out

    def prepare(self, spec: TaskSpec) -> PreparedObject:
        """The object of a task; one that its name does not tell from others has its hash in its id.

        Raises:
          UserError: what the mesh lacks.
        """
        obj = loaded(spec, self._options)
        if spec.scale != 1.0 or spec.up is not None or not spec.object.startswith(PREFIXES):
            # Many collections call every mesh alike.
            obj = replace(obj, object_id=f"{obj.object_id}-{obj.looks_sha256[:8]}")
        try:
            pieces = convex_pieces(obj.mesh)
        except ValueError:  # the simulation says why, row by row
            pieces = None
        if self._out is not None:
            self._store(obj)
        return PreparedObject(obj, pieces)

    def _store(self, obj: ObjectModel) -> None:
        assert self._out is not None
        name = mesh_name(obj.mesh_sha256)
        if not self._out.exists(name):
            data = obj.mesh.export(file_type="ply")
            assert isinstance(data, bytes)
            self._out.write(name, data)


def mesh_name(sha: str) -> str:
    """Where a mesh lies: metres, +y up, binary PLY; `sha` is the rows' `mesh_sha256`."""
    return f"{MESHES}/{sha}.ply"
