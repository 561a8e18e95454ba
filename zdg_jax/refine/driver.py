"""Running starts of many tasks through the compiled loop, batch by batch, on one device or on several."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, zip_longest
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from zdg_jax.errors import UserError
from zdg_jax.hands.kinematics import Transform
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.batching import Batch, Device, Shape, batch_shape, plan, stack, starts_per_slot
from zdg_jax.refine.config import RefineConfig
from zdg_jax.refine.energies import TERMS, Term
from zdg_jax.refine.gpu.layout import kernel_layout
from zdg_jax.refine.optimize import Path, Schedule, State, compiled, constants_of, measured
from zdg_jax.refine.problem import Problem, Tables, Targets
from zdg_jax.refine.variables import layout, place_all
from zdg_jax.stored import Stored

# The compiled functions on one device or on several: each has its own tables, slots and starts.
_GRASPS = PartitionSpec("grasps")


class Functions(NamedTuple):
    """`optimize.compiled` over all devices, the leading axis split among them.

    start(pose, joints) -> state
    advance(tables, targets, schedule, state, first, last) -> state
    measure(tables, targets, state) -> (pose, joints, terms, whether any skin vertex is inside the grid)
    """

    start: Callable[..., Any]
    advance: Callable[..., Any]
    measure: Callable[..., Any]


def is_cuda(device: Device) -> bool:
    """Whether the kernel runs on this device."""
    return device.platform in ("gpu", "cuda") and "rocm" not in device.client.platform_version.lower()


def choose_path(hand: HandModel, path: Literal["auto", "xla", "kernel"], devices: Sequence[Device]) -> Path:
    """The path that "auto" means: the kernel on CUDA devices for hands that it can hold.

    Raises:
      UserError: the kernel was asked for where there is no CUDA device.
    """
    cuda = all(is_cuda(d) for d in devices)
    if path != "auto":
        if path == "kernel" and not cuda:
            raise UserError(
                f"path 'kernel' on {devices[0].platform}", "a CUDA device", "leave path at 'auto'"
            )
        return path
    if not cuda:
        return "xla"
    try:
        kernel_layout(hand)
    except ValueError:
        return "xla"
    return "kernel"


def functions(hand: HandModel, optimizer: str, path: Path, devices: tuple[Device, ...]) -> Functions:
    """The functions for these devices, compiled once a shape; see `optimize.compiled`."""
    return _functions(hand, optimizer, path, devices, tuple(TERMS.values()))


@lru_cache(maxsize=16)
def _functions(
    hand: HandModel, optimizer: str, path: Path, devices: tuple[Device, ...], terms: tuple[Term, ...]
) -> Functions:
    # `terms` is but a key, see there
    start, advance = compiled(hand, optimizer, path)

    def measure(tables: Tables, targets: Targets, state: State) -> tuple[Array, Array, Array, Array]:
        pose, joints, terms, links = measured(hand, tables, targets, state, path)
        return pose, joints, terms, reaches(hand, targets, links)

    if len(devices) == 1:
        kept = Stored(measure, "measure", constants_of(hand, optimizer, path, terms))
        return Functions(start, advance, kept)
    one = [jax.ShapeDtypeStruct((1, 1, n), jnp.float32) for n in (7, len(hand.active_names))]
    state = jax.tree.map(lambda x: _GRASPS if x.ndim else PartitionSpec(), jax.eval_shape(start, *one))

    def split(function: Callable[..., Any], inputs: Any, outputs: Any) -> Callable[..., Any]:
        # check_vma: nothing crosses between devices, and a kernel's outputs can't say so
        return jax.jit(
            jax.shard_map(function, mesh=_mesh(devices), in_specs=inputs, out_specs=outputs, check_vma=False)
        )

    whole = PartitionSpec()
    return Functions(
        split(start, (_GRASPS, _GRASPS), state),
        split(advance, (_GRASPS, _GRASPS, whole, state, whole, whole), state),
        split(measure, (_GRASPS, _GRASPS, state), (_GRASPS,) * 4),
    )


def reaches(hand: HandModel, targets: Targets, links: Transform) -> Bool[Array, "p k"]:
    """Whether any skin vertex lies inside the grid of its task's object.

    Args:
      hand: static.
      targets: give the grids.
      links: [p, k, links, ...], field frame.
    """
    body = layout(hand)
    placing = body.placing[:, : body.counts[0]]

    def one(grid: Grid, links: Transform) -> Array:
        u = (place_all(links, placing) - grid.origin[:, None]) / grid.spacing
        return jnp.any(jnp.all((u >= 0.0) & (u <= grid.cells[:, None]), axis=0))

    return jax.vmap(jax.vmap(one, (None, 0)))(targets.grid, links)


def put(x: Any, devices: tuple[Device, ...]) -> Any:
    """Arrays on the devices, split along the leading axis; scalars on each."""
    if len(devices) == 1:
        return jax.device_put(x, devices[0])
    mesh = _mesh(devices)
    return jax.tree.map(
        lambda a: jax.device_put(a, NamedSharding(mesh, _GRASPS if np.ndim(a) else PartitionSpec())), x
    )


def stack_on(problems: Sequence[Problem], slots: int, devices: tuple[Device, ...]) -> tuple[Tables, Targets]:
    """`batching.stack` of `slots` problems on each device in turn; grids tell places in its tables."""
    each = [
        stack(problems[number * slots : (number + 1) * slots], slots, device)
        for number, device in enumerate(devices)
    ]
    if len(devices) == 1:
        return each[0]
    sharding = NamedSharding(_mesh(devices), _GRASPS)

    def join(*shards: Array) -> Array:
        shape = (len(shards) * shards[0].shape[0], *shards[0].shape[1:])
        return jax.make_array_from_single_device_arrays(shape, sharding, list(shards))

    return jax.tree.map(join, *each)


def _mesh(devices: tuple[Device, ...]) -> Mesh:
    return Mesh(np.array(devices), ("grasps",))


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
        max(counts), max(config.survivors(k, len(config.early_stop)) for k in counts), devices
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
        """Advance all rows; while one batch runs, the next is stacked, and on a CPU every core has its own.

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
        span = np.int32(first), np.int32(last)

        def advanced(batch: Batch, stacked: Stacked) -> dict[str, Any]:
            _, tables, targets = stacked
            if state is None:
                now = do.start(*(put(x[batch.row], devices) for x in starts))
            else:
                now = put(_at(state, batch.row), devices)
            targets = targets._replace(kind=put(self.kinds[batch.row], devices))
            out: dict[str, Any] = {}
            if state is None:
                out["start"] = do.measure(tables, targets, now)
            now = do.advance(tables, targets, schedule, now, *span)
            out["end"] = do.measure(tables, targets, now)
            if keep_state:
                out["state"] = now
            return jax.device_get(out)

        width = (os.cpu_count() or 1) if all(device.platform == "cpu" for device in devices) else 1
        running: deque[tuple[Batch, Future[dict[str, Any]]]] = deque()
        # threads: on a GPU a loop of traced length keeps the one that calls it
        with ThreadPoolExecutor(1) as stacking, ThreadPoolExecutor(width) as pool:
            coming = stacking.submit(self._stack, batches[0], shape, devices, None)
            for batch, following in zip_longest(batches, batches[1:]):
                stacked = coming.result()  # lets go of the batch before this one
                if following is not None:
                    coming = stacking.submit(self._stack, following, shape, devices, stacked)
                running.append((batch, pool.submit(advanced, batch, stacked)))
                while running and (len(running) == width or following is None):
                    ended, out = running.popleft()
                    yield ended, out.result()

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
