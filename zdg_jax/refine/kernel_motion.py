"""J^T, Adam and forward kinematics of a whole batch as one Pallas (Triton) kernel: one lane a grasp.

A step of the optimiser is then two launches: this one and `kernel.push`. The code is unrolled over links and
hinges while it is traced, with everything constant about the hand folded in.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu
from jaxtyping import Array, Float

from zdg_jax._ptx import fma, fused, sine_cosine
from zdg_jax.hands.model import HandModel
from zdg_jax.refine.objective import POSITION_UNIT

#: Grasps a program: one warp.
LANES = 32
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # optax.scale_by_adam's

Number = Array | float
Row = list[Number]


class Motion(NamedTuple):
    """Where a batch of b grasps stands between two steps.

    Attributes:
      state: rows of position (3), quaternion (4) and joints (n), then Adam's first moments of all of them,
        then its second moments.
      frame: R by rows and p of every link, for `kernel.push_frames`.
      hinge: axis and anchor of every hinge.
    """

    state: Float[Array, "rows b"]
    frame: Float[Array, "b 12 links"]
    hinge: Float[Array, "joints6 b"]


def move(
    hand: HandModel,
    seeds: int,
    motion: Motion,
    wrench: Float[Array, "b 6 links"],
    limit_weight: Float[Array, " tasks"],
    step: Float[Array, "4"],
    interpret: bool = False,
) -> Motion:
    """One step of Adam: x -= rate m^ / (sqrt(v^) + eps), then the links of the new pose.

    Args:
      hand: static.
      seeds: grasps a task.
      motion: before the step.
      wrench: force and moment on every link, from `kernel.push_frames`.
      limit_weight: lambda_7 of every task.
      step: learning rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t), and 1, or 0 to stand still.
      interpret: run the kernel's steps as plain XLA, on any device.

    Raises:
      ValueError: a batch that is no multiple of LANES.
    """
    count = motion.state.shape[1]
    if count % LANES:
        raise ValueError(f"got {count} grasps; expected a multiple of {LANES}; pad the batch")
    return Motion(
        *pl.pallas_call(
            partial(_program, hand, seeds, not interpret),
            grid=(count // LANES,),
            out_shape=tuple(jax.ShapeDtypeStruct(x.shape, jnp.float32) for x in motion),
            input_output_aliases={0: 0, 2: 2},
            compiler_params=plgpu.CompilerParams(num_warps=1, num_stages=1),
            interpret=interpret,
            name="move",
        )(motion.state, wrench, motion.hinge, limit_weight, step)
    )


def _program(
    hand: HandModel, seeds: int, cuda: bool,
    state_ref, wrench_ref, hinge_ref, limit_ref, step_ref, new_ref, frame_ref, new_hinge_ref,
) -> None:  # fmt: skip
    with fused() if cuda else nullcontext():
        grasp = pl.program_id(0) * LANES + jnp.arange(LANES)
        size = 7 + len(hand.active_names)
        x = [state_ref[k, grasp] for k in range(size)]
        sound = _all_finite(x)
        slope = _slope(hand, x, wrench_ref, hinge_ref, limit_ref[grasp // seeds], grasp)
        rate, first, second, live = (step_ref[k] for k in range(4))
        new = []
        for k, (value, g) in enumerate(zip(x, slope, strict=True)):
            g = jnp.where(sound, g, jnp.nan)
            old_m, old_v = state_ref[size + k, grasp], state_ref[2 * size + k, grasp]
            m = fma(old_m, BETA1, (1 - BETA1) * g)
            v = fma(old_v, BETA2, (1 - BETA2) * g * g)
            new.append(value - (live * rate) * (m * first) / (jnp.sqrt(v * second) + EPSILON))
            new_ref[k, grasp] = new[-1]
            new_ref[size + k, grasp] = jnp.where(live > 0.0, m, old_m)
            new_ref[2 * size + k, grasp] = jnp.where(live > 0.0, v, old_v)
        sound = _all_finite(new)
        _kinematics(
            hand, [jnp.asarray(jnp.where(sound, v, 1.0)) for v in new], frame_ref, new_hinge_ref, grasp
        )


def _slope(hand: HandModel, x: list[Array], wrench_ref, hinge_ref, limit: Array, grasp: Array) -> list[Array]:
    """dE/d(position, quaternion, joints); see `objective.gradient`."""
    links = len(hand.link_names)
    felt = [[wrench_ref[grasp, c, link] for c in range(6)] for link in range(links)]
    for link in range(links - 1, 0, -1):  # children come after their parents
        parent = felt[hand.link_parent[link]]
        felt[hand.link_parent[link]] = [a + b for a, b in zip(parent, felt[link], strict=True)]
    torque: list[Number] = []
    for j, link in enumerate(hand.joint_link):
        axis = [hinge_ref[6 * j + c, grasp] for c in range(3)]
        anchor = [hinge_ref[6 * j + 3 + c, grasp] for c in range(3)]
        force, moment = felt[link][:3], felt[link][3:]
        torque.append(_dot(axis, [m - c for m, c in zip(moment, _cross(anchor, force), strict=True)]))
    force, moment = felt[0][:3], felt[0][3:]
    lever = _cross([POSITION_UNIT * p for p in x[:3]], force)
    a, b, c = (m - n for m, n in zip(moment, lever, strict=True))
    w, i, j, k = x[3:7]
    square = fma(w, w, fma(i, i, fma(j, j, k * k)))
    twice = 2.0 / square  # 2 / |q| for the length, 1 / |q| to make q a unit quaternion
    spin = [
        -_dot([a, b, c], [i, j, k]),
        fma(w, a, b * k - c * j), fma(w, b, c * i - a * k), fma(w, c, a * j - b * i),
    ]  # fmt: skip
    slope = [POSITION_UNIT * f for f in force] + [twice * s for s in spin]
    for n, (low, high) in enumerate(zip(hand.lower, hand.upper, strict=True)):
        q = x[7 + n]
        g = limit * ((q > float(high)).astype(jnp.float32) - (q < float(low)).astype(jnp.float32))
        for share, t in zip(hand.coupling[:, n], torque, strict=True):
            g = _add(g, _times(float(share), t))
        slope.append(g)
    return slope


def _kinematics(hand: HandModel, x: list[Array], frame_ref, hinge_ref, grasp: Array) -> None:
    """Writes every link's pose and every hinge; the product of `kinematics.chain`, component by component."""
    w, i, j, k = x[3:7]
    s = 2.0 / fma(w, w, fma(i, i, fma(j, j, k * k)))
    base: list[Row] = [
        [1.0 - s * fma(j, j, k * k), s * (i * j - w * k), s * (i * k + w * j)],
        [s * (i * j + w * k), 1.0 - s * fma(i, i, k * k), s * (j * k - w * i)],
        [s * (i * k - w * j), s * (j * k + w * i), 1.0 - s * fma(i, i, j * j)],
    ]
    placed: list[tuple[list[Row], Row]] = [(base, [POSITION_UNIT * p for p in x[:3]])]
    rest = _rest_rotations(hand)
    for link in range(len(hand.link_names)):
        if link:
            R, p = placed[hand.link_parent[link]]
            p = _shift(p, R, hand.p_parent_link[link].tolist())
            R = _product(R, rest[link].tolist())
            for joint in np.flatnonzero(hand.joint_link == link):
                R, p = _turn(hand, int(joint), R, p, x[7:], hinge_ref, grasp)
            placed.append((R, p))
        R, p = placed[link]
        for c, value in enumerate([*R[0], *R[1], *R[2], *p]):
            frame_ref[grasp, c, link] = _full(value)
    for link in range(len(hand.link_names), frame_ref.shape[2]):
        for c in range(12):
            frame_ref[grasp, c, link] = _full(0.0)


def _turn(hand: HandModel, joint: int, R: list[Row], p: Row, active: list[Array], hinge_ref, grasp: Array):
    axis, anchor = hand.joint_axis[joint].tolist(), hand.p_link_joint[joint].tolist()
    angle: Number = float(hand.coupling_offset[joint])
    for share, q in zip(hand.coupling[joint], active, strict=True):
        angle = _add(angle, _times(float(share), q))
    world, at = _shift([0.0] * 3, R, axis), _shift(p, R, anchor)
    for c in range(3):
        hinge_ref[6 * joint + c, grasp] = _full(world[c])
        hinge_ref[6 * joint + 3 + c, grasp] = _full(at[c])
    sine, cosine = sine_cosine(_full(angle))
    outer = np.outer(axis, axis)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0.0]])
    turn: list[Row] = []
    for a in range(3):
        turn.append([])
        for b in range(3):
            entry = _add(float(outer[a, b]), _times(float((a == b) - outer[a, b]), cosine))
            turn[a].append(_add(entry, _times(float(cross[a, b]), sine)))
    R = _product(R, turn)
    return R, _shift(at, R, [-c for c in anchor])


@lru_cache(maxsize=16)
def _rest_rotations(hand: HandModel) -> np.ndarray:
    w, x, y, z = hand.q_parent_link.T
    R = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]).transpose(2, 0, 1)  # fmt: skip
    return np.where(np.abs(R - np.round(R)) < 1e-12, np.round(R), R)


def _all_finite(values: list[Array]) -> Array:
    nothing = values[0] - values[0]
    for v in values[1:]:
        nothing = nothing + (v - v)
    return nothing == 0.0


def _full(value: Number) -> Array:
    return jnp.broadcast_to(jnp.asarray(value, jnp.float32), (LANES,))


def _times(a: Number, b: Number) -> Number:
    for x, y in ((a, b), (b, a)):
        if isinstance(x, float):
            if x == 0.0:
                return 0.0
            if x == 1.0:
                return y
            if x == -1.0:
                return -y
    return a * b


def _add(a: Number, b: Number) -> Number:
    if isinstance(a, float) and a == 0.0:
        return b
    if isinstance(b, float) and b == 0.0:
        return a
    return a + b


def _plus(a: Number, b: Number, c: Number) -> Number:
    """a b + c, folded where a or b is 0 or 1."""
    if any(isinstance(x, float) and x in (0.0, 1.0, -1.0) for x in (a, b)) or (
        isinstance(c, float) and c == 0.0
    ):
        return _add(_times(a, b), c)
    return fma(a, b, c)


def _dot(a: list, b: list) -> Number:
    total: Number = 0.0
    for x, y in zip(a, b, strict=True):
        total = _plus(x, y, total)
    return total


def _cross(a: list, b: list) -> list:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _product(R: list[Row], T: list[Row]) -> list[Row]:
    columns = list(zip(*T, strict=True))
    return [[_dot(row, list(c)) for c in columns] for row in R]


def _shift(p: Row, R: list[Row], v: list[float]) -> Row:
    return [_add(p[r], _dot(R[r], v)) for r in range(3)]
