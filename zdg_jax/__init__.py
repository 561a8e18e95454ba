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

from pkgutil import resolve_name
from typing import Any

from zdg_jax import _rooms

__version__ = "0.1.0"
_rooms.install()

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
#: These compile: from the first of them on compiled code is kept, as in `zdg`. XLA's log is quiet from any
#: name on, since others of them import jax too.
_COMPILE = ("synthesize", "reason", "refine_many", "select", "evaluate")
#: The command line, which no script needs.
_COMMAND = {"command": "pipelines.cli:main"}
__all__ = ["__version__", *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _NAMES | _COMMAND:
        raise AttributeError(f"zdg_jax has no {name!r}; there are {', '.join(_NAMES)}")
    resolve_name("pipelines.runtime:quiet_xla")()
    if name in _COMPILE:
        resolve_name("pipelines.runtime:start_jax")()
    return resolve_name((_NAMES | _COMMAND)[name])


def __dir__() -> list[str]:
    return sorted(__all__)
