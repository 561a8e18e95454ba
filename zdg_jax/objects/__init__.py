"""Objects: mesh sources and checks, surface samples, parts, features, distance fields."""

from __future__ import annotations

from zdg_jax.objects.load import load_object
from zdg_jax.objects.model import (
    ObjectModel,
    Part,
    PartDescriptor,
    SignedDistanceField,
    SurfaceSamples,
)
from zdg_jax.objects.sdf.build import build_signed_distance_field, field_values
from zdg_jax.objects.sdf.mesh_distance import closest_points, signed_distance
from zdg_jax.objects.sources import load_mesh_source, ycb_names

__all__ = [
    "ObjectModel",
    "Part",
    "PartDescriptor",
    "SignedDistanceField",
    "SurfaceSamples",
    "build_signed_distance_field",
    "closest_points",
    "field_values",
    "load_mesh_source",
    "load_object",
    "signed_distance",
    "ycb_names",
]
