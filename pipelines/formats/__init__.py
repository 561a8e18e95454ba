"""Grasp files, ours and other people's: one module a format, one `GraspFile` for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.formats import affordpose, dexgraspbench, dexgraspnet, parquet
from pipelines.formats.grasp_file import GraspFile, ObjectSource
from pipelines.formats.schema import guarded
from zdg_jax.errors import UserError, machine_error

__all__ = ["FORMATS", "GraspFile", "ObjectSource", "read_grasps"]


#: Modules, or objects of yours: each has NAME, detect(path) and read(path, hand).
FORMATS: dict[str, Any] = {m.NAME: m for m in (parquet, dexgraspnet, dexgraspbench, affordpose)}


def register(reader: Any) -> None:
    """Add a format from outside: every command that reads grasps knows it from then on, asked before ours.

    Args:
      reader: has NAME, `detect(path)` (whether a path is of it, by its contents) and `read(path, hand)`.
    Raises:
      UserError: there is one of that name.
    """
    if reader.NAME in FORMATS:
        raise UserError(f"format {reader.NAME!r}, which exists", "a new name", "choose another")
    ours = dict(FORMATS)
    FORMATS.clear()
    FORMATS.update({reader.NAME: reader, **ours})


def read_grasps(path: str, hand: str | None = None) -> GraspFile:
    """Read a grasp file or a folder of them, whatever its format: that is told by the contents.

    Args:
      path: a file, or a folder of files of one format (searched below too).
      hand: of `zdg_jax.hands`; by default the format's.

    Returns:
      The grasps, at least one row.

    Raises:
      UserError: no such file, no known format, no grasp in it, or what the reader refuses.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise UserError(f"no file at {path}", "a grasp file or a folder of them", "check the path")
    if not where.is_dir() and not where.is_file():
        raise UserError(f"{path}, a pipe or device", "a grasp file or a folder of them", "check the path")
    if where.is_file() and where.stat().st_size == 0:
        raise UserError(f"{path}, which is empty", "a grasp file", "check the path")
    for module in FORMATS.values():
        if _claims(module, where):
            found = _read(module, where, hand)
            if len(found) == 0:
                raise UserError(f"{path} without a grasp", "at least one", "check the path")
            return found
    raise UserError(
        f"{path} of no known format", f"one of {', '.join(FORMATS)} (docs/formats.md)", "check the path"
    )


def _claims(module: Any, where: Path) -> bool:
    """Whether the format is this one; a file that a reader stumbles over is none of its."""
    try:
        return module.detect(where)
    except Exception as error:
        if (machine := machine_error(error, str(where))) is not None:
            raise machine from None
        return False


def _read(module: Any, where: Path, hand: str | None) -> GraspFile:
    found: list[GraspFile] = []
    guarded(str(where), lambda: found.append(module.read(where, hand)))
    return found[0]
