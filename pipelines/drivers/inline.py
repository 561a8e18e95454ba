"""One task through the stages in this process, one stage after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pipelines.cluster.tasks import TaskSpec
from pipelines.options import Settings
from pipelines.stages.messages import Finished, PreparedObject, Reasoned, Refined
from pipelines.stages.reason import ReasonStage, Store
from pipelines.stages.refine import RefineStage
from pipelines.stages.select import SelectStage, unfinished
from zdg_jax import api
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.protocol import Reasoner

Step = Callable[[str], AbstractContextManager[Any]]


def run_task(
    task: TaskSpec,
    prepared: PreparedObject,
    hand: HandModel,
    options: Settings,
    reasoner: Reasoner,
    store: Store | None = None,
    step: Step = lambda _: nullcontext(),
) -> tuple[Reasoned, Finished]:
    """Reason, refine, select.

    Args:
      task, prepared, hand: what is asked.
      options: checked.
      reasoner: is closed when it has answered.
      store: takes the pictures that were shown.
      step: told what begins, and left when it ends.
    Returns: what was reasoned, and the task as it is written.
    """
    with step("reason"):
        asked = ReasonStage(hand, reasoner, options, store).reason(task, prepared)
        reasoned = api.run_here(asked)
        api.close_reasoner(reasoner)
    if reasoned.grasp.status != "ok":
        return reasoned, unfinished(hand, reasoned)
    with step(f"refine {options.num} grasps"):
        refine = RefineStage(hand, options.refine_config(), options.num, options.num)
        (grasps,) = refine.refine([(reasoned, prepared)])
    with step("simulate and choose"):
        select = SelectStage(hand, min(options.keep, options.num), options.select_by())
        return reasoned, select.select(Refined(reasoned, grasps), prepared)
