"""Openings of a held part: where they are, how large, and on which side the part is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from tests.refine.things import model_of
from zdg_jax.objects.free_space import LEAST_WIDTH, openings
from zdg_jax.objects.model import ObjectModel, Part
from zdg_jax.objects.parts.descriptors import describe_part

RING, TUBE = 0.030, 0.006


def ringed(mesh: trimesh.Trimesh) -> ObjectModel:
    """The mesh as one part that is a loop."""
    obj = model_of(mesh, "ring")
    faces = np.arange(len(obj.mesh.faces))
    known = describe_part(obj.mesh, faces, np.full(len(faces), TUBE), 2 * (RING - TUBE), False)
    return replace(obj, parts=(Part(1, faces, known),))


def test_of_a_ring_its_middle_axis_and_clear_width() -> None:
    (found,) = openings(ringed(trimesh.creation.torus(RING, TUBE)), (1,))
    assert np.linalg.norm(found.center) < 0.002
    assert abs(found.axis[2]) > 0.999
    assert found.size == pytest.approx(2 * (RING - TUBE), abs=0.002)
    radius = np.linalg.norm(found.edge, axis=1)
    assert radius == pytest.approx(RING - TUBE, abs=0.0025)


@pytest.mark.parametrize("seed", range(3))
def test_it_turns_and_moves_with_the_object(seed: int) -> None:
    turn = Rotation.random(random_state=seed).as_matrix()
    shift = np.random.default_rng(seed).uniform(-0.2, 0.2, 3)
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = turn, shift
    stretched = trimesh.creation.torus(RING, TUBE)
    stretched.vertices[:, 0] *= 1.5
    (there,) = openings(ringed(stretched), (1,))
    (found,) = openings(ringed(stretched.copy().apply_transform(place)), (1,))
    assert found.center == pytest.approx(turn @ there.center + shift, abs=0.002)
    assert abs(found.axis @ turn @ there.axis) > 0.99
    assert abs(found.across[0] @ turn[:, 0]) > 0.99
    assert found.size == pytest.approx(there.size, abs=0.003)


def test_no_opening_where_no_finger_fits_or_nothing_is_enclosed() -> None:
    small = trimesh.creation.torus(LEAST_WIDTH / 2 + TUBE - 0.002, TUBE)
    assert openings(ringed(small), (1,)) == []
    assert openings(ringed(trimesh.creation.box((0.1, 0.04, 0.02))), (1,)) == []
    assert openings(ringed(trimesh.creation.torus(RING, TUBE)), (2,)) == []


def test_the_bar_of_a_handle_is_away_from_the_body() -> None:
    """A ring sunk by half into a block: the part is on one side of its opening, the block on the other."""
    ring = trimesh.creation.torus(RING, TUBE, major_sections=64, minor_sections=24)
    block = trimesh.creation.box(
        (0.05, 0.12, 0.05), trimesh.transformations.translation_matrix([-0.025, 0, 0])
    )
    whole = model_of(trimesh.util.concatenate([ring, block]), "handle")
    of_ring = (whole.samples.points[:, 0] > 0.002).astype(int)
    faces = np.flatnonzero(whole.mesh.triangles_center[:, 0] > 0.002)
    known = describe_part(whole.mesh, faces, np.full(len(whole.mesh.faces), TUBE), RING - TUBE, False)
    obj = replace(whole, parts=(Part(2, faces, known),), sample_part=of_ring + 1)
    (found,) = openings(obj, (2,))
    assert found.bar[0] > 0.99
    assert found.size == pytest.approx([2 * (RING - TUBE), RING - TUBE], abs=0.003)
