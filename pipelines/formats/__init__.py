"""Grasp files, ours and other people's: one module a format, one `GraspFile` for all."""

from pipelines.formats.grasp_file import GraspFile, ObjectSource
from pipelines.formats.registry import FORMATS, read_grasps

__all__ = ["FORMATS", "GraspFile", "ObjectSource", "read_grasps"]
