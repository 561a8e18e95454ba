"""Spheres against the collision shapes that they stand for."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from zdg_jax.hands import load_hand
from zdg_jax.hands.io.covering import STAND_OUT, candidates, cover_all, reachable, surface_points
from zdg_jax.hands.io.hand_spec import read_card
from zdg_jax.hands.io.kinematic_tree import hand_tree
from zdg_jax.hands.io.link_solids import palmar_side
from zdg_jax.hands.io.model_files import hand_source
from zdg_jax.hands.io.sdf_solids import geom_distance, geom_mesh, solid_distance, solid_geoms
from zdg_jax.hands.load import card_path

GEOMS = """<mujoco><worldbody><body>
<geom type="sphere" size="0.01"/><geom type="ellipsoid" size="0.01 0.02 0.015"/>
<geom type="capsule" size="0.008 0.02" pos="0.1 0 0" euler="30 10 0"/><geom type="cylinder" size="0.01 0.02"/>
<geom type="box" size="0.01 0.02 0.03" pos="0 0.1 0" euler="0 20 50"/>
</body></worldbody></mujoco>"""


def outside_of_spheres(name: str) -> dict[str, np.ndarray]:
    """How far palmar points of each link's collision shapes lie outside its spheres, metres."""
    hand, card = load_hand(name), read_card(card_path(name))
    model = hand_source(hand).model
    keep = list(hand_tree(model, card).bodies)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    rest = data.xmat[keep].reshape(-1, 3, 3)
    found = {}
    for body, geoms in solid_geoms(model, keep).items():
        i = keep.index(body)
        own = hand.sphere_link == i
        if not own.any():
            continue
        points, normals = surface_points(model, geoms, 0.0021)  # others than those that were fitted to
        side = palmar_side(normals, np.full(len(points), i), card, rest, hand.link_names) ** 2
        gap = np.linalg.norm(points[:, None] - hand.p_link_sphere[own], axis=2) - hand.sphere_radius[own]
        distance = solid_distance(model, geoms)
        found[hand.link_names[i]] = gap.min(axis=1)[(side > 0.3) & reachable(distance, points, normals)]
        depth = -distance(hand.p_link_sphere[own])
        if name != "human16":  # its spheres come from its builder
            assert (hand.sphere_radius[own] - depth).max() < STAND_OUT + 2e-5
    return found


@pytest.mark.slow
def test_shadows_phalanges_are_covered_to_a_millimetre_and_its_palm_to_two() -> None:
    """Palmar points (normal within some 70 degrees of the palmar direction) that something can touch."""
    hand, found = load_hand("shadow"), outside_of_spheres("shadow")
    phalanges = {name for members in hand.finger_links.values() for name in members[-3:]}
    fingers = np.concatenate([gap for name, gap in found.items() if name in phalanges])
    palm = np.concatenate([gap for name, gap in found.items() if name not in phalanges])
    assert np.quantile(fingers, 0.97) < 0.001
    assert np.quantile(palm, 0.97) < 0.002
    assert fingers.max() < 0.0025
    assert palm.max() < 0.0030
    assert np.maximum(palm, 0.0).mean() < 0.0006
    assert len(hand.sphere_radius) <= 496


@pytest.mark.parametrize("g", range(5))
def test_meshes_of_geoms_lie_on_their_surfaces(g: int) -> None:
    """Oracle: the signed distance, which other tests hold against MuJoCo."""
    model = mujoco.MjSpec.from_string(GEOMS).compile()
    mesh = geom_mesh(model, g)
    off = geom_distance(model, g)(np.asarray(mesh.vertices))
    np.testing.assert_allclose(off, 0.0, atol=2e-4)
    assert mesh.is_watertight
    assert mesh.volume > 0


def test_a_box_is_covered_on_its_palmar_face_edges_and_corners() -> None:
    model = mujoco.MjSpec.from_string(
        '<mujoco><worldbody><body><geom type="box" size="0.02 0.03 0.008"/></body></worldbody></mujoco>'
    ).compile()
    points, normals = surface_points(model, [0])
    shape = candidates(geom_distance(model, 0), points, normals, normals[:, 2], finger=True)
    (chosen,) = cover_all([shape])
    x, y = np.meshgrid(np.linspace(-0.02, 0.02, 81), np.linspace(-0.03, 0.03, 121))
    face = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.008)], axis=1)
    gap = np.linalg.norm(face[:, None] - shape.center[chosen], axis=2) - shape.radius[chosen]
    assert gap.min(axis=1).max() < 0.0014  # between the points that were fitted to
    assert np.quantile(gap.min(axis=1), 0.99) < 0.001
    assert len(chosen) < 130
