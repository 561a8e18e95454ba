"""MJX: grasps of any objects in one vmap, in chunks of one shape that go to the devices in turn.

Every device runs a program of its own: rows have nothing to say to each other, and XLA crashes when it
compiles these steps for several GPUs at once (segmentation fault in `backend_compile_and_load`, two H200,
jax 0.11.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from sim_eval.backends.jobs import (
    MAX_FLIGHT,
    MAX_TRAVEL,
    SKIPPED,
    Drop,
    Hold,
    Rollout,
    blanked,
    empty,
    settle,
)
from sim_eval.backends.mjx_physics import (
    Bodies,
    Physics,
    Seen,
    State,
    fixed_physics,
    hand_physics,
    import_mjx,
    stack_bodies,
    traced,
)  # fmt: skip
from sim_eval.scene import SceneParams
from zdg_jax.hands.model import HandModel
from zdg_jax.refine.batching import Device

#: Objects of one chunk; fewer are padded, so that their number compiles nothing anew.
OBJECTS = 64
#: Sizes of a chunk on one device: as many rows as keep it busy and fit, small ones for what is left.
_CPU, _OTHER, _ROW_BYTES = (16, 64), (256, 2048, 8192), 1 << 21


def chunk_rows(device: Device) -> tuple[int, ...]:
    """Rows of small and large chunks on that device: 2 MB a row, at most a quarter of its memory in all."""
    if device.platform == "cpu":
        return _CPU
    limit = (device.memory_stats() or {}).get("bytes_limit", 16 << 30)
    fit = 1 << (max(int(limit // 4 // _ROW_BYTES), 1).bit_length() - 1)
    return _OTHER[:1] + tuple(size for size in _OTHER[1:] if size <= fit)


def drop(
    job: Drop, devices: Sequence[Device] | None = None, rows_a_chunk: tuple[int, ...] | None = None
) -> Rollout:
    """See `Drop`; rows of one batch don't touch each other.

    Args:
      job: any objects, in any order.
      devices: all local ones by default.
      rows_a_chunk: sizes on one device, ascending, instead of `chunk_rows`.

    Returns:
      steps + 1 states a row.
    """
    out = empty(len(job.index), job.steps + 1)
    devices = tuple(devices or jax.local_devices())
    sizes = rows_a_chunk or chunk_rows(devices[0])
    spheres = np.asarray(job.p_obj_spheres, np.float32)
    fine = np.asarray(np.isfinite(spheres).all(axis=(1, 2)))
    radius = tuple(float(r) for r in job.sphere_radius)
    run = _drop(radius, job.params, job.mass, job.steps, devices[0].platform)
    failure = np.array(["" if ok else "a hand sphere is not at a finite place" for ok in fine], dtype=object)

    def work(chunk: _Chunk, device: Device) -> Seen:
        return run(*chunk.given(device), jax.device_put(spheres[chunk.rows], device))

    targets = out.p_world_com, out.q_world_obj, out.contact, out.depth
    for chunk, seen in _dealt(work, job.objects, job.index, np.flatnonzero(fine), sizes, devices):
        for target, got in zip(targets, seen, strict=True):
            target[chunk.rows[: chunk.real]] = got[: chunk.real]
    failure[fine] = faults(out, MAX_TRAVEL)[fine]
    return blanked(out, failure)


def hold(
    job: Hold, devices: Sequence[Device] | None = None, rows_a_chunk: tuple[int, ...] | None = None
) -> tuple[Rollout, ...]:
    """See `Hold`.

    Args:
      job: any objects, in any order.
      devices: all local ones by default.
      rows_a_chunk: sizes on one device, ascending, instead of `chunk_rows`.

    Returns:
      A rollout for each force; rows that an earlier force made fail are left out, with a reason.
    """
    devices = tuple(devices or jax.local_devices())
    sizes = rows_a_chunk or chunk_rows(devices[0])
    physics = hand_physics(job.hand, job.params, job.mass)
    assert physics.scene is not None
    n, scene, model = len(job.index), physics.scene, physics.scene.model
    pose = np.asarray(job.hand_pose, np.float32)
    targets = np.asarray(job.waypoints, np.float32)
    fine = np.asarray(np.isfinite(pose).all(axis=(1, 2)) & np.isfinite(targets).all(axis=(1, 2)))
    failure = np.array(["" if ok else "hand pose or joints are not finite" for ok in fine], dtype=object)
    advance = _advance(job.hand, job.params, job.mass, devices[0].platform)
    ctrl = scene.targets(job.waypoints).astype(np.float32)
    qpos = scene.qpos(job.hand, np.nan_to_num(targets[:, 0].astype(np.float64))).astype(np.float32)
    start = stack_bodies(job.objects, len(job.objects))
    qpos[:, -7:-4], qpos[:, -4:] = start.com[job.index], start.axes[job.index]
    state = State(qpos, *(np.zeros((n, model.nv), np.float32) for _ in range(2)))
    # Every force acts on every row at once: trial k n + row is the k-th force on that row, and what the last
    # ones that creep leave idle is shared by all forces.
    force_of, row_of = np.divmod(np.arange(len(job.forces) * n), n)
    push, index = np.asarray(job.forces, np.float32)[force_of], job.index[row_of]

    def go(trials: np.ndarray, state: State, a: int, b: int, force: np.ndarray, stairs: int, each: int):
        """(new states, what is seen) of these trials; the others' are as they were, and NaN."""
        end = State(*(x.copy() for x in state))
        count = len(state.qpos)
        seen = Seen(
            np.full((count, 3), np.nan, np.float32), np.full((count, 4), np.nan, np.float32),
            np.zeros(count, bool), np.full(count, np.nan, np.float32),
        )  # fmt: skip

        def work(chunk: _Chunk, device: Device) -> tuple[State, Seen]:
            rows = row_of[chunk.rows]
            part = State(*(x[chunk.rows] for x in state))
            by_row = pose[rows, a], pose[rows, b], part, ctrl[rows, a], ctrl[rows, b], force[chunk.rows]
            given = *by_row, np.int32(stairs), np.int32(each)
            return advance(*chunk.given(device), *jax.device_put(given, device))

        for chunk, got in _dealt(work, job.objects, index, trials, sizes, devices):
            for target, x in zip((*end, *seen), (*got[0], *got[1]), strict=True):
                target[chunk.rows[: chunk.real]] = x[: chunk.real]
        return end, seen

    rows = np.flatnonzero(fine)
    nothing = np.zeros((n, 3), np.float32)
    _, first = go(rows, state, 0, 0, nothing, 1, 0)
    for w in range(job.waypoints.shape[1] - 1):
        state, _ = go(rows, state, w, w + 1, nothing, *job.ramp)
    last = job.waypoints.shape[1] - 1
    now, held = State(*(x[row_of] for x in state)), np.flatnonzero(fine[row_of])
    out, reason = empty(len(row_of), job.checks + 1), failure[row_of]
    _write(out, 0, Seen(*(x[row_of] for x in first)), held)
    failed_at = np.full(n, len(job.forces))  # the first force that a row fails under; later ones are left out
    for check in range(job.checks):
        now, seen = go(held, now, last, last, push, 1, job.check_steps)
        _write(out, check + 1, seen, held)
        so_far = out.take(held, [0, check + 1])
        reason[held] = faults(so_far, MAX_FLIGHT, check + 1)
        lost = (reason[held] != "") | so_far.beyond(job.max_move, job.max_turn)[:, 1]
        np.minimum.at(failed_at, row_of[held[lost]], force_of[held[lost]])
        held = held[~lost]
        held = held[force_of[held] < failed_at[row_of[held]]]
        if job.until_decided and check + 1 < job.checks:
            held = held[~settle(job, out, held, check + 1)]
    reason[fine[row_of] & (force_of > failed_at[row_of])] = SKIPPED
    of_force = np.arange(len(row_of)).reshape(len(job.forces), n)
    return tuple(blanked(out.take(trials), reason[trials]) for trials in of_force)


def faults(out: Rollout, most: float, state: int | None = None) -> np.ndarray:
    """A reason for each row whose numbers mean nothing, else ""; `state` is what its last state is called."""
    with np.errstate(invalid="ignore"):
        far = out.move() > most
    fine = np.isfinite(out.p_world_com).all(axis=2) & np.isfinite(out.q_world_obj).all(axis=2)
    lost = np.logical_not(fine)
    reason = np.full(len(far), "", dtype=object)
    bad = lost | far
    for row in np.flatnonzero(bad.any(axis=1)):
        at = int(bad[row].argmax())
        by = at if state is None else state
        reason[row] = (
            f"the simulation became unstable by state {by}"
            if lost[row, at]
            else f"the object burst away: over {most} m by state {by}"
        )
    return reason


def _write(out: Rollout, at: int, seen: Seen, rows: np.ndarray) -> None:
    for target, got in zip((out.p_world_com, out.q_world_obj, out.contact, out.depth), seen, strict=True):
        target[rows, at] = got[rows]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Rows that a device simulates at a time.

    Attributes:
      rows: of the job; those after the first `real` fill the shape.
      objects: of these rows, at most `OBJECTS`.
      index: which of them each row has.
    """

    rows: Int[np.ndarray, " rows"]
    real: int
    objects: tuple
    index: Int[np.ndarray, " rows"]

    def given(self, device: Device) -> tuple[Bodies, Array]:
        """What every call begins with, on that device."""
        return _bodies(self.objects, device), jax.device_put(self.index, device)


def _dealt(
    work: Callable[[_Chunk, Device], Any],
    objects: tuple,
    index: np.ndarray,
    rows: np.ndarray,
    sizes: tuple[int, ...],
    devices: tuple[Device, ...],
) -> Iterator[tuple[_Chunk, Any]]:
    """Every chunk with what its device made of it; of each device's two threads one waits for it and one
    brings the next."""
    chunks = list(_chunks(objects, index, rows, sizes, len(devices)))
    with ThreadPoolExecutor(2 * len(devices)) as pool:
        yield from zip(
            chunks, pool.map(lambda *x: jax.device_get(work(*x)), chunks, cycle(devices)), strict=True
        )


def _chunks(
    objects: tuple, index: np.ndarray, rows: np.ndarray, sizes: tuple[int, ...], devices: int
) -> Iterator[_Chunk]:
    """Chunks of these rows, none larger than a device's share; padded by their first row."""
    if len(np.unique(index[rows])) > OBJECTS:
        rows = rows[np.argsort(index[rows], kind="stable")]
    used = index[rows]
    begin, share = 0, -(-len(rows) // devices)
    while begin < len(rows):
        size = _size(sizes, min(share, len(rows) - begin))
        end = min(begin + size, len(rows))
        names = np.unique(used[begin:end])
        if len(names) > OBJECTS:  # rows are sorted then
            end = begin + int(np.searchsorted(used[begin:end], names[OBJECTS]))
            names = names[:OBJECTS]
        real = end - begin
        part = np.concatenate([rows[begin:end], np.full(size - real, rows[begin])])
        place = np.searchsorted(names, index[part]).astype(np.int32)
        yield _Chunk(part, real, tuple(objects[i] for i in names), place)
        begin = end


def _size(sizes: tuple[int, ...], left: int) -> int:
    """The smallest size that holds so many rows, or a smaller one where half of that would be idle."""
    enough = [k for k, size in enumerate(sizes) if size >= left]
    k = enough[0] if enough else len(sizes) - 1
    while k and sizes[k] >= 2 * left and left > sizes[k - 1]:
        k -= 1
    return sizes[k]


@lru_cache(maxsize=8)
def _bodies(objects: tuple, device: Device) -> Bodies:
    return jax.device_put(stack_bodies(objects, OBJECTS), device)


@lru_cache(maxsize=8)
def _drop(
    radius: tuple[float, ...], params: SceneParams, mass: float, steps: int, platform: str
) -> Callable[..., Seen]:
    physics = fixed_physics(radius, params, mass)

    def one(bodies: Bodies, index: Int[Array, ""], spheres: Float[Array, "spheres 3"]) -> Seen:
        own: Bodies = jax.tree.map(lambda x: x[index], bodies)
        spheres = spheres - own.com[None]
        model = physics.with_object(physics.model, own)

        def step(state: State, _: None) -> tuple[State, Seen]:
            data, seen = physics.forward(model, _loaded(physics, state), own, spheres)
            return _moved(model, data), seen

        zero = jnp.zeros(6, jnp.float32)
        start = State(jnp.concatenate([zero[:3], own.axes]), zero, zero)
        _, seen = jax.lax.scan(step, start, None, length=steps + 1)
        return seen._replace(com=seen.com + own.com[None])

    return _compiled(jax.vmap(one, in_axes=(None, 0, 0)), platform)


@lru_cache(maxsize=8)
def _advance(hand: HandModel, params: SceneParams, mass: float, platform: str) -> Callable[..., Any]:
    physics = hand_physics(hand, params, mass)

    def one(
        bodies: Bodies, index: Int[Array, ""], at: Float[Array, "7"], to: Float[Array, "7"], state: State,
        a: Float[Array, " ctrl"], b: Float[Array, " ctrl"], force: Float[Array, "3"],
        stairs: Int[Array, ""], each: Int[Array, ""],
    ) -> tuple[State, Seen]:  # fmt: skip
        own: Bodies = jax.tree.map(lambda x: x[index], bodies)
        model = physics.with_object(physics.model, own)

        def loaded(state: State, share: Float[Array, ""] | float) -> tuple[Any, Any]:
            """(model, data) with the base on its way; MJX moves a mocap body without its children."""
            base = at + share * (to - at)
            turn = base[3:] / jnp.linalg.norm(base[3:])
            placed = model.replace(
                body_pos=model.body_pos.at[1].set(base[:3]), body_quat=model.body_quat.at[1].set(turn)
            )
            data = _loaded(physics, state).replace(mocap_pos=base[None, :3], mocap_quat=turn[None])
            return placed, data

        def step(i: Int[Array, ""], state: State) -> State:
            stair = (i // each + 1).astype(jnp.float32) / stairs.astype(jnp.float32)
            placed, data = loaded(state, stair)
            data = data.replace(ctrl=a + stair * (b - a), qfrc_applied=data.qfrc_applied.at[-6:-3].set(force))
            return _moved(placed, physics.forward(placed, data, own, None)[0])

        state = jax.lax.fori_loop(0, stairs * each, step, state)
        seen, _ = physics.look(import_mjx().kinematics(*loaded(state, 1.0)), own, None)
        return state, seen

    axes = (None, 0, 0, 0, 0, 0, 0, 0, None, None)
    return _compiled(jax.vmap(one, in_axes=axes), platform)


def _loaded(physics: Physics, state: State) -> Any:
    return physics.data.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warm)


def _moved(model: Any, data: Any) -> State:
    after = import_mjx().euler(model, data)
    return State(after.qpos, after.qvel, after.qacc_warmstart)


def _compiled(f: Callable, platform: str) -> Callable:
    # choosing the fastest way of a hundred small products takes XLA minutes and gains nothing here
    options = None if platform == "cpu" else {"xla_gpu_autotune_level": 0}
    return jax.jit(traced(f), compiler_options=options)
