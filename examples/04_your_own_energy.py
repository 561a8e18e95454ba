"""04. Your own energy term in eq. 8: one function of what its group measured, one `register`.

    python examples/04_your_own_energy.py

Both the XLA and the GPU path follow, the gradient too; docs/gradient.md lists the groups and what they give.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

import zdg_jax as zdg
from zdg_jax.refine import Term, register
from zdg_jax.refine.energies import Joints, unregister


def straight(at: Joints) -> Float[Array, ""]:
    """E = sum_j q_j^2 over the active joints: fingers like to be straight."""
    return jnp.sum(at.mask * at.angle**2)


def main(num: int = 32, steps: int = 300, weight: float = 1000.0) -> tuple[float, float]:
    zdg.setup()
    obj, hand = zdg.load_object("ycb:013_apple"), zdg.load_hand("human16")
    grasp = zdg.reason(obj, hand, "lift it", zdg.make_reasoner("offline")).grasp
    term = Term("straight", "straight fingers", 0.0, joints=straight)  # by default it weighs nothing ...
    register(term)
    try:
        bends = []
        for strength in (0.0, weight):  # ... and here it does
            config = zdg.RefineConfig(steps=steps)
            config.weights["straight"] = strength
            (grasps,) = zdg.refine_many(hand, [zdg.Task(obj, grasp, num=num)], config=config)
            bends.append(float(grasps["energy.straight"].mean()))
            print(f"weight {strength:g}: sum of squared angles {bends[-1]:.2f} rad^2 in the mean")
    finally:
        unregister(term.name)
    return bends[0], bends[1]


if __name__ == "__main__":
    main()
