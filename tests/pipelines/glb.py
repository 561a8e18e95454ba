"""The scenes of a binary glTF file, each as trimesh reads it."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import trimesh


def scenes(path: Path) -> dict[str, trimesh.Scene]:
    """By name. No two share a node; trimesh reads the default one, so each is made the only one in turn."""
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    tree, rest = json.loads(data[20 : 20 + size]), data[20 + size :]
    taken = [place for scene in tree["scenes"] for place in scene["nodes"]]
    assert len(set(taken)) == len(taken)  # three.js shows a shared one in the last scene alone
    metal = [look.get("pbrMetallicRoughness", {}).get("metallicFactor", 1.0) for look in tree["materials"]]
    assert all(metal[part["material"]] == 0 for mesh in tree["meshes"] for part in mesh["primitives"])
    found = {}
    for scene in tree["scenes"]:
        mine = [tree["nodes"][place] for place in scene["nodes"]]
        only = {"scene": 0, "scenes": [{"nodes": list(range(len(mine)))}], "nodes": mine}
        text = json.dumps({**tree, **only}).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
        file = io.BytesIO(head + text + rest)
        found[scene.get("name", "")] = trimesh.load_scene(file, file_type="glb")
    return found
