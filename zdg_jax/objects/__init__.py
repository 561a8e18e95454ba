"""Objects: mesh sources and checks, surface samples, parts, features, distance fields."""

from __future__ import annotations

from zdg_jax.objects.fields import build_point_distance_grid, build_sdf_grid, closest_points, signed_distance
from zdg_jax.objects.load import load_object
from zdg_jax.objects.lookup import lookup, lookup_cells, pack_cells
from zdg_jax.objects.model import (
    DistanceGrid,
    ObjectModel,
    Part,
    PartDescriptor,
    SurfaceSamples,
)
from zdg_jax.objects.sources import load_mesh_source, ycb_names

__all__ = [
    "DistanceGrid",
    "ObjectModel",
    "Part",
    "PartDescriptor",
    "SurfaceSamples",
    "build_point_distance_grid",
    "build_sdf_grid",
    "closest_points",
    "load_mesh_source",
    "load_object",
    "lookup",
    "lookup_cells",
    "pack_cells",
    "signed_distance",
    "ycb_names",
]
