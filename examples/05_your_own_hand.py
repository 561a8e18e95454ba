"""05. Your own hand: from a MJCF or URDF to a card, its faults and pictures; here a claw of three fingers.

    python examples/05_your_own_hand.py

On a terminal the same is `zdg hand new claw.xml`; docs/add-a-hand.md mends what the first card gets wrong.
"""

from __future__ import annotations

from pathlib import Path

import zdg_jax as zdg
from zdg_jax.pipelines.hand import new_hand

LINK = """<body name="{f}_{k}" pos="{pos}" euler="{turn}">
  <joint name="{f}_{k}" axis="{axis}" range="0 1.5"/>
  <geom type="capsule" fromto="0 0 0 0.04 0 0" size="0.008" mass="0.02"/>{child}</body>"""
FINGERS = {  # where it leaves the palm, how it is turned there, the axis it bends about
    "thumb": ("0.02 0 0.004", "0 -1.05 0", "0 1 0"),
    "index": ("0.09 -0.025 0", "0 0 0", "0 -1 0"),
    "middle": ("0.09 0.025 0", "0 0 0", "0 -1 0"),
}


def claw() -> str:
    """A palm of a box and three fingers of two capsules each."""
    fingers = ""
    for name, (root, turn, axis) in FINGERS.items():
        tip = LINK.format(f=name, k=1, pos="0.04 0 0", turn="0 0 0", axis=axis, child="")
        fingers += LINK.format(f=name, k=0, pos=root, turn=turn, axis=axis, child=tip)
    palm = '<geom type="box" size="0.05 0.045 0.01" pos="0.045 0 -0.01" mass="0.2"/>'
    return (
        '<mujoco model="claw"><compiler angle="radian" eulerseq="XYZ"/>'
        f'<worldbody><body name="palm">{palm}{fingers}</body></worldbody></mujoco>'
    )


def main(out: str = "out/example05") -> list[str]:
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "claw.xml").write_text(claw())
    card, faults = new_hand(str(folder / "claw.xml"), name="claw", out=str(folder / "claw"))
    hand = zdg.load_hand(str(card))
    print(f"{hand.name}: {len(hand.active_names)} joints, grasp types {', '.join(hand.grasp_types)}")
    print("\n".join(faults) or "no fault found", f"\nlook at {card.with_name('hand.png')}, then:")
    print(f'zdg synth ycb:013_apple "lift it" --hand {card}')
    return faults


if __name__ == "__main__":
    main()
