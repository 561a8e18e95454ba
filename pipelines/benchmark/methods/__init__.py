"""Grasps of other methods, from the files that their code writes: one module a form (docs/benchmark.md)."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.benchmark.methods import affordpose, dexgys, grasptta, npy, npz
from pipelines.benchmark.methods.gather import gather
from pipelines.benchmark.methods.grasps import Adapter, MethodGrasps
from pipelines.benchmark.rows import ROWS
from pipelines.formats.collect import files_of
from zdg_jax.errors import UserError

# Which adapter a file needs.
NAME = re.compile(r"[\w.+-]*[\w+-]")
_MODULES: tuple[Adapter, ...] = (affordpose, dexgys, grasptta, npy)
#: each a module of one form, see `grasps.Adapter`
ADAPTERS = {module.NAME: module for module in _MODULES}


def read_method(given: str) -> MethodGrasps:
    """Read `NAME=PATH`: our .npz, or a file or folder of one of `ADAPTERS`, told by the contents.

    Raises:
      UserError: what the path lacks.
    """
    name, equals, where = given.partition("=")
    if not (name and equals and where):
        raise UserError(f"method {given!r}", "NAME=PATH", "name the method and its grasp file or folder")
    if name in ROWS or not NAME.fullmatch(name):  # it is a folder of units
        raise UserError(
            f"method name {name!r}",
            f"letters, digits, . _ + -, and none of {', '.join(ROWS)}",
            "choose another",
        )
    path = Path(where).expanduser()
    if path.suffix == ".npz":
        return npz.read(name, path)
    if not path.exists():
        raise UserError(f"no file at {where}", "a grasp file or a folder of them", "check the path")
    suffixes = {adapter.SUFFIX for adapter in ADAPTERS.values()}
    for file in (file for suffix in sorted(suffixes) for file in files_of(path, suffix)):
        for adapter in ADAPTERS.values():  # a broken file must not hide the form of the others
            if file.suffix == adapter.SUFFIX and adapter.detect(file):
                return gather(name, adapter, path)
    raise UserError(f"{where} of no known form", f"npz, {', '.join(ADAPTERS)}", "see docs/benchmark.md")


__all__ = ["ADAPTERS", "MethodGrasps", "read_method"]
