"""Where the hand must not be: points in the air, off what is held."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import KDTree

from zdg_jax.objects import load_object, signed_distance
from zdg_jax.objects.free_space import ABOVE, CLEARANCE, MOST, OVER_MOUTH, TABLE, keep_free_points
from zdg_jax.objects.model import ObjectModel


@pytest.fixture(scope="module")
def mug() -> ObjectModel:
    return load_object("zoo:mug/0")


def _inside_part(obj: ObjectModel) -> int:
    return next(p.number for p in obj.parts if p.descriptor.concave)


def test_a_vessels_inside_is_the_air_in_it_and_over_its_mouth(mug: ObjectModel) -> None:
    number = _inside_part(mug)
    points = keep_free_points(mug, [number], np.zeros(len(mug.samples.points), bool))
    assert 100 < len(points) <= MOST
    assert signed_distance(mug.mesh, points).min() > 0.003
    top = mug.mesh.bounds[1, 1]
    over = points[points[:, 1] > top + 0.004]
    assert len(over) > 20
    assert points[:, 1].max() < top + OVER_MOUTH + 0.01
    # within the mouth, seen from above
    wall = mug.samples.points[mug.part_mask((number,))]
    reach = np.linalg.norm(wall[:, [0, 2]] - wall[:, [0, 2]].mean(axis=0), axis=1).max()
    assert np.linalg.norm((points - wall.mean(axis=0))[:, [0, 2]], axis=1).max() < reach
    # a thumb may hook over the rim
    tree = KDTree(wall)
    rim = points[(points[:, 1] > top - 0.012) & (points[:, 1] < top - 0.004)]
    assert len(rim) > 5
    assert tree.query(rim)[0].min() > 0.012


def test_over_a_part_points_stand_in_front_of_it_and_off_what_is_held() -> None:
    knife = load_object("zoo:knife/0")
    blade = max(knife.parts, key=lambda p: -p.descriptor.thickness)
    handle = next(p for p in knife.parts if p.number != blade.number)
    held = knife.part_mask((handle.number,))
    points = keep_free_points(knife, [blade.number], held)
    assert 0 < len(points) <= MOST
    own = knife.samples.points[knife.part_mask((blade.number,))]
    assert KDTree(own).query(points)[0].max() <= max(ABOVE) + 1e-9
    assert KDTree(knife.samples.points[held]).query(points)[0].min() >= CLEARANCE - max(ABOVE) - 1e-9
    assert signed_distance(knife.mesh, points).min() > 0


def test_the_table_lies_below_and_nothing_to_keep_free_is_no_point(mug: ObjectModel) -> None:
    held = np.ones(len(mug.samples.points), bool)
    points = keep_free_points(mug, [TABLE], held)
    assert points[:, 1].max() < mug.mesh.bounds[0, 1]
    assert keep_free_points(mug, [], held).shape == (0, 3)
