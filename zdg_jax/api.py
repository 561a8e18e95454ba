"""Reasoning and refinement in one call; simulation lies above, in `sim_eval`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_args

from PIL import Image

from zdg_jax.errors import UserError
from zdg_jax.grasps import Grasps
from zdg_jax.guidance import ReasonedGrasp
from zdg_jax.hands import load_hand
from zdg_jax.hands.model import HandModel
from zdg_jax.objects import load_object
from zdg_jax.objects.model import ObjectModel
from zdg_jax.reasoning.chain import Reasoning, reason
from zdg_jax.reasoning.config import ReasonConfig
from zdg_jax.reasoning.models import factory
from zdg_jax.reasoning.protocol import Reasoner
from zdg_jax.reasoning.state import ReasonState
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.refine import refine

Ablation = Literal["contact", "initial", "refine"]
ABLATIONS: tuple[Ablation, ...] = get_args(Ablation)
REASONER_NAMES = factory.names()
T = TypeVar("T")


@dataclass(frozen=True)
class Synthesis:
    """All that is known of one task before simulation.

    Attributes:
      object, hand, task: what was asked.
      grasp: status, contact guidance and initial grasp; if its status is not "ok", `refined` is None.
      trace: every question and answer, ready for JSON.
      pictures: every visual prompt by file name.
      refined: the batch of refined grasps.
    """

    object: ObjectModel
    hand: HandModel
    task: str
    grasp: ReasonedGrasp
    trace: dict[str, Any]
    pictures: dict[str, Image.Image]
    refined: Grasps | None


def make_reasoner(
    name: str, *, routes: Sequence[str] = (), max_usd: float | int | None = None, check: bool = False
) -> Reasoner:
    """The reasoner of that name, with other ones for some stages (paper IV-A).

    Args:
      name: of one of the forms in `REASONER_NAMES`, e.g. "offline" or "openai:MODEL".
      routes: "STAGE=NAME" items, e.g. "direction=gemini:MODEL".
      max_usd: limit on what all of them spend together.
      check: look, for nothing, whether address, key and model are good.
    Raises:
      UserError: unknown name or stage, no key, no price for `max_usd`, or what the check found.
    """
    return factory.make(name, routes, max_usd, check)


def close_reasoner(reasoner: Reasoner) -> None:
    """Close its connections, if it has any; it can't be asked after that."""
    close = getattr(reasoner, "close", None)
    if close is not None:
        close()


def reason_task(
    obj: ObjectModel,
    hand: HandModel,
    task: str,
    reasoner: Reasoner,
    *,
    seed: int = 0,
    ablate: str | None = None,
    config: ReasonConfig | None = None,
    opened: ReasonState | None = None,
) -> Reasoning:
    """Paper III-A to III-D for one task; also works where an event loop runs already (notebooks).

    Args:
      obj, hand, task, reasoner: as for `synthesize`.
      seed: of every random choice.
      ablate: "contact" takes the whole object as contact region; others change nothing here.
      config: all other settings of the chain.
      opened: the object's views, drawn before; see `reasoning.chain.reason`.
    """
    config = replace(config or ReasonConfig(), seed=seed, contact=ablate != "contact")
    return _run(reason(obj, hand, task, reasoner, config, opened))


def refine_task(
    obj: ObjectModel,
    hand: HandModel,
    grasp: ReasonedGrasp,
    *,
    num: int = 64,
    seed: int = 0,
    ablate: str | None = None,
    optimizer: str = "adam",
) -> Grasps:
    """Paper III-E (eqs. 6-8) for one reasoned task.

    Args:
      obj, hand: the object and the hand.
      grasp: with status "ok".
      num: K, jittered initial grasps.
      seed: of the jitter.
      ablate: "initial" or "refine", see `RefineConfig`.
      optimizer: see `RefineConfig`.
    Returns: all `num` grasps; one or all of them may have failed, see `Grasps.status`.
    """
    return refine(hand, obj, grasp, num=num, seed=seed, config=refine_config(ablate, optimizer))


def refine_config(ablate: str | None = None, optimizer: str = "adam") -> RefineConfig:
    """The paper's schedule with these names in it.

    Raises:
      UserError: an unknown name; the message lists the valid ones.
    """
    return RefineConfig(ablation=check_ablation(ablate) or "none", optimizer=optimizer)


def synthesize(
    obj: ObjectModel | str,
    task: str,
    *,
    hand: HandModel | str = "human16",
    reasoner: Reasoner | str = "offline",
    num: int = 64,
    seed: int = 0,
    ablate: str | None = None,
    optimizer: str = "adam",
) -> Synthesis:
    """Task-oriented grasps for one object and one sentence, refined, not yet simulated.

    Args:
      obj: an object, a mesh file, `ycb:NAME` or `zoo:CATEGORY/VARIANT`.
      task: S, the sentence.
      hand: a hand or the name of a built-in one.
      reasoner: who answers the stages' questions, or a name of `REASONER_NAMES`.
      num: K, initial grasps in the batch.
      seed: same seed, same result.
      ablate: None, or the stage to leave out (paper IV-C): "contact", "initial", "refine".
      optimizer: a name of `refine.optimise.OPTIMIZERS`.
    Returns: the reasoned task and the K refined grasps; a task that failed says so in `grasp.status`.
    Raises:
      UserError: what the object, the hand, the task or an option lacks.
    """
    refine_config(ablate, optimizer)
    if num < 1:
        raise UserError(f"num {num}", "1 or more", "choose another --num")
    reasoner = make_reasoner(reasoner) if isinstance(reasoner, str) else reasoner
    hand = load_hand(hand) if isinstance(hand, str) else hand
    obj = load_object(obj, seed=seed) if isinstance(obj, str) else obj
    said = reason_task(obj, hand, task, reasoner, seed=seed, ablate=ablate)
    refined = None
    if said.grasp.status == "ok":
        refined = refine_task(obj, hand, said.grasp, num=num, seed=seed, ablate=ablate, optimizer=optimizer)
    return Synthesis(obj, hand, task, said.grasp, said.trace, said.pictures, refined)


def check_ablation(ablate: str | None) -> Ablation | None:
    """The same name, or a UserError that lists the valid ones."""
    if ablate is None:
        return None
    for known in ABLATIONS:
        if ablate == known:
            return known
    raise UserError(f"ablation {ablate!r}", f"one of {', '.join(ABLATIONS)}", "choose one with --ablate")


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
