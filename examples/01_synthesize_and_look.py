"""01. A mesh and a sentence in, grasps out: print the best, then look at report.html or `zdg view`.

python examples/01_synthesize_and_look.py        # the first run compiles for a minute, later ones do not
"""

from __future__ import annotations

import zdg_jax as zdg


def main(out: str = "out/example01", hand: str = "shadow", **settings: object) -> zdg.Grasps:
    """Args: settings: every option of `zdg synth` by its name, e.g. `num=32, steps=300`."""
    done = zdg.synthesize("ycb:048_hammer", "hammer a nail", hand=hand, **settings)
    if not len(done.kept):
        raise SystemExit(f"no grasp: {done.status}: {done.reason}")

    best = done.best  # a batch of one: the batch axis always leads
    print(
        f"{len(done.kept)} kept, {int(done.kept['good'].sum())} good; the best is a {best['grasp_type'][0]}"
    )
    print("base in the object frame, xyz (m) wxyz:", best.hand_pose[0].round(3))
    for name, angle in zip(best.joint_names, best.joints[0], strict=True):
        print(f"  {name:<12} {angle:+.2f} rad")

    done.save(out)  # report.html, grasps.parquet, scene.glb, trace.json: what `zdg synth` writes
    print(f"open {out}/report.html, or: zdg view {out}")
    return zdg.Grasps.load(out).kept


if __name__ == "__main__":
    main()
