"""The compiled functions on one device or on several: each has its own tables, slots and starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool

from zdg_jax.errors import UserError
from zdg_jax.hands.model import HandModel
from zdg_jax.objects.sdf.query import Grid
from zdg_jax.refine.batching import Device, stack
from zdg_jax.refine.energies import TERMS, Term
from zdg_jax.refine.gpu.layout import kernel_layout
from zdg_jax.refine.hand_points import layout, place_all
from zdg_jax.refine.optimize import Path, State, compiled, constants_of, measured
from zdg_jax.refine.problem import Problem, Tables, Targets
from zdg_jax.stored import Stored
from zdg_jax.transform import Transform

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
