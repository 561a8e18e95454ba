"""`scene.glb`: the object and the kept hands, for any 3D viewer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int

from pipelines.dataset import write_atomic
from zdg_jax.render.surface import NEUTRAL, SKIN, byte


def build_scene(
    obj: trimesh.Trimesh,
    hands: Mapping[str, Float[np.ndarray, "vertices 3"]],
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    face_rgb: Float[np.ndarray, "obj_faces 3"] | None = None,
) -> trimesh.Scene:
    """A scene with the nodes "object" and one a hand, under the hands' own names.

    `write_scene` makes of it one glTF scene a hand, so that a viewer shows one grasp at a time.

    Args:
      obj: the object, metres, +y up (glTF's own convention).
      hands: node name -> posed skin, object frame, metres.
      hand_faces: triangles of the skin.
      face_rgb: colour of each object face, 0..1; neutral if None.
    """
    scene = trimesh.Scene()
    body = trimesh.Trimesh(obj.vertices, obj.faces, process=False)
    _paint(body, np.tile(NEUTRAL, (len(obj.faces), 1)) if face_rgb is None else face_rgb)
    scene.add_geometry(body, node_name="object", geom_name="object")
    for name, vertices in hands.items():
        skin = trimesh.Trimesh(vertices, hand_faces, process=False)
        skin.visual = trimesh.visual.TextureVisuals(material=_material(byte(SKIN)))
        scene.add_geometry(skin, node_name=name, geom_name=name)
    return scene


def write_scene(scene: trimesh.Scene, path: Path) -> None:
    """Write a binary glTF file: one scene a hand, each with the object, the first hand's by default.

    A viewer with a list of scenes goes through the grasps; one without shows the best.
    """
    data = scene.export(file_type="glb", tree_postprocessor=_one_scene_a_hand)
    write_atomic(path, bytes(data))  # type: ignore[arg-type]


def _one_scene_a_hand(tree: dict[str, Any]) -> None:
    """glTF lets several scenes share a node; names are unique, and no node has children."""
    places = {node["name"]: number for number, node in enumerate(tree["nodes"])}
    hands = [name for name in places if name != "object"]
    if hands:
        tree["scenes"] = [{"name": name, "nodes": [places["object"], places[name]]} for name in hands]
        tree["scene"] = 0


def _paint(mesh: trimesh.Trimesh, face_rgb: Float[np.ndarray, "faces 3"]) -> None:
    """One material if all faces share a colour; else per-vertex colours, faces split where colours meet."""
    rgb = np.rint(face_rgb * 255).astype(np.uint8)
    if (rgb == rgb[0]).all():
        r, g, b = (int(c) for c in rgb[0])
        mesh.visual = trimesh.visual.TextureVisuals(material=_material((r, g, b)))
        return
    colors, group = np.unique(rgb, axis=0, return_inverse=True)
    # A vertex on a border between colours is doubled, one copy for each, so that the border stays sharp.
    count = len(mesh.vertices)
    used, faces = np.unique(mesh.faces + group.reshape(-1, 1) * count, return_inverse=True)
    corners, color = used % count, colors[used // count]
    mesh.vertices, mesh.faces = mesh.vertices[corners], faces.reshape(-1, 3)
    mesh.visual = trimesh.visual.ColorVisuals(mesh, vertex_colors=color)


def _material(rgb: tuple[int, int, int]) -> trimesh.visual.material.PBRMaterial:
    return trimesh.visual.material.PBRMaterial(
        baseColorFactor=[*rgb, 255], metallicFactor=0.0, roughnessFactor=0.65, doubleSided=True
    )
