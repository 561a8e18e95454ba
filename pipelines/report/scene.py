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
from jaxtyping import Float, Int, Shaped, UInt8
from PIL import Image

from pipelines.dataset import write_atomic
from zdg_jax.objects.paint import linear_bytes
from zdg_jax.render.scene import SKIN, Surface

OBJECT = "object"  # begins the names of its nodes
ROUGHNESS = 0.65  # of everything; nothing is metal
MOST_TEXTURE = 1024  # pixels a side, of a larger one every second, third ...


def build_scene(
    obj: Surface,
    hands: Mapping[str, Float[np.ndarray, "vertices 3"]],
    hand_faces: Int[np.ndarray, "faces 3"],
) -> trimesh.Scene:
    """A scene with the node "object" and one a hand, under the hands' own names.

    What has a texture of the object's is a node of its own, "object texture N". `write_scene` makes of all
    one glTF scene a hand, so that a viewer shows one grasp at a time.

    Args:
      obj: the object in its colours, metres, +y up (glTF's own convention).
      hands: node name -> posed skin, object frame, metres.
      hand_faces: triangles of the skin.
    """
    scene = trimesh.Scene()
    for name, body in _bodies(obj).items():
        scene.add_geometry(body, node_name=name, geom_name=name)
    for name, vertices in hands.items():
        skin = trimesh.Trimesh(vertices, hand_faces, process=False)
        skin.visual = trimesh.visual.TextureVisuals(material=_plain(SKIN))
        scene.add_geometry(skin, node_name=name, geom_name=name)
    return scene


def write_scene(scene: trimesh.Scene, path: Path) -> None:
    """Write a binary glTF file: one scene a hand, each with the object, the first hand's by default.

    A viewer with a list of scenes goes through the grasps; one without shows the best.
    """

    def finish(tree: dict[str, Any]) -> None:
        _one_scene_a_hand(tree)
        _no_metal(tree)

    data = scene.export(file_type="glb", tree_postprocessor=finish)
    write_atomic(path, bytes(data))  # type: ignore[arg-type]


def _one_scene_a_hand(tree: dict[str, Any]) -> None:
    """Every scene has nodes of its own for the object, of the same meshes.

    glTF lets scenes share a root node, but a viewer that keeps one parent a node (three.js) then shows the
    object with the last hand alone. No node has children.
    """
    nodes = tree["nodes"]
    bodies = [node for node in nodes if node["name"].startswith(OBJECT)]
    hands = [node for node in nodes if not node["name"].startswith(OBJECT)]
    if not hands:
        return
    tree["nodes"], tree["scenes"], tree["scene"] = [], [], 0
    for hand in hands:
        first = len(tree["nodes"])
        tree["nodes"] += [*(dict(body) for body in bodies), hand]
        tree["scenes"].append({"name": hand["name"], "nodes": list(range(first, len(tree["nodes"])))})


def _no_metal(tree: dict[str, Any]) -> None:
    """What has colours at its corners alone gets a dull material: glTF's default one is metal, black where a
    viewer has no surroundings to reflect."""
    bare = [part for mesh in tree["meshes"] for part in mesh["primitives"] if "material" not in part]
    if bare:
        look = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
        dull = {"pbrMetallicRoughness": look, "doubleSided": True}
        tree.setdefault("materials", []).append(dull)
    for part in bare:
        part["material"] = len(tree["materials"]) - 1


def _bodies(obj: Surface) -> dict[str, trimesh.Trimesh]:
    """The object's faces, those of one texture and tint together; all the others have colours at corners."""
    count = len(obj.faces)
    worn = np.zeros(count) if obj.worn is None or obj.paint is None else obj.worn
    corners = np.repeat(obj.rgb[:, None], 3, axis=1)
    image = np.full(count, -1)
    if obj.paint is not None:
        corners = (1 - worn)[:, None, None] * corners + worn[:, None, None] * obj.paint.corners
        image = np.where(worn > 0.0, obj.paint.image, -1)
    looks = np.column_stack([image, worn, obj.rgb])
    looks[worn == 1.0, 2:] = 0.0  # nothing of it is seen
    looks[image < 0] = -1.0
    kinds, group = np.unique(looks, axis=0, return_inverse=True)
    found: dict[str, trimesh.Trimesh] = {}
    for number, (which, share, *tint) in enumerate(kinds):
        chosen = np.flatnonzero(group.reshape(-1) == number)
        vertices, faces = obj.vertices, obj.faces[chosen]
        if which < 0 or obj.paint is None:
            found[OBJECT] = _coloured(vertices, faces, corners[chosen])
            continue
        shown = (1.0 - share) * 255.0 * np.array(tint) + share * _reduced(obj.paint.images[int(which)])
        picture = Image.fromarray(np.rint(shown).astype(np.uint8))
        body, uv = _split(vertices, faces, obj.paint.uv[chosen])
        body.visual = trimesh.visual.TextureVisuals(uv=uv, material=_material(baseColorTexture=picture))
        found[f"{OBJECT} texture {len(found) + 1}"] = body
    return found


def _reduced(texture: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "_h _w 3"]:
    step = -(-max(texture.shape) // MOST_TEXTURE)
    return texture[::step, ::step]


def _coloured(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], rgb: Float[np.ndarray, "f 3 3"]
) -> trimesh.Trimesh:
    """One material if all corners share a colour; else colours of vertices, doubled where colours meet."""
    light = linear_bytes(rgb)
    if (light == light[0, 0]).all():
        body = trimesh.Trimesh(vertices, faces, process=False)
        body.visual = trimesh.visual.TextureVisuals(material=_plain(rgb[0, 0]))
        return body
    body, colors = _split(vertices, faces, light)
    body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=colors)
    return body


def _split(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], values: Shaped[np.ndarray, "f 3 c"]
) -> tuple[trimesh.Trimesh, Shaped[np.ndarray, "n c"]]:
    """A mesh with a vertex for each vertex and value that meet at a corner, and the values of these."""
    rows, number = np.unique(values.reshape(-1, values.shape[-1]), axis=0, return_inverse=True)
    count = len(rows)
    used, corner = np.unique(faces.reshape(-1) * count + number.reshape(-1), return_inverse=True)
    body = trimesh.Trimesh(vertices[used // count], corner.reshape(-1, 3), process=False)
    return body, rows[used % count]


def _plain(rgb: Sequence[float] | Float[np.ndarray, "3"]) -> trimesh.visual.material.PBRMaterial:
    """Of one colour, 0..1."""
    r, g, b = (int(c) for c in linear_bytes(np.asarray(rgb, float)))
    return _material(baseColorFactor=[r, g, b, 255])


def _material(**look: Any) -> trimesh.visual.material.PBRMaterial:
    return trimesh.visual.material.PBRMaterial(
        metallicFactor=0.0, roughnessFactor=ROUGHNESS, doubleSided=True, **look
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
