"""03. Refine many objects in one call and one compilation: the batch engine without choice or simulation.

    python examples/03_many_objects_in_one_call.py

Rows are spread over all devices there are; what goes wrong with one task is a status of its rows.
"""

from __future__ import annotations

import zdg_jax as zdg

WANTED = (("ycb:025_mug", "hand it over"), ("ycb:013_apple", "lift it"), ("zoo:hammer/0", "hammer a nail"))


def main(num: int = 64, steps: int = 600) -> list[zdg.Grasps]:
    zdg.setup()  # keep compiled functions between runs; `synthesize` and the commands do it themselves
    hand, reasoner = zdg.load_hand("human16"), zdg.make_reasoner("offline")
    tasks = []
    for name, sentence in WANTED:
        obj = zdg.load_object(name)
        tasks.append(zdg.Task(obj, zdg.reason(obj, hand, sentence, reasoner).grasp, num=num, seed=0))

    refined = zdg.refine_many(hand, tasks, config=zdg.RefineConfig(steps=steps))
    for (name, sentence), grasps in zip(WANTED, refined, strict=True):
        start, end = grasps["init_energy_total"].mean(), grasps["energy_total"].mean()
        print(f"{name}, {sentence}: {grasps.ok.sum()}/{len(grasps)} ok, mean E {start:.1f} -> {end:.1f}")

    # best first by score; `zdg.select` closes and tests them in simulation, which is what `synthesize` keeps
    print("best of the mug:", refined[0].best(1).hand_pose.round(3))
    return refined


if __name__ == "__main__":
    main()
