"""zdg-jax: zero-shot, task-oriented dexterous grasp synthesis in JAX.

The front door; names are resolved when they are first asked for, so that `import zdg_jax` costs nothing.

- `synthesize`: grasps for an object and a sentence, simulated and chosen, as `zdg synth` gives them
- `Grasps`, `concat`: a batch of grasps, its files and tables
- `load_object`, `load_hand`: what grasps are of
- `make_reasoner`, `reason`: who answers, and paper III-A to III-D alone
- `refine_many`, `Task`, `RefineConfig`: paper III-E for many tasks at once
- `select`, `evaluate`: choosing in simulation, and all measures of given grasps
- `COLUMNS`, `Status`: what the columns and the statuses mean
- `setup`: keep compiled functions between runs; the commands and `synthesize` do it themselves
- `UserError`: got, expected, what to do
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

# XLA's own log stays off the terminal, where jax was not imported first: of warm caches it writes a line a
# function, or two pages of CPU features as an error, though the code was compiled here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_NAMES = {
    "synthesize": "pipelines.inline:synthesize",
    "Grasps": "zdg_jax.grasps:Grasps",
    "concat": "zdg_jax.grasps:concat",
    "load_object": "zdg_jax.objects:load_object",
    "load_hand": "zdg_jax.hands:load_hand",
    "make_reasoner": "zdg_jax.api:make_reasoner",
    "reason": "zdg_jax.api:reason_task",
    "refine_many": "zdg_jax.refine:refine_many",
    "Task": "zdg_jax.refine:Task",
    "RefineConfig": "zdg_jax.refine:RefineConfig",
    "select": "sim_eval.select.select:select",
    "evaluate": "sim_eval.evaluate:evaluate",
    "COLUMNS": "zdg_jax.columns:COLUMNS",
    "Status": "zdg_jax.status:Status",
    "setup": "pipelines.runtime:setup",
    "UserError": "zdg_jax.errors:UserError",
}
#: These compile: from the first of them on compiled code is kept, as in `zdg`.
_COMPILE = ("synthesize", "reason", "refine_many", "select", "evaluate")
#: The command line, which no script needs.
_COMMAND = {"command": "pipelines.cli:main"}
__all__ = ["__version__", *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES | _COMMAND:
        raise AttributeError(f"zdg_jax has no {name!r}; there are {', '.join(_NAMES)}")
    if name in _COMPILE:
        resolve_name("pipelines.runtime:start_jax")()
    return resolve_name((_NAMES | _COMMAND)[name])


def __dir__() -> list[str]:
    return sorted(__all__)


# In the repository, `zdg_jax.pipelines` and so on are other names of the rooms beside this one.
#
# The wheel has the rooms inside `zdg_jax` (setup.py); code and examples that name them so run in both.
_ROOMS = ("prompts", "sim_eval", "pipelines")
_PREFIX = "zdg_jax."


class _Rooms(MetaPathFinder, Loader):
    """Finds a module under its longer name: the very same one, not a copy."""

    def find_spec(self, fullname: str, path: Iterable[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname.startswith(_PREFIX) and fullname.split(".")[1] in _ROOMS:
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


def _install() -> None:
    """Once, and only where the rooms lie beside `zdg_jax`."""
    inside = Path(__file__).parent / _ROOMS[-1]
    if not inside.is_dir() and not any(isinstance(finder, _Rooms) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Rooms())


_install()
