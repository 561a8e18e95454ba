"""P.Dep and P.Vol where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim_eval.metrics.penetration import (
    collision_depth,
    object_depth,
    penetration_depth,
    penetration_volume,
    voxel_volume,
)
from sim_eval.solids import as_manifold
from tests.sim_eval.helpers import box, grasps, hand, sphere
from zdg_jax.hands import load_hand
from zdg_jax.hands.io.link_solids import collision_points
from zdg_jax.hands.io.model_files import hand_source
from zdg_jax.hands.io.sdf_solids import solid_distance, solid_geoms
from zdg_jax.hands.kinematics import posed, posed_points, posed_skin
from zdg_jax.objects import signed_distance
from zdg_jax.objects.sdf.mesh_distance import winding_number
from zdg_jax.pose import IDENTITY


def arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def lens(r: float, s: float, d: float) -> float:
    """Volume common to two balls of radius r and s, centres d apart."""
    return np.pi * (r + s - d) ** 2 * (d * d + 2 * d * (r + s) - 3 * (r - s) ** 2) / (12 * d)


def exact(skin: trimesh.Trimesh, obj: trimesh.Trimesh) -> float:
    found = penetration_volume(*arrays(skin), obj, as_manifold(*arrays(obj)))
    assert found.method == "exact"
    return found.cm3


def depth(skin: trimesh.Trimesh, obj: trimesh.Trimesh) -> float:
    return float(penetration_depth(signed_distance(obj, np.asarray(skin.vertices))[None])[0])


@pytest.mark.parametrize("gap", [0.035, 0.042, 0.048])
def test_balls(gap):
    skin, obj = sphere(0.02, (gap, 0, 0)), sphere(0.03)
    np.testing.assert_allclose(depth(skin, obj), 100 * (0.05 - gap), rtol=0.01)
    np.testing.assert_allclose(
        object_depth(*arrays(skin), np.asarray(obj.vertices)), 100 * (0.05 - gap), rtol=0.01
    )
    np.testing.assert_allclose(exact(skin, obj), 1e6 * lens(0.02, 0.03, gap), rtol=0.01)
    np.testing.assert_allclose(
        voxel_volume(*arrays(skin), obj, 0.0005), exact(skin, obj), rtol=0.01, atol=0.01
    )


def test_boxes():
    skin, obj = box((0.02, 0.02, 0.02), (0.05 + 0.007, 0.0, 0.0)), box((0.1, 0.1, 0.1))
    np.testing.assert_allclose(depth(skin, obj), 0.3, rtol=1e-6)
    np.testing.assert_allclose(exact(skin, obj), 0.3 * 2 * 2, rtol=1e-6)
    np.testing.assert_allclose(voxel_volume(*arrays(skin), obj, 0.001), 1.2, rtol=1e-6)


def test_apart_and_inside():
    ball = sphere(0.01, level=3)
    assert depth(sphere(0.01, (1, 0, 0), 3), ball) == 0.0
    assert exact(sphere(0.01, (1, 0, 0), 3), ball) == 0.0
    assert voxel_volume(*arrays(sphere(0.01, (1, 0, 0), 3)), ball) == 0.0
    assert object_depth(*arrays(ball), np.asarray(sphere(0.01, (1, 0, 0), 3).vertices)) == 0.0
    block = box((0.1, 0.1, 0.1))
    np.testing.assert_allclose(exact(ball, block), 1e6 * ball.volume, rtol=1e-6)
    np.testing.assert_allclose(
        depth(ball, block), 5.0 - 100 * np.abs(ball.vertices).max(axis=1).min(), rtol=1e-6
    )


def test_a_thin_blade_is_seen_from_the_object():
    """It passes between the skin's vertices: P.Dep is blind, object_depth is not."""
    skin, obj = box((0.04, 0.04, 0.04)), box((0.1, 0.001, 0.1)).subdivide().subdivide().subdivide()
    assert depth(skin, obj) == 0.0
    np.testing.assert_allclose(object_depth(*arrays(skin), np.asarray(obj.vertices)), 1.95, rtol=0.1)
    np.testing.assert_allclose(exact(skin, obj), 4 * 4 * 0.1, rtol=1e-4)


def test_hand_pressed_into_a_block():
    """Exact booleans against an independent count of voxels; depth against the half space."""
    model, block = hand(), box((0.3, 0.3, 0.3), (0.0, -0.15, 0.0))
    pose = np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    joints = np.stack([t.joints for t in model.grasp_types.values()])
    skins = posed_skin(model, np.repeat(pose, len(joints), axis=0), joints)
    skins = skins - np.array([0, 1, 0]) * (skins[..., 1].min(axis=1)[:, None, None] + 0.008)
    solid = as_manifold(*arrays(block))
    for skin in skins:
        volume = penetration_volume(skin, model.skin_faces, block, solid)
        assert volume.method == "exact"
        assert volume.cm3 > 0.5
        np.testing.assert_allclose(voxel_volume(skin, model.skin_faces, block, 0.001), volume.cm3, rtol=0.02)
        np.testing.assert_allclose(penetration_depth(signed_distance(block, skin)[None]), 0.8, rtol=1e-4)


def test_turning_everything_changes_nothing():
    obj = trimesh.creation.capsule(height=0.1, radius=0.02, count=(32, 32))
    pose, joints = grasps(obj, 3, seed=2)
    model = hand()
    skins = posed_skin(model, pose, joints)
    R, t = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix(), np.array([0.2, -0.1, 0.4])
    turned = trimesh.Trimesh(np.asarray(obj.vertices) @ R.T + t, obj.faces, process=False)
    for skin in skins:
        moved = skin @ R.T + t
        before = penetration_volume(skin, model.skin_faces, obj, as_manifold(*arrays(obj))).cm3
        after = penetration_volume(moved, model.skin_faces, turned, as_manifold(*arrays(turned))).cm3
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)
        a, b = signed_distance(obj, skin), signed_distance(turned, moved)
        np.testing.assert_allclose(
            penetration_depth(b[None]), penetration_depth(a[None]), rtol=1e-6, atol=1e-9
        )
        samples = np.asarray(obj.vertices)
        np.testing.assert_allclose(
            object_depth(moved, model.skin_faces, samples @ R.T + t),
            object_depth(skin, model.skin_faces, samples),
            rtol=1e-5,
            atol=1e-9,
        )


def test_an_open_object_falls_back_to_voxels_and_says_so():
    obj = sphere(0.03, level=4)
    whole = exact(sphere(0.02, (0.03, 0, 0), 4), obj)
    obj.update_faces(np.arange(len(obj.faces)) != 7)  # one face missing
    skin = sphere(0.02, (0.03, 0, 0), 4)
    assert as_manifold(*arrays(obj)) is None
    found = penetration_volume(*arrays(skin), obj, None)
    assert found.method == "voxel"
    np.testing.assert_allclose(found.cm3, whole, rtol=0.05)


def test_depth_of_nan_is_nan():
    phi = np.array([[0.1, np.nan], [0.1, -0.02]])
    np.testing.assert_array_equal(np.isnan(penetration_depth(phi)), [True, False])


def test_winding_number_counts_solids():
    both = sphere(1.0, level=2) + sphere(1.0, (0.5, 0, 0), 2)
    np.testing.assert_allclose(
        winding_number(*arrays(both), np.array([[0.25, 0, 0], [-0.8, 0, 0], [5.0, 0, 0]])),
        [2, 1, 0],
        atol=0.02,
    )


def test_depth_of_collision_points_in_a_block_is_the_known_one_and_bad_rows_stay_alone() -> None:
    block = box((0.1, 0.1, 0.1))
    points = np.array([[[0.0, 0.0, 0.047], [0.0, 0.2, 0.0]], [[0.0, 0.051, 0.0], [1.0, 1.0, 1.0]]])
    np.testing.assert_allclose(collision_depth(block, points), [0.3, 0.0], atol=1e-9)
    points[1, 0, 0] = np.nan
    got = collision_depth(block, points)
    np.testing.assert_allclose(got[0], 0.3)
    assert np.isnan(got[1])
    np.testing.assert_array_equal(collision_depth(block, points[:1] + 1.0), [0.0])


@pytest.mark.parametrize("name", ["human16", "shadow"])
def test_collision_points_lie_on_the_models_geoms(name: str) -> None:
    """Oracle: signed distance to the geoms; points are posed as spheres are."""
    model = load_hand(name)
    points, link = collision_points(model)
    source = hand_source(model).model
    for i in np.unique(link):
        body = source.body(model.link_names[i]).id
        off = solid_distance(source, solid_geoms(source, [body])[body])(points[link == i])
        assert np.abs(off).max() < 0.0005, model.link_names[i]  # round geoms are inscribed polyhedra
    assert len(points) < 4000
    q = model.open_joints
    placed = posed_points(model, IDENTITY, q, model.sphere_link, model.p_link_sphere)
    np.testing.assert_array_equal(placed, posed(model, IDENTITY, q, "sphere"))


def test_what_stands_in_shadows_palm_boxes_is_deep() -> None:
    """A peg whose end is 2 mm inside the palm's foremost corner: the depth is the corner's in the peg."""
    model = load_hand("shadow")
    points, link = collision_points(model)
    at = posed_points(model, IDENTITY, model.open_joints, link, points)
    palm = at[link == model.link_names.index("rh_palm")]
    top = palm[(palm @ model.R_base_palm[:, 2]).argmax()]
    peg = trimesh.creation.box((0.02, 0.02, 0.02))  # z: along D_palm
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = model.R_base_palm, top + 0.008 * model.R_base_palm[:, 2]
    peg.apply_transform(T)
    assert collision_depth(peg, at[None])[0] == pytest.approx(0.2, abs=0.01)
