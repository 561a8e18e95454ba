"""The object's numbers as every stage's facts carry them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from zdg_jax.objects.model import ObjectModel, Part
from zdg_jax.reasoning.facts import ObjectFacts, PartFacts, Vec3
from zdg_jax.reasoning.region import measure


def vec3(values: Float[np.ndarray, "3"]) -> Vec3:
    """Three floats as a plain tuple."""
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def part_neighbours(obj: ObjectModel) -> dict[int, tuple[int, ...]]:
    """For each part number, the parts whose faces share a mesh edge with it, ascending."""
    pairs = obj.face_part[obj.mesh.face_adjacency]
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    touching: dict[int, set[int]] = {part.number: set() for part in obj.parts}
    for a, b in pairs.tolist():
        touching[a].add(b)
        touching[b].add(a)
    return {number: tuple(sorted(others)) for number, others in touching.items()}


def object_facts(obj: ObjectModel) -> ObjectFacts:
    """Size, axes and parts of the object, metres, object frame."""
    whole = measure(obj.samples.points)
    touching = part_neighbours(obj)
    return ObjectFacts(
        extents=vec3(obj.mesh.extents),
        long_axis=vec3(whole.axis),
        principal_extents=vec3(whole.extents),
        center=vec3(whole.center),
        parts=tuple(_part_facts(part, touching[part.number]) for part in obj.parts),
    )


def _part_facts(part: Part, neighbours: tuple[int, ...]) -> PartFacts:
    d = part.descriptor
    return PartFacts(
        number=part.number,
        center=vec3(d.center),
        axis=vec3(d.axis),
        extents=vec3(d.extents),
        elongation=float(d.elongation),
        flatness=float(d.flatness),
        thickness=float(d.thickness),
        area_share=float(d.area_share),
        relative_center=vec3(d.relative_center),
        axial_position=float(d.axial_position),
        is_loop=bool(d.is_loop),
        hole_diameter=float(d.hole_diameter),
        end_distance=float(d.end_distance),
        concave=bool(d.concave),
        neighbours=neighbours,
    )
