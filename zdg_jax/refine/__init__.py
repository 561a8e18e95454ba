"""Contact-guided grasp refinement (paper III-E)."""

from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.energies import TERMS, Term, register
from zdg_jax.refine.refine import Task, refine, refine_many
from zdg_jax.refine.result import RefinedGrasps

__all__ = [
    "TERMS",
    "RefineConfig",
    "RefinedGrasps",
    "Task",
    "Term",
    "refine",
    "refine_many",
    "register",
]
