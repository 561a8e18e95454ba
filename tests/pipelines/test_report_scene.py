"""The scene, read back from the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from pipelines.report.scene import build_scene, write_scene
from tests.pipelines.glb import scenes
from zdg_jax.render.scene import SKIN, TARGET, tinted


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
    face_rgb = tinted(obj.triangles_center[:, 1] > 0) if tint else None
    nodes = read_back(
        build_scene(obj, hands, np.asarray(hand.faces), face_rgb=face_rgb), tmp_path / "scene.glb"
    )
    assert set(nodes) == {"object", *hands}
    np.testing.assert_allclose(
        np.sort(nodes["object"].triangles_center, axis=0), np.sort(obj.triangles_center, axis=0), atol=1e-6
    )
    for name, vertices in hands.items():
        np.testing.assert_allclose(
            nodes[name].bounds, [vertices.min(axis=0), vertices.max(axis=0)], atol=1e-6
        )
        assert len(nodes[name].faces) == len(hand.faces)
        np.testing.assert_allclose(nodes[name].visual.material.main_color[:3], np.array(SKIN) * 255, atol=1.5)


def test_target_part_keeps_a_sharp_border(tmp_path: Path) -> None:
    obj = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    chosen = obj.triangles_center[:, 0] > 0.01
    node = read_back(
        build_scene(obj, {}, np.zeros((0, 3), int), face_rgb=tinted(chosen)), tmp_path / "scene.glb"
    )["object"]
    corner = np.asarray(node.visual.vertex_colors)[node.faces][:, :, :3].astype(int)
    assert (np.ptp(corner, axis=1) == 0).all()  # every face has one colour
    blue = np.abs(corner[:, 0] - np.array(TARGET) * 255).max(axis=1) < 2
    assert blue.sum() == chosen.sum()
    np.testing.assert_array_equal(blue, node.triangles_center[:, 0] > 0.01)


def test_the_object_given_is_left_as_it_was() -> None:
    obj = trimesh.creation.box()
    before = obj.vertices.copy(), obj.faces.copy()
    build_scene(obj, {}, np.zeros((0, 3), int), face_rgb=tinted(np.arange(12) < 5))
    np.testing.assert_array_equal(obj.vertices, before[0])
    np.testing.assert_array_equal(obj.faces, before[1])
