"""The stages of paper III-A to III-C, one file each: question, geometry, rule answer.

A new stage is its file, a line here, its template (`prompts/templates`) and its answer's class
(`prompts/schemas.py`).
"""

from __future__ import annotations

from typing import Any

from zdg_jax.reasoning.query import Stage
from zdg_jax.reasoning.stages.direction import Direction
from zdg_jax.reasoning.stages.func_part import FuncPart
from zdg_jax.reasoning.stages.grasp_type import GraspType
from zdg_jax.reasoning.stages.hand_part import HandPart
from zdg_jax.reasoning.stages.points import Points
from zdg_jax.reasoning.stages.rotation import Rotation
from zdg_jax.reasoning.stages.view import View

STAGES: tuple[Stage[Any], ...] = (
    View(),
    HandPart(),
    FuncPart(),
    Points(),
    Direction(),
    GraspType(),
    Rotation(),
)
"""In the order in which the chain runs them."""
