"""In the repository, `zdg_jax.pipelines` and so on are other names of the rooms beside this one.

The wheel has the rooms inside `zdg_jax` (setup.py); code and examples that name them so run in both.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOMS = ("prompts", "sim_eval", "pipelines")
_PREFIX = "zdg_jax."


class _Rooms(MetaPathFinder, Loader):
    """Finds a module under its longer name: the very same one, not a copy."""

    def find_spec(self, fullname: str, path: Iterable[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith(_PREFIX) and fullname.split(".")[1] in ROOMS:
            return ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(spec.name.removeprefix(_PREFIX))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It ran when it was imported; what the import system has written over is put back."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Once, and only where the rooms lie beside `zdg_jax`."""
    inside = Path(__file__).parent / ROOMS[-1]
    if not inside.is_dir() and not any(isinstance(finder, _Rooms) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Rooms())
