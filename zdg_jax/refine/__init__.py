"""Contact-guided grasp refinement (paper III-E)."""

from zdg_jax.refine.config import TERMS, RefineConfig
from zdg_jax.refine.refine import Task, refine, refine_many
from zdg_jax.refine.result import RefinedGrasps

__all__ = ["TERMS", "RefineConfig", "RefinedGrasps", "Task", "refine", "refine_many"]
