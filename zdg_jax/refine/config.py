"""Weights, schedule and switches of refinement (paper IV-A)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from zdg_jax.errors import UserError, one_of

#: λ of eq. 8 by name of the term, in the order of the sum (paper IV-A; `post` and `point` are ours);
#: `energies.register` adds to it.
WEIGHTS: dict[str, float] = {
    "cont_func": 60.0,
    "cont_unf": 30.0,
    "cmap": 50.0,
    "pen": 20.0,
    "spen": 1.0,
    "fc": 1.0,
    "pip": 1.0,
    "post": 5.0,
    "point": 300.0,
}
#: Who gives the direction of a step; its length is the schedule's. `optimize.OPTIMIZERS` has them.
Optimizer = Literal["adam", "amsgrad", "nadam", "adabelief", "yogi", "lion", "rmsprop"]
Ablation = Literal["none", "contact", "initial", "refine"]
#: The reasoned grasp and all its neighbours, see `refine.hypotheses`.
MOST_HYPOTHESES = 10
#: The type of each number, and between what it lies.
_RANGES: dict[str, tuple[type[Real], float, float]] = {
    "steps": (Integral, 0, 1_000_000),
    "learning_rate": (Real, 0.0, 1.0),
    "decay": (Real, 0.0, 1.0),
    "decay_every": (Integral, 1, 1_000_000),
    "hypotheses": (Integral, 1, MOST_HYPOTHESES),
    "jitter_position": (Real, 0.0, 1.0),
    "jitter_angle": (Real, 0.0, 2.0 * np.pi),
    "jitter_joints": (Real, 0.0, 2.0 * np.pi),
    "jitter_opening": (Real, 0.0, 1.0),
    "drift_weight": (Real, 0.0, 1e6),
    "skin_tolerance": (Real, 0.0, 0.1),
}


@dataclass(frozen=True)
class RefineConfig:
    """The paper's weights and schedule; numbers are data, so that nothing recompiles for them.

    Attributes:
      weights: λ of eq. 8 by name of the term; for terms without one here, and by default for all, `WEIGHTS`,
        which are the paper's but for `post` and `point`.
      steps: of the optimiser.
      learning_rate, decay, decay_every: 0.005 x 0.98 every 10.
      optimizer: of `Optimizer`; the paper's is "adam".
      early_stop: ((step, share), ...): after `step` steps only that share of a task's starts, the best by
        energy, goes on; the others end there with status "stopped".
      path: "kernel" (CUDA), "xla" (any device), or "auto": the kernel wherever it runs.
      hypotheses: ways to hold that share a task's starts (see `refine.hypotheses`); the paper has 1.
      jitter_position, jitter_angle, jitter_joints: standard deviations of the starts around G'
        (metres, radians, radians); start 0 is G' itself.
      jitter_opening: the fingers but not the thumb start opened by a share of theta' drawn from 0 to this.
      drift_weight: what the column `score` adds to the energy for each unit of `pose_deviation` from G'.
      skin_tolerance: depth that soft skin gives way before E_pen counts, metres.
      ablation: "contact" (whole object is target), "initial" (random turns at the region's centre), "refine"
        (starts returned).

    Raises:
      UserError: an unknown term, optimiser or ablation, a number out of range, or an `early_stop` whose steps
        or shares are out of order or range.
    """

    weights: dict[str, float] = field(default_factory=WEIGHTS.copy)
    steps: int = 600
    learning_rate: float = 0.005
    decay: float = 0.98
    decay_every: int = 10
    optimizer: str = "adam"
    early_stop: tuple[tuple[int, float], ...] = ()
    path: Literal["auto", "xla", "kernel"] = "auto"
    hypotheses: int = 1
    jitter_position: float = 0.012
    jitter_angle: float = 0.2
    jitter_joints: float = 0.1
    jitter_opening: float = 0.5
    drift_weight: float = 0.5
    skin_tolerance: float = 0.0
    ablation: str = "none"

    def __post_init__(self) -> None:
        if unknown := [name for name in self.weights if name not in WEIGHTS]:
            raise UserError(
                f"a weight for {unknown[0]!r}", f"terms {', '.join(WEIGHTS)}", "choose among these"
            )
        for name, (kind, low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= float(value) <= high:
                wanted = f"a {'whole ' * (kind is Integral)}number from {low:g} to {high:g}"
                raise UserError(f"{name} {value!r}", wanted, f"give another {name}")
        for name, value in self.weights.items():
            if not np.isfinite(value):
                raise UserError(f"{value} as the weight of {name}", "a finite number", "give another weight")
        one_of("optimizer", self.optimizer, get_args(Optimizer))
        one_of("ablation", self.ablation, get_args(Ablation))
        steps, shares = [0, *(s for s, _ in self.early_stop), self.steps], [x for _, x in self.early_stop]
        rising = all(a < b for a, b in pairwise(steps))
        falling = all(a >= b for a, b in pairwise(shares))
        if shares and not (rising and falling and all(0.0 < x <= 1.0 for x in shares)):
            raise UserError(
                f"early_stop {self.early_stop}",
                f"(step, share) pairs with steps rising between 0 and {self.steps}, shares falling in (0, 1]",
                "for example ((200, 0.5),)",
            )

    def lambdas(self) -> Float[np.ndarray, " terms"]:
        """λ of eq. 8 in the order of `WEIGHTS`, which is that of `energies.TERMS`."""
        return np.array([self.weights.get(name, weight) for name, weight in WEIGHTS.items()])

    def stages(self) -> list[tuple[int, int]]:
        """First and last step of each stage; between two of them starts end early."""
        if self.ablation == "refine":
            return [(0, 0)]
        steps = [0, *(step for step, _ in self.early_stop), self.steps]
        return list(pairwise(steps))

    def survivors(self, starts: int, stages: int) -> int:
        """How many of a task's starts are left after so many stages that were not the last."""
        share = self.early_stop[stages - 1][1] if stages else 1.0
        return max(1, round(share * starts))
