"""Running starts of many tasks through the compiled loop, batch by batch; field frames throughout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from zdg_jax.hands.model import HandModel
from zdg_jax.refine.batching import Batch, Device, Shape, batch_shape, plan, starts_per_slot
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.devices import choose_path, functions, put, stack_on
from zdg_jax.refine.energies import TERMS
from zdg_jax.refine.optimize import Path, Schedule
from zdg_jax.refine.problem import Problem, Tables, Targets

#: Called with (starts that have ended, all starts).
OnBatch = Callable[[int, int], None]
Stacked = tuple[list[Problem], Tables, Targets]


@dataclass(frozen=True, eq=False)
class OptimizerResult:
    """Every start where it ended, all tasks one after the other.

    Attributes:
      pose, joints: field frame, metres and radians.
      terms, start_terms: the energies of `TERMS`, unweighted, at the end and at the start.
      reaches: a skin vertex is inside the field's grid.
      stopped: ended early.
    """

    pose: Float[np.ndarray, "k 7"]
    joints: Float[np.ndarray, "k active"]
    terms: Float[np.ndarray, "k terms"]
    start_terms: Float[np.ndarray, "k terms"]
    reaches: Bool[np.ndarray, " k"]
    stopped: Bool[np.ndarray, " k"]


def run(
    hand: HandModel,
    problems: Sequence[Problem],
    starts: Sequence[tuple[np.ndarray, np.ndarray]],
    kinds: Sequence[Int[np.ndarray, " _"]],
    config: RefineConfig,
    devices: Sequence[Device],
    on_batch: OnBatch | None = None,
) -> OptimizerResult:
    """Refine every start of every problem.

    Args:
      hand: one compilation each.
      problems: one a task.
      starts: (pose, joints) of each task, at least one start each; finite.
      kinds: the grasp type of each start, by its place in the hand's card.
      config: schedule, optimiser, path.
      devices: to spread the batches over.
      on_batch: called after every batch.
    """
    begin = np.concatenate([[0], np.cumsum([len(pose) for pose, _ in starts])])
    rows = [np.arange(a, b) for a, b in pairwise(begin)]
    counts = [len(mine) for mine in rows]
    pose, joints = (np.concatenate(x).astype(np.float32) for x in zip(*starts, strict=True))
    n = len(pose)
    result = OptimizerResult(
        pose.copy(),
        joints.copy(),
        np.full((n, len(TERMS)), np.nan),
        np.full((n, len(TERMS)), np.nan),
        np.zeros(n, bool),
        np.zeros(n, bool),
    )
    loop = _Loop(hand, problems, np.concatenate(kinds), config, tuple(devices))
    weights = config.lambdas()
    state: Any = None
    done = 0
    num_starts = starts_per_slot(
        max(counts), max(config.survivors(k, len(config.early_stop)) for k in counts)
    )
    stages = config.stages()
    for number, (first, last) in enumerate(stages, start=1):
        final = number == len(stages)
        kept: Any = None
        shape = batch_shape([len(mine) for mine in rows], devices, num_starts)
        for batch, got in loop.sweep(rows, shape, (pose, joints), state, first, last, not final):
            at = batch.row[batch.live]
            end, leaves = got["end"], got.get("state")
            for have, new in zip(
                (result.pose, result.joints, result.terms, result.reaches), end, strict=True
            ):
                have[at] = new[batch.live]
            if first == 0:
                result.start_terms[at] = got["start"][2][batch.live]
            if leaves is not None:
                kept = _filled(kept or _room(n, leaves), leaves, at, batch.live)
            done += final * len(at)
            if on_batch is not None:
                on_batch(done, n)
        if not final:
            energy = (result.terms * weights).sum(axis=1)
            left = [config.survivors(k, number) for k in counts]
            going = [_best(mine, energy, k) for mine, k in zip(rows, left, strict=True)]
            for mine, on in zip(rows, going, strict=True):
                result.stopped[np.setdiff1d(mine, on)] = True
            rows, state = going, kept
            done = int(result.stopped.sum())
    return result


class _Loop:
    """The compiled functions and what they are called with."""

    def __init__(
        self,
        hand: HandModel,
        problems: Sequence[Problem],
        kinds: Int[np.ndarray, " n"],
        config: RefineConfig,
        devices: tuple[Device, ...],
    ) -> None:
        self.hand, self.problems, self.devices = hand, problems, devices
        self.kinds = kinds.astype(np.int32)
        self.optimizer = config.optimizer
        self.path: Path = choose_path(hand, config.path, devices)
        self.schedule = (
            np.int32(config.steps), np.float32(config.learning_rate), np.float32(config.decay),
            np.int32(config.decay_every),
        )  # fmt: skip

    def sweep(
        self,
        rows: Sequence[Int[np.ndarray, " _"]],
        shape: Shape,
        starts: tuple[np.ndarray, np.ndarray],
        state: Any,
        first: int,
        last: int,
        keep_state: bool,
    ) -> Iterator[tuple[Batch, dict[str, Any]]]:
        """Advance all rows; while one batch runs, the next is stacked.

        Args:
          rows: numbers of each task's starts.
          shape: of every batch.
          starts: of all rows.
          state: of all rows after step `first`, or None: begin at `starts`.
          first, last: steps.
          keep_state: whether the state is wanted too.
        """
        devices = self.devices[: shape.devices]
        do = functions(self.hand, self.optimizer, self.path, devices)
        schedule = Schedule(*put(self.schedule, devices))
        batches = plan(self.problems, rows, shape)
        # a thread: on a GPU a loop of traced length keeps the thread that calls it
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._stack, batches[0], shape, devices, None)
            for batch, following in zip_longest(batches, batches[1:]):
                _, tables, targets = stacked = coming.result()  # lets go of the batch before this one
                if following is not None:
                    coming = pool.submit(self._stack, following, shape, devices, stacked)
                targets = targets._replace(kind=put(self.kinds[batch.row], devices))
                out: dict[str, Any] = {}
                if state is None:
                    now = do.start(*(put(x[batch.row], devices) for x in starts))
                    out["start"] = do.measure(tables, targets, now)
                else:
                    now = put(_at(state, batch.row), devices)
                now = do.advance(tables, targets, schedule, now, np.int32(first), np.int32(last))
                out["end"] = do.measure(tables, targets, now)
                if keep_state:
                    out["state"] = now
                yield batch, jax.device_get(out)

    def _stack(
        self, batch: Batch, shape: Shape, devices: tuple[Device, ...], before: Stacked | None
    ) -> Stacked:
        """What a batch is refined against; that of the batch before it if its tasks are the same."""
        problems = [self.problems[t] for t in batch.task]
        if before is not None and all(a is b for a, b in zip(before[0], problems, strict=True)):
            return before
        return problems, *stack_on(problems, shape.slots, devices)


def _room(n: int, state: Any) -> Any:
    """Arrays for the state of n rows; its scalars are the same for all."""
    return jax.tree.map(lambda x: np.zeros((n, *x.shape[2:]), x.dtype) if x.ndim else x, state)


def _filled(rows: Any, state: Any, at: np.ndarray, live: np.ndarray) -> Any:
    def fill(have: np.ndarray, new: np.ndarray) -> np.ndarray:
        if new.ndim:
            have[at] = new[live]
        return have

    return jax.tree.map(fill, rows, state)


def _at(rows: Any, row: np.ndarray) -> Any:
    return jax.tree.map(lambda x: x[row] if x.ndim else x, rows)


def _best(rows: np.ndarray, energy: np.ndarray, count: int) -> np.ndarray:
    order = np.argsort(np.nan_to_num(energy[rows], nan=np.inf), kind="stable")
    return np.sort(rows[order[:count]])
