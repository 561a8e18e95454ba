"""The scene, read back from the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from pipelines.report.scene import build_scene, write_scene
from tests.objects.test_paint import halves, textured
from tests.pipelines.glb import scenes
from zdg_jax.objects.load import load_object
from zdg_jax.objects.paint import encoded, linear
from zdg_jax.objects.sources import read_paint
from zdg_jax.render.raycast import render
from zdg_jax.render.scene import NEUTRAL, SKIN, TARGET, Surface, look, tinted


def read_back(scene: trimesh.Scene, path: Path) -> dict[str, trimesh.Trimesh]:
    write_scene(scene, path)
    nodes = {}
    for name, loaded in scenes(path).items():
        assert set(loaded.graph.nodes_geometry) == {"object", name} - {""}  # one grasp at a time
        nodes |= {n: loaded.geometry[loaded.graph[n][1]] for n in loaded.graph.nodes_geometry}
    return nodes


@pytest.mark.parametrize("tint", [False, True])
def test_scene_holds_object_and_hands_by_name(tmp_path: Path, tint: bool) -> None:
    obj = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    hand = trimesh.creation.box([0.1, 0.08, 0.02])
    hands = {f"grasp_{i}": hand.vertices + np.array([0.0, 0.1 * i, 0.0]) for i in range(3)}
    body = Surface.of(obj, tinted(obj.triangles_center[:, 1] > 0) if tint else NEUTRAL)
    nodes = read_back(build_scene(body, hands, np.asarray(hand.faces)), tmp_path / "scene.glb")
    assert set(nodes) == {"object", *hands}
    np.testing.assert_allclose(
        np.sort(nodes["object"].triangles_center, axis=0), np.sort(obj.triangles_center, axis=0), atol=1e-6
    )
    for name, vertices in hands.items():
        np.testing.assert_allclose(
            nodes[name].bounds, [vertices.min(axis=0), vertices.max(axis=0)], atol=1e-6
        )
        assert len(nodes[name].faces) == len(hand.faces)
        np.testing.assert_allclose(
            encoded(nodes[name].visual.material.main_color[:3] / 255), SKIN, atol=0.006
        )


def test_target_part_keeps_a_sharp_border(tmp_path: Path) -> None:
    obj = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    chosen = obj.triangles_center[:, 0] > 0.01
    node = read_back(
        build_scene(Surface.of(obj, tinted(chosen)), {}, np.zeros((0, 3), int)), tmp_path / "scene.glb"
    )["object"]
    corner = np.asarray(node.visual.vertex_attributes["color"])[node.faces][:, :, :3].astype(int)
    assert (np.ptp(corner, axis=1) == 0).all()  # every face has one colour
    blue = np.abs(encoded(corner[:, 0] / 255) - np.array(TARGET)).max(axis=1) < 0.01
    assert blue.sum() == chosen.sum()
    np.testing.assert_array_equal(blue, node.triangles_center[:, 0] > 0.01)


def test_the_object_given_is_left_as_it_was() -> None:
    obj = trimesh.creation.box()
    before = obj.vertices.copy(), obj.faces.copy()
    build_scene(Surface.of(obj, tinted(np.arange(12) < 5)), {}, np.zeros((0, 3), int))
    np.testing.assert_array_equal(obj.vertices, before[0])
    np.testing.assert_array_equal(obj.faces, before[1])


@pytest.mark.parametrize("make", [halves, textured])
@pytest.mark.parametrize("held", [False, True])
def test_an_object_comes_back_in_the_colours_that_pictures_have(
    tmp_path: Path, make: Any, held: bool
) -> None:
    """Round trip: what is read from the file again is drawn as what was written."""
    make().export(tmp_path / "a.ply" if make is halves else tmp_path / "a.obj")
    obj = load_object(str(tmp_path / ("a.ply" if make is halves else "a.obj")), num_samples=64)
    tint = obj.mesh.triangles_center[:, 2] > 0.01 if held else None
    body = Surface.painted(obj.mesh, obj.paint, TARGET if held else NEUTRAL, tint)
    write_scene(build_scene(body, {}, np.zeros((0, 3), int)), tmp_path / "scene.glb")
    again = read_paint(tmp_path / "scene.glb")
    assert isinstance(again, tuple)
    triangles, paint = again
    camera = look(body.vertices, (0.3, 0.2, 1.0), size=64)
    soup = trimesh.Trimesh(
        triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3), process=False
    )
    pictures = [render(surface, camera).rgb.astype(int) for surface in (body, Surface.painted(soup, paint))]
    assert np.abs(pictures[0] - pictures[1]).max() <= 3


def test_linear_light_is_srgbs_and_back() -> None:
    shown = np.linspace(0.0, 1.0, 256)
    np.testing.assert_allclose(encoded(linear(shown)), shown, atol=1e-6)
    np.testing.assert_allclose(linear(np.array([0.0, 0.5, 1.0])), [0.0, 0.21404, 1.0], atol=1e-5)
