"""From a sentence and pictures to contact regions and an initial grasp (paper III-A to III-D)."""

from __future__ import annotations
