"""Contact-guided grasp refinement (paper III-E)."""

from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.energies import TERMS, Term, register
from zdg_jax.refine.refine import Task, refine, refine_many

__all__ = [
    "TERMS",
    "RefineConfig",
    "Task",
    "Term",
    "refine",
    "refine_many",
    "register",
]
