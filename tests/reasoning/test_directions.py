"""The 18 directions of III-B."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reasoning.things import camera_from, hammer, turn_about_y
from zdg_jax.objects.region import Region
from zdg_jax.reasoning.stages.direction import (
    CARDINALS,
    NAMES,
    OPPOSITE,
    candidate_directions,
    in_words,
    turning_axis,
)

OBJ = hammer(200)
C = np.array([0.01, 0.02, -0.01])
FRONTS = [(0.0, 0.0, 1.0), (0.3, 0.5, 0.7), (-1.0, 0.2, 0.0), (0.0, -0.8, -0.5)]


def test_eighteen_names() -> None:
    assert len(NAMES) == len(set(NAMES)) == 18
    assert NAMES[:6] == CARDINALS
    assert not any(OPPOSITE[name.split("-")[0]] == name.split("-")[1] for name in NAMES[6:])


@pytest.mark.parametrize("front", FRONTS)
def test_follow_the_formulas(front: tuple[float, float, float]) -> None:
    camera = camera_from(front, OBJ.mesh)
    d = candidate_directions(C, camera)
    assert tuple(d) == NAMES
    np.testing.assert_allclose([np.linalg.norm(v) for v in d.values()], 1, atol=1e-12)
    to_camera = camera.p_world_cam - C
    np.testing.assert_allclose(d["front"], to_camera / np.linalg.norm(to_camera), atol=1e-12)
    np.testing.assert_array_equal(d["above"], [0, 1, 0])
    for name in CARDINALS:
        np.testing.assert_allclose(d[name], -d[OPPOSITE[name]], atol=1e-12)
    right = np.cross(d["front"], d["above"])
    np.testing.assert_allclose(d["right"], right / np.linalg.norm(right), atol=1e-12)
    for name in NAMES[6:]:
        a, b = (d[part] for part in name.split("-"))
        np.testing.assert_allclose(d[name], (a + b) / np.linalg.norm(a + b), atol=1e-12)


@pytest.mark.parametrize("angle", [0.3, 2.0, -1.1])
def test_turn_with_the_scene_about_up(angle: float) -> None:
    R = turn_about_y(angle)
    camera = camera_from((0.3, 0.5, 0.7), OBJ.mesh)
    turned = type(camera)(
        R @ camera.p_world_cam, R @ camera.R_world_cam, camera.focal, camera.width, camera.height
    )
    before, after = candidate_directions(C, camera), candidate_directions(R @ C, turned)
    for name in NAMES:
        np.testing.assert_allclose(after[name], R @ before[name], atol=1e-12)


@pytest.mark.parametrize("front", [(0.0, 1.0, 0.0), (0.0, -1.0, 0.0)])
def test_vertical_camera_keeps_a_right(front: tuple[float, float, float]) -> None:
    camera = camera_from(front, OBJ.mesh)
    below_it = camera.p_world_cam - 0.5 * np.array(front)
    d = candidate_directions(below_it, camera)
    assert all(np.isfinite(v).all() and abs(np.linalg.norm(v) - 1) < 1e-9 for v in d.values())
    np.testing.assert_allclose(d["right"], -camera.R_world_cam[:, 0], atol=1e-12)


def test_words_say_where_it_is_in_the_picture() -> None:
    camera = camera_from((0.0, 0.0, 1.0), OBJ.mesh)
    d = candidate_directions(np.zeros(3), camera)
    assert in_words(d["front"], camera) == "on your side; level with C"
    assert in_words(d["behind"], camera) == "on the far side; level with C"
    assert in_words(d["right"], camera) == "to the left in the picture; level with C"
    assert in_words(d["above"], camera) == "further up in the picture; straight above C"
    below = "on the far side and further down in the picture; 45 degrees below the level of C"
    assert in_words(d["behind-below"], camera) == below


@pytest.mark.parametrize("degrees", [10.0, 20.0, 26.0, 35.0, 48.0, 60.0])
def test_no_two_directions_have_the_same_words(degrees: float) -> None:
    """From high above, as flat things are seen, "front" and "front-above" are both "on your side"."""
    angle = np.deg2rad(degrees)
    camera = camera_from((0.0, np.sin(angle), np.cos(angle)), OBJ.mesh)
    center = camera.p_world_cam - 0.5 * np.array([0.0, np.sin(angle), np.cos(angle)])
    said = [in_words(v, camera) for v in candidate_directions(center, camera).values()]
    assert len(set(said)) == len(NAMES)


def test_turns_of_a_stubby_region_whose_axis_is_near_the_palm_s_begin_along_its_second() -> None:
    c, s = np.cos(0.5), np.sin(0.5)
    axes = np.array([[c, 0.0, s], [-s, 0.0, c], [0.0, 1.0, 0.0]])
    grip = Region(np.zeros(3), axes, np.array([0.093, 0.066, 0.026]))
    ahead, across = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    np.testing.assert_array_equal(turning_axis(grip, ahead), axes[1])
    np.testing.assert_array_equal(turning_axis(grip, across), axes[0])
    # a body at its end, not one beside it, tells how it lies
    ahead_of_it = axes[0] * 0.05 + np.array([0.0, 0.0, 0.03])
    line = ahead_of_it / np.linalg.norm(ahead_of_it)
    np.testing.assert_allclose(turning_axis(grip, np.array([0.0, 1.0, 0.0]), ahead_of_it), line)
    np.testing.assert_array_equal(turning_axis(grip, np.array([0.0, 1.0, 0.0]), 0.05 * axes[1]), axes[0])
    bar = replace(grip, extents=np.array([0.12, 0.03, 0.03]))
    np.testing.assert_array_equal(turning_axis(bar, ahead), axes[0])
