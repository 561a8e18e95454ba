"""The benchmark's meshes as they are measured, without the parts and fields that synthesis needs."""

from __future__ import annotations

from functools import lru_cache

from pipelines.formats.grasp_file import ObjectSource
from pipelines.formats.objects import MeasuredObject, load_measured
from zdg_jax.objects.sources import ZOO_PREFIX


@lru_cache(maxsize=8)
def benchmark_mesh(spec: str) -> MeasuredObject:
    """The checked mesh and the 4096 samples of `load_object(spec)`.

    Args:
      spec: `zoo:CATEGORY/VARIANT` or `ycb:NAME`.

    Raises:
      UserError: no such object.
    """
    from pathlib import Path

    up = "y" if spec.startswith(ZOO_PREFIX) else "z"
    return load_measured(ObjectSource(spec, path=spec, up=up), Path(), None)
