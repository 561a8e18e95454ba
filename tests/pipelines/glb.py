"""The scenes of a binary glTF file, each as trimesh reads it."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import trimesh


def scenes(path: Path) -> dict[str, trimesh.Scene]:
    """By name; trimesh reads the default one, so each is made that in turn."""
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    tree, rest = json.loads(data[20 : 20 + size]), data[20 + size :]
    found = {}
    for number, scene in enumerate(tree["scenes"]):
        text = json.dumps({**tree, "scene": number}).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
        file = io.BytesIO(head + text + rest)
        found[scene.get("name", "")] = trimesh.load_scene(file, file_type="glb")
    return found
