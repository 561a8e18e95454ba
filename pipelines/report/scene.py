"""The object and the hands in 3D: `scene.glb` for any viewer, and what the page of the report turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int

from pipelines.dataset import write_atomic
from zdg_jax.render.scene import NEUTRAL, SKIN, byte


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


#: Of a page, base64 included, so that a report stays under 5 MB.
MOST_BYTES = 2_500_000
SCRIPT = Path(__file__).with_name("viewer.js")


@dataclass(frozen=True)
class Solid:
    """What the page shows in 3D.

    Attributes:
      vertices, faces: of the object, metres.
      face_rgb: colour of each face, 0..1.
      hand_faces: triangles of the skin.
      skins: of each grasp at pregrasp, grasp and squeeze.
      captions: one text a grasp.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    face_rgb: Float[np.ndarray, "f 3"]
    hand_faces: Int[np.ndarray, "h 3"]
    skins: Float[np.ndarray, "n 3 s 3"]
    captions: tuple[str, ...]

    def page(self) -> dict[str, Any]:
        """For the template: the script, and its data as JSON; the first grasps, as many as `MOST_BYTES` hold.

        Positions are 16-bit steps of one box around everything: 15 µm for a metre.
        """
        points = np.concatenate([self.vertices, self.skins.reshape(-1, 3)])
        low, size = points.min(axis=0), float(np.ptp(points, axis=0).max()) or 1.0
        fixed = 4 * (6 * len(self.vertices) + 12 * len(self.faces) + 12 * len(self.hand_faces)) / 3
        each = 4 * 6 * self.skins[:1].size / 9 or 1.0
        count = max(1, min(len(self.skins), int((MOST_BYTES - fixed) // each)))
        colors, group = np.unique(np.rint(255 * self.face_rgb), axis=0, return_inverse=True)
        order = np.argsort(group.reshape(-1), kind="stable")
        runs = np.bincount(group.reshape(-1), minlength=len(colors))
        data = {
            "size": size,
            "low": low.tolist(),
            "object": _packed(self.vertices, low, size),
            "faces": _indices(self.faces[order]),
            "runs": [[int(n), *(c / 255).round(3).tolist()] for n, c in zip(runs, colors, strict=True)],
            "handFaces": _indices(self.hand_faces),
            "hands": [[_packed(skin, low, size) for skin in hand] for hand in self.skins[:count]],
            "captions": list(self.captions[:count]),
            "total": len(self.skins),
        }
        return {"script": SCRIPT.read_text(encoding="utf-8"), "data": _quoted(data), "shown": count}


def _quoted(data: Mapping[str, Any]) -> str:
    """JSON that may stand inside a <script>: no tag can begin or end in it."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(points: Float[np.ndarray, "n 3"], low: Float[np.ndarray, "3"], size: float) -> str:
    steps = np.clip(np.rint((points - low) / size * 65535.0), 0, 65535).astype("<u2")
    return base64.b64encode(steps.tobytes()).decode()


def _indices(faces: Int[np.ndarray, "f 3"]) -> str:
    return base64.b64encode(np.ascontiguousarray(faces, "<u4").tobytes()).decode()


def captions(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """One line a grasp: its place, its type, and whether it is good where that is known."""
    known = {None: "", True: ", good", False: ", not good"}
    return tuple(f"#{row['rank'] + 1} {row['grasp_type']}{known[row.get('good')]}" for row in rows)
