"""Contact-guided grasp refinement (paper III-E)."""

from zdg_jax.refine.config import TERMS, RefineConfig
from zdg_jax.refine.refine import RefinedGrasps, refine

__all__ = ["TERMS", "RefineConfig", "RefinedGrasps", "refine"]
