"""URDF to `mujoco.MjSpec`: package:// meshes, one body a link, and the mimic joints that MuJoCo drops."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import mujoco

from zdg_jax.errors import UserError

#: Mesh formats that MuJoCo reads.
MESHES = (".stl", ".obj", ".msh")


@dataclass(frozen=True)
class Mimic:
    """q_joint = multiplier q_leader + offset (URDF specification, <mimic>), radians."""

    joint: str
    leader: str
    multiplier: float
    offset: float


def read_urdf(path: Path) -> tuple[mujoco.MjSpec, tuple[Mimic, ...]]:
    """A URDF as MuJoCo reads it, with meshes found and no link fused into another.

    Links that have collision geometry lose their visual one: it is often in formats that MuJoCo lacks.

    Raises:
      UserError: not XML, no <robot>, a mesh that can't be found or read, or a mimic without a leader.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as e:
        raise UserError(f"{path.name}, which is not XML ({e})", "a URDF", "mend the file") from None
    if root.tag != "robot":
        raise UserError(f"{path.name} with <{root.tag}>", "a URDF, whose root is <robot>", "check the path")
    for link in root.iter("link"):
        if link.find("collision") is not None:
            for visual in link.findall("visual"):
                link.remove(visual)
    for mesh in root.iter("mesh"):
        mesh.set("filename", str(_find_mesh(path, mesh.get("filename", ""))))
    for unused in ("mujoco", "transmission", "gazebo"):
        for element in root.findall(unused):
            root.remove(element)
    _check_limits(root, path)
    mimics = tuple(_mimics(root, path))
    options = ElementTree.SubElement(root, "mujoco")
    ElementTree.SubElement(
        options,
        "compiler",
        {"strippath": "false", "meshdir": "", "fusestatic": "false", "discardvisual": "false",
         "balanceinertia": "true"},
    )  # fmt: skip
    return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode")), mimics


def _check_limits(root: ElementTree.Element, path: Path) -> None:
    """Continuous joints have none, whatever stands there; of inverted ones MuJoCo says nothing."""
    for joint in root.findall("joint"):
        limit = joint.find("limit")
        if limit is None:
            continue
        if joint.get("type") == "continuous":
            joint.remove(limit)
            continue
        low, high = float(limit.get("lower", 0)), float(limit.get("upper", 0))
        if low > high:
            raise UserError(
                f"{path.name}: joint {joint.get('name')} with inverted limits {low:g} to {high:g}",
                "the lower one first",
                "mend its <limit>",
            )


def _mimics(root: ElementTree.Element, path: Path):
    names = [joint.get("name") for joint in root.findall("joint")]
    for joint in root.findall("joint"):
        mimic = joint.find("mimic")
        if mimic is None:
            continue
        leader, name = mimic.get("joint"), joint.get("name")
        if leader not in names:
            raise UserError(
                f"{path.name}: joint {name} mimics {leader!r}", "a joint of the same file", "mend its <mimic>"
            )
        joint.remove(mimic)
        yield Mimic(str(name), str(leader), float(mimic.get("multiplier", 1)), float(mimic.get("offset", 0)))


def _find_mesh(urdf: Path, name: str) -> Path:
    """package://PKG/FILE is looked for beside and above the URDF and in ROS_PACKAGE_PATH."""
    kind, _, rest = name.rpartition("://")
    if kind == "package":
        package, _, inside = rest.partition("/")
        roots = [
            *urdf.resolve().parents,
            *map(Path, filter(None, os.environ.get("ROS_PACKAGE_PATH", "").split(":"))),
        ]
        tries = [p for r in roots for p in (r / package / inside, r / inside)]
    elif kind == "file":
        tries = [Path(unquote(rest))]
    else:
        tries = [urdf.parent / name]
    found = next((p for p in tries if p.is_file()), None)
    if found is None:
        raise UserError(
            f"{urdf.name}: no mesh {name}",
            "a file beside the URDF, above it or in ROS_PACKAGE_PATH",
            "put the mesh where its name says",
        )
    if found.suffix.lower() not in MESHES:
        raise UserError(
            f"{urdf.name}: mesh {found.name}", f"one of {', '.join(MESHES)}", "convert it (e.g. with trimesh)"
        )
    return found.resolve()
