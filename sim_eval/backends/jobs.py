"""What a protocol asks of a backend: objects, hands and a course of events, not how to simulate them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim_eval.scene import SceneParams
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel

# What every backend returns.
MAX_TRAVEL = 1.0  # metres: more than this in a `Drop` is a burst, not a fall
MAX_FLIGHT = 100.0  # metres: the same for a `Hold`, where an object that slips is pushed away for seconds
SKIPPED = "left out: it had failed before"
#: `decided` looks from this check on.
FEWEST_CHECKS = 3
#: What comes to rest moves at most so many times as far as between the checks before; what is less than this
#: much more is rounding, metres and radians.
_GROWTH, _ROUNDING = 1.25, 1e-5
#: It may go on so many times as fast and stays within this share of the limits.
_RUN, _WITHIN = 3.0, 0.9
#: At its present pace it goes on by at most so much, metres and radians: a contact that creeps further may
#: come to an edge.
_CREEP = 0.002, np.deg2rad(3.0)


@dataclass(frozen=True)
class Rollout:
    """The object's way through a simulation, one row a grasp.

    After a `Drop` state t is that after t steps; after one force of a `Hold` state 0 is the beginning, before
    the hand closes, and the others are the checks; what follows the first check that failed is NaN.

    Attributes:
      p_world_com: centre of mass, metres.
      q_world_obj: orientation, wxyz.
      contact: hand and object touch in that state.
      depth: deepest overlap of a hand sphere and a convex piece, metres, 0 without contact.
      failure: "" or why the row's numbers mean nothing (they are NaN then).
    """

    p_world_com: Float[np.ndarray, "n states 3"]
    q_world_obj: Float[np.ndarray, "n states 4"]
    contact: Bool[np.ndarray, "n states"]
    depth: Float[np.ndarray, "n states"]
    failure: tuple[str, ...]

    def take(self, rows: Int[np.ndarray, " rows"], states: slice | list[int] = slice(None)) -> Rollout:
        """These states of these rows, without reasons."""
        com, quat, contact, depth = (
            values[rows][:, states]
            for values in (self.p_world_com, self.q_world_obj, self.contact, self.depth)
        )
        return Rollout(com, quat, contact, depth, ("",) * len(rows))

    def move(self) -> Float[np.ndarray, "n states"]:
        """Way of the centre of mass from state 0, metres."""
        return np.linalg.norm(self.p_world_com - self.p_world_com[:, :1], axis=-1)

    def beyond(self, move: float, turn: float) -> Bool[np.ndarray, "n states"]:
        """Moved or turned further than that; false where nothing is known."""
        with np.errstate(invalid="ignore"):
            return (self.move() > move) | (self.turn() > turn)

    def turn(self) -> Float[np.ndarray, "n states"]:
        """Angle from the orientation of state 0, radians: 2 acos |q_0 . q_t|."""
        q = self.q_world_obj / np.linalg.norm(self.q_world_obj, axis=-1, keepdims=True)
        return 2.0 * np.arccos(np.minimum(np.abs(np.sum(q * q[:, :1], axis=-1)), 1.0))


def empty(n: int, states: int) -> Rollout:
    """Rows of NaN and False, to be filled."""
    return Rollout(
        np.full((n, states, 3), np.nan), np.full((n, states, 4), np.nan), np.zeros((n, states), bool),
        np.full((n, states), np.nan), ("",) * n,
    )  # fmt: skip


def blanked(out: Rollout, reason: np.ndarray) -> Rollout:
    """The rollout with these reasons; rows that have one are NaN and touch nothing."""
    bad = np.array([bool(why) for why in reason], bool)
    out.p_world_com[bad], out.q_world_obj[bad], out.contact[bad], out.depth[bad] = (
        np.nan,
        np.nan,
        False,
        np.nan,
    )
    return Rollout(
        out.p_world_com, out.q_world_obj, out.contact, out.depth, tuple(str(why) for why in reason)
    )


@dataclass(frozen=True)
class Drop:
    """Let go of objects among spheres that never move.

    Attributes:
      objects: all objects of the batch.
      index: which object each row has.
      sphere_radius: of the hand, metres.
      p_obj_spheres: sphere centres in the frame of the object at release, metres.
      mass: of every object, kg.
      params: physics.
      steps: of the time step.
    """

    objects: tuple[SimObject, ...]
    index: Int[np.ndarray, " n"]
    sphere_radius: Float[np.ndarray, " spheres"]
    p_obj_spheres: Float[np.ndarray, "n spheres 3"]
    mass: float
    params: SceneParams
    steps: int


@dataclass(frozen=True)
class Hold:
    """Close an actuated hand around objects, then push them.

    Joint targets go from each waypoint to the next in `ramp[0]` equal stairs of `ramp[1]` steps; then each
    force acts on the centre of mass, from the same closed state, for `checks` x `check_steps` steps.

    Attributes:
      hand: its base is moved, it does not give way.
      objects, index, mass, params: as for `Drop`.
      hand_pose: xyz (metres) and wxyz of link 0 at each waypoint, in the frame of the object at the
        beginning; it goes with the joint targets, quaternions by the straight way.
      waypoints: joint targets, radians; the hand starts at the first, at rest.
      ramp: (stairs, steps a stair).
      forces: newtons, world frame.
      checks, check_steps: the state is looked at `checks` times for each force, every `check_steps` steps.
      max_move, max_turn: metres and radians; a row that was further off at any check is left out of the
        forces that follow.
      until_decided: C and MJX leave a force once the object rests so well that it can't get that far
        (`decided`); the checks that are spared repeat the last.
    """

    hand: HandModel
    objects: tuple[SimObject, ...]
    index: Int[np.ndarray, " n"]
    hand_pose: Float[np.ndarray, "n waypoints 7"]
    waypoints: Float[np.ndarray, "n waypoints active"]
    mass: float
    params: SceneParams
    ramp: tuple[int, int]
    forces: Float[np.ndarray, "forces 3"]
    checks: int
    check_steps: int
    max_move: float
    max_turn: float
    until_decided: bool = False

    @property
    def steps(self) -> int:
        """Time steps of a row that no force makes fail."""
        closing = (self.waypoints.shape[1] - 1) * self.ramp[0] * self.ramp[1]
        return closing + len(self.forces) * self.checks * self.check_steps


def decided(job: Hold, out: Rollout, state: int) -> Bool[np.ndarray, " n"]:
    """Whether the object comes to rest: it goes no faster, is not near the limits, and hardly goes on.

    Of its way and of its turn, v_k what check k added and r the checks left:

      v_k <= 1.25 v_(k-1) + 1e-5,   d + 3 v_k r <= 0.9 limit,   v_k r <= 2 mm or 3 degrees.

    docs/simulation.md has what that spares and how often it errs.

    Args:
      job: checks and limits.
      out: one force's rollout up to `state` at least.
      state: the last check's.
    """
    if state < FEWEST_CHECKS:
        return np.zeros(len(out.contact), bool)
    rests = np.ones(len(out.contact), bool)
    left = job.checks - state
    for between, x, limit, creep in (
        (_way, out.p_world_com, job.max_move, _CREEP[0]),
        (_turn, out.q_world_obj, job.max_turn, _CREEP[1]),
    ):
        last = between(x[:, state - 1], x[:, state])
        rests &= last <= _GROWTH * between(x[:, state - 2], x[:, state - 1]) + _ROUNDING
        rests &= between(x[:, 0], x[:, state]) + _RUN * left * last <= _WITHIN * limit
        rests &= left * last <= creep
    return rests


def settle(job: Hold, out: Rollout, rows: Int[np.ndarray, " rows"], state: int) -> Bool[np.ndarray, " rows"]:
    """Which of these rows are decided at that state; their later states are as it was."""
    still = decided(job, out.take(rows), state)
    for values in (out.p_world_com, out.q_world_obj, out.contact, out.depth):
        values[rows[still], state + 1 :] = values[rows[still], state, None]
    return still


def _way(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(b - a, axis=-1)


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2.0 * np.arccos(np.minimum(1.0, np.abs(np.sum(a * b, axis=-1))))
