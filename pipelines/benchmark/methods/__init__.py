"""Grasps of other methods, from the files that their code writes: one module a form (docs/benchmark.md)."""

from pipelines.benchmark.methods.grasps import MethodGrasps
from pipelines.benchmark.methods.registry import ADAPTERS, read_method

__all__ = ["ADAPTERS", "MethodGrasps", "read_method"]
