"""Rotation composites and contact sheets."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.render.shapes import box, flat_hand
from zdg_jax.render.composite import (
    closing_prompt,
    finger_points,
    fused,
    oblique,
    other_side,
    rotation_prompt,
)
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import INDEX, SKIN, TARGET, THUMB, Surface, look, tinted
from zdg_jax.render.sheets import GraspPicture, grasp_sheet, viewpoints

UP, FORWARD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


def grasp(d_palm: np.ndarray, d_finger: np.ndarray) -> GraspPicture:
    vertices, _ = flat_hand()
    rotation = np.stack([d_finger, np.cross(d_palm, d_finger), d_palm], axis=1)
    return GraspPicture(
        vertices @ rotation.T, d_finger, d_palm, rotation[:, 1], "#1", ("P.Dep 0.1 cm", "P.Vol 1 cm³")
    )


@pytest.mark.parametrize(
    ("depth", "weight"), [(-0.05, 0.5), (0.05, 0.3)], ids=["hand behind", "hand in front"]
)
def test_what_is_hidden_shows_through(depth: float, weight: float) -> None:
    vertices, faces = flat_hand()
    wall = Surface.of(trimesh.creation.box([0.06, 0.2, 0.01]))
    hand = Surface.from_arrays(vertices + depth * FORWARD, faces, SKIN)
    camera = look(np.concatenate([wall.vertices, hand.vertices]), FORWARD, size=200)
    alone = [render(wall, camera), render(hand, camera)]
    opaque = render([wall, hand], camera)
    picture = fused(alone[0], alone[1], opaque)
    crossing = alone[0].mask & alone[1].mask
    assert crossing.sum() > 500
    np.testing.assert_array_equal(picture[~crossing], opaque.rgb[~crossing])
    behind = alone[0] if depth > 0 else alone[1]
    expected = (1 - weight) * opaque.rgb[crossing] + weight * behind.rgb[crossing]
    error = np.abs(picture[crossing] - expected).max(axis=1)
    assert np.median(error) <= 0.5  # all but the rim
    assert (error > 5).any()  # the rim


@pytest.mark.parametrize(
    "palm", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.8, 0.0, 0.6), (0.0, 0.0, -1.0), (-0.6, 0.8, 0.0)]
)
def test_no_palm_is_seen_edge_on(palm: tuple[float, float, float]) -> None:
    front, d_palm = np.array([0.0, 0.6, 0.8]), np.array(palm)
    turned = oblique(front, d_palm)
    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert abs(turned @ d_palm) > np.sin(np.radians(34.9))
    if abs(front @ d_palm) > 0.6:
        np.testing.assert_allclose(turned, front)
    else:
        assert turned @ d_palm < 0  # from the back of the hand


def test_one_panel_for_each_candidate() -> None:
    vertices, faces = flat_hand()
    turns = [trimesh.transformations.rotation_matrix(k * np.pi / 2, [0, 0, 1])[:3, :3] for k in range(4)]
    hands = [vertices @ turn.T for turn in turns]
    one = rotation_prompt(Surface.of(box()), hands[:1], faces, ["3"], FORWARD, size=100)
    four = rotation_prompt(Surface.of(box()), hands, faces, ["1", "2", "3", "4"], FORWARD, size=100)
    assert four.width > 4 * 100
    assert four.height > 2 * 100 > one.height
    top, bottom = np.asarray(four)[: four.height // 2], np.asarray(four)[four.height // 2 :]
    assert np.abs(top[:, :200].astype(int) - top[:, -200:]).max() > 50  # the hand turned
    assert np.abs(top.astype(int) - bottom[: len(top)]).max() > 50


@pytest.mark.parametrize("palm", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0), (-0.6, 0.8, 0.0)])
@pytest.mark.parametrize("front", [(0.0, 0.6, 0.8), (-0.8, 0.0, 0.6), (0.0, 1.0, 0.0)])
def test_the_second_camera_is_another_and_sees_no_hand_end_on(palm: tuple, front: tuple) -> None:
    d_palm, first = np.array(palm), np.array(front)
    x = np.cross(d_palm, [0.3, 0.2, 0.9])
    x /= np.linalg.norm(x)
    fingers = [x, np.cross(d_palm, x), -x, -np.cross(d_palm, x)]
    second = other_side(first, d_palm, fingers)
    assert np.linalg.norm(second) == pytest.approx(1.0)
    assert second[1] == pytest.approx(np.sin(np.radians(25.0)))
    assert abs(second @ first) <= np.cos(np.radians(50.0)) + 1e-9
    assert max(abs(second @ finger) for finger in fingers) < np.cos(np.radians(25.0))


def test_closed_hands_have_the_panels_of_the_open_ones() -> None:
    vertices, faces = flat_hand()
    turn = trimesh.transformations.rotation_matrix(np.pi / 2, [0, 0, 1])[:3, :3]
    hands = [vertices, vertices @ turn.T]
    closed = [hand * np.array([1.0, 1.0, 0.5]) for hand in hands]
    fingers, more = [turn[:, 0], turn[:, 1]], {"d_palm": FORWARD, "size": 96}
    first = rotation_prompt(Surface.of(box()), hands, faces, ["2", "4"], UP, d_finger=fingers, **more)
    second = closing_prompt(Surface.of(box()), hands, closed, faces, ["2", "4"], UP, d_finger=fingers, **more)
    assert first.size == second.size
    left, right = (np.asarray(second)[:, i : i + 96].astype(int) for i in (12, 12 + 98))
    assert np.abs(left - right).max() > 50
    with pytest.raises(ValueError, match="1 hands and 2 labels"):
        closing_prompt(Surface.of(box()), hands, closed[:1], faces, ["2", "4"], UP, d_finger=fingers, **more)


def test_labels_and_hands_must_match() -> None:
    vertices, faces = flat_hand()
    with pytest.raises(ValueError, match="1 hands and 2 labels"):
        rotation_prompt(Surface.of(box()), [vertices], faces, ["1", "2"], FORWARD)
    with pytest.raises(ValueError, match="0 hands"):
        rotation_prompt(Surface.of(box()), [], faces, [], FORWARD)


@pytest.mark.parametrize("d_palm", [UP, -UP, FORWARD, -FORWARD, np.array([0.6, 0.0, 0.8])])
def test_viewpoints_are_three_different_sides(d_palm: np.ndarray) -> None:
    d_finger = np.array([0.8, 0.0, -0.6])
    if abs(d_palm @ d_finger) > 1e-6:
        d_finger = UP  # fingers up, palm level
    fronts = np.array(viewpoints(grasp(d_palm, d_finger)))
    units = fronts / np.linalg.norm(fronts, axis=1, keepdims=True)
    assert np.isfinite(units).all()
    cosines = (units @ units.T)[np.triu_indices(3, 1)]
    assert cosines.max() < np.cos(np.radians(25))
    assert units[2, 1] == pytest.approx(np.sqrt(0.5), abs=1e-6)  # 45 degrees above


def test_sheet_holds_a_card_for_each_grasp_and_shows_the_target() -> None:
    mesh = box()
    surface = Surface.of(mesh, tinted(mesh.triangles_center[:, 0] > 0))
    _, faces = flat_hand()
    grasps = [grasp(-UP, np.array([1.0, 0.0, 0.0])), grasp(-FORWARD, UP), grasp(UP, FORWARD)]
    sheet = grasp_sheet(surface, grasps, faces, size=80)
    assert sheet.width > 6 * 80
    assert sheet.height > 2 * 80
    pixels = np.asarray(sheet).reshape(-1, 3).astype(float)
    blue = (pixels[:, 2] > 1.3 * pixels[:, 0]).sum()
    skin = (pixels[:, 0] > 1.3 * pixels[:, 2]).sum()
    assert blue > 200
    assert skin > 1000
    assert TARGET[2] > TARGET[0]
    with pytest.raises(ValueError, match="no grasps"):
        grasp_sheet(surface, [], faces)


def test_the_picture_is_cut_to_the_hand_and_its_forearm_shows() -> None:
    long = box()
    long.apply_scale([1.0, 1.0, 12.0])
    hand = trimesh.creation.box(extents=(0.16, 0.06, 0.03))
    vertices, faces = np.asarray(hand.vertices) + np.array([0.0, 0.06, 0.0]), np.asarray(hand.faces)
    side = [1.0, 0.0, 0.2]
    focus, finger = np.zeros((1, 3)), [np.array([0.0, 0.0, 1.0])]
    plain, cut, arm = (
        np.asarray(rotation_prompt(Surface.of(long), [vertices], faces, ["1"], side, size=96, **more)).astype(
            int
        )
        for more in ({}, {"focus": focus}, {"focus": focus, "d_finger": finger})
    )
    skin = [np.abs(p - np.array(SKIN) * 230).max(axis=2) < 45 for p in (plain, cut)]
    assert skin[1].sum() > 2 * skin[0].sum()  # the hand is larger
    assert (np.abs(arm - cut).max(axis=2) > 40).mean() > 0.02


def test_points_are_marked_where_they_are() -> None:
    wall = Surface.of(trimesh.creation.box([0.1, 0.1, 0.01]))
    camera = look(wall.vertices, FORWARD, size=200)
    points = np.array([[-0.03, 0.0, 0.0], [0.03, 0.01, -0.05]])  # one of them behind the wall
    before = Image.fromarray(render(wall, camera).rgb)
    rgb = np.asarray(finger_points(before, camera, points, 18.0)).astype(int)
    changed = (rgb != np.asarray(before)).any(axis=2)
    v, u = np.nonzero(changed)
    places = camera.project(points)[0]
    nearest = np.linalg.norm(np.stack([u, v], axis=1)[:, None] - places, axis=2)
    assert nearest.min(axis=1).max() < 12.0
    for k, colour in enumerate((THUMB, INDEX)):
        ring = (nearest[:, k] > 5.0) & (nearest[:, k] < 6.5)  # between letter and rim
        shown = rgb[v[ring], u[ring]]
        np.testing.assert_allclose(np.median(shown, axis=0), 255 * np.array(colour), atol=2)
