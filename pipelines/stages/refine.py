"""Stage 3: eqs. 6-8 on batches of one fixed shape that mix objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipelines.stages.messages import PreparedObject, Reasoned
from zdg_jax.grasps import Grasps
from zdg_jax.hands.model import HandModel
from zdg_jax.refine import RefineConfig, Task, refine_many
from zdg_jax.refine.driver import choose_path, functions

#: Grasps a batch: what keeps the device busy. On a CPU one chunk; more would only wait.
BATCH_CPU, BATCH_GPU = 128, 16384


def refine_filled(
    hand: HandModel,
    tasks: Sequence[Task],
    slots: int,
    config: RefineConfig,
    devices: Sequence[Any] | None = None,
) -> list[Grasps]:
    """Refine tasks in calls of `slots`, the last one filled up with its last task: one shape for all calls.

    Args:
      hand, config, devices: as for `refine_many`.
      tasks: of any objects.
      slots: tasks a call.
    """
    done: list[Grasps] = []
    for first in range(0, len(tasks), slots):
        batch = list(tasks[first : first + slots])
        filled = batch + [batch[-1]] * (slots - len(batch))
        done += refine_many(hand, filled, config=config, devices=devices)[: len(batch)]
    return done


class RefineStage:
    """Refines up to `slots` tasks a call; fewer are filled up, so that nothing is ever compiled again."""

    def __init__(self, hand: HandModel, config: RefineConfig, num: int, batch: int | None = None) -> None:
        """Args:
        hand: the hand.
        config: schedule, ablation, optimiser.
        num: starts of every task.
        batch: grasps a call; by device `BATCH_CPU` or `BATCH_GPU`.
        """
        import jax

        self._hand, self._config, self._num = hand, config, num
        self._devices = jax.local_devices()
        on_cpu = self._devices[0].platform == "cpu"
        self.slots = max(1, (batch or (BATCH_CPU if on_cpu else BATCH_GPU * len(self._devices))) // num)

    @property
    def refined_on(self) -> dict[str, Any]:
        """What rows depend on beside the options."""
        count = len(self._devices)
        return {"device": self._devices[0].platform, "tasks a call": math.ceil(self.slots / count)}

    def refine(self, batch: Sequence[tuple[Reasoned, PreparedObject]]) -> list[Grasps]:
        """Refine tasks of any objects together.

        Args:
          batch: at most `slots` tasks, each reasoned with status "ok".
        Returns:
          for each task all its grasps; what went wrong is in their statuses.
        """
        tasks = [Task(p.obj, r.grasp, self._num, r.task.seed) for r, p in batch]
        return refine_filled(self._hand, tasks, self.slots, self._config, self._devices)

    def compiled_shapes(self) -> int:
        """How many shapes the optimiser's loop was compiled for in this process so far."""
        path = choose_path(self._hand, self._config.path, self._devices)
        shapes = 0
        for count in range(1, len(self._devices) + 1):
            used = functions(self._hand, self._config.optimizer, path, tuple(self._devices[:count]))
            shapes += used.advance._cache_size()
        return shapes
