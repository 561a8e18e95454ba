"""What every backend returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Rollout:
    """The object's way through a simulation, one row a grasp; row t is the state after t steps.

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
