"""Weights, schedule and switches of refinement (paper IV-A)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TERMS = ("cont_func", "cont_unf", "cmap", "pen", "spen", "fc", "pip")

Ablation = Literal["none", "contact", "initial", "refine"]


@dataclass(frozen=True)
class RefineConfig:
    """The paper's weights and schedule; all of it is data, so nothing recompiles.

    Attributes:
      weights: lambda_1..lambda_7 of eq. 8 by term.
      steps: Adam iterations.
      learning_rate, decay, decay_every: 0.005 x 0.98 every 10.
      jitter_position, jitter_angle, jitter_joints: standard deviations of the starts around G'
        (metres, radians, radians); start 0 is G' itself.
      jitter_opening: the fingers but not the thumb start opened by a share of theta' drawn from 0 to this.
      drift_weight: what `RefinedGrasps.score` adds to the energy for each unit of drift from G'.
      skin_tolerance: depth that soft skin gives way before E_pen counts, metres.
      ablation: "contact" (whole object is target), "initial" (random poses), "refine" (starts returned).
    """

    weights: dict[str, float] = field(
        default_factory=lambda: dict(zip(TERMS, (60.0, 30.0, 50.0, 20.0, 1.0, 1.0, 1.0), strict=True))
    )
    steps: int = 600
    learning_rate: float = 0.005
    decay: float = 0.98
    decay_every: int = 10
    jitter_position: float = 0.012
    jitter_angle: float = 0.2
    jitter_joints: float = 0.1
    jitter_opening: float = 0.5
    drift_weight: float = 0.5
    skin_tolerance: float = 0.0
    ablation: Ablation = "none"
