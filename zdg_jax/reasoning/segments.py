"""Segments of the chosen view in place of the geometric parts, and their completed masks (paper III-A)."""

from __future__ import annotations

import asyncio

import numpy as np

from zdg_jax.reasoning.object_facts import object_facts
from zdg_jax.reasoning.segmenters.repart import repart
from zdg_jax.reasoning.segmenters.segmenter import Segmenter
from zdg_jax.reasoning.state import ReasonState


async def segment_view(state: ReasonState, segmenter: Segmenter) -> None:
    """Make the model's segments the parts of this task; the geometric ones stay if it finds none.

    Args:
      state: view chosen; `obj`, `part_maps` and `facts` change, `given` keeps the object as it was.
      segmenter: runs in a thread, so that other tasks go on meanwhile.
    """
    labels = await asyncio.to_thread(segmenter.segments, state.frame)
    if labels is None:
        state.warnings.append(
            f"{segmenter.name} found no segment that passes its thresholds; geometric parts were marked"
        )
        return
    state.given = state.obj
    state.obj, labels = repart(state.obj, state.frame, labels)
    maps = list(state.part_maps)
    maps[state.view] = labels
    state.part_maps = tuple(maps)
    state.facts = object_facts(state.obj)
    state.marked.clear()


async def complete(state: ReasonState, segmenter: Segmenter, parts: tuple[int, ...]) -> None:
    """Box around the chosen segments -> box prompt -> M^2d; the union of segments where that fails.

    Args:
      state: view segmented; `completed` gains the mask.
      segmenter: as for `segment_view`.
      parts: the chosen numbers.
    """
    chosen = np.isin(state.part_map, parts)
    mask = await asyncio.to_thread(segmenter.complete, state.frame, chosen)
    if mask is None:
        state.warnings.append(
            f"{segmenter.name}: the mask for the box around part(s) {parts} is of something else; "
            "the union of their segments was taken"
        )
        return
    state.completed[parts] = mask
