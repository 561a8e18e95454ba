"""What a protocol asks of a backend: objects, hands and a course of events, not how to simulate them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim_eval.scene import SceneParams
from sim_eval.simobject import SimObject
from zdg_jax.hands.model import HandModel


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
      until_decided: C MuJoCo may leave a force once the object rests so well that it can't get that far
        (`c.decided`); the checks that it spares repeat the last.
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
