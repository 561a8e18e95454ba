"""A small three-fingered robot of ours as URDF and MJCF, with every kind of coupling, and its card."""

from __future__ import annotations

from pathlib import Path

import yaml

from zdg_jax.hands.io.hand_spec import card_text
from zdg_jax.hands.io.model_files import compile_model
from zdg_jax.hands.propose import first_card

#: Finger, root in the palm, and roll of its bending axis about its length.
ROOTS = {
    "thumb": ((0.025, -0.02, 0.0), "0 -1.05 0"),
    "index": ((0.09, -0.025, 0.0), "0 0 0"),
    "middle": ((0.09, 0.025, 0.0), "0 0 0"),
}


def urdf(mimic: str = "") -> str:
    """Palm of a box, fingers of two capsules each; distal joints follow the proximal ones by <mimic>."""
    out = ['<robot name="claw">', _box("palm", "0.10 0.09 0.02", "0.045 0 -0.01")]
    for f, (root, rpy) in ROOTS.items():
        xyz = " ".join(map(str, root))
        axis = "0 1 0" if f == "thumb" else "0 -1 0"
        for k, (parent, at, turn) in enumerate((("palm", xyz, rpy), (f"{f}_proximal", "0.045 0 0", "0 0 0"))):
            child = f"{f}_{('proximal', 'distal')[k]}"
            out.append(_box(child, "0.045 0.014 0.014", "0.0225 0 0"))
            follow = f'<mimic joint="{f}_0" multiplier="0.8" offset="0.05"/>' if k and f != "thumb" else ""
            out.append(
                f'<joint name="{f}_{k}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
                f'<origin xyz="{at}" rpy="{turn}"/><axis xyz="{axis}"/>'
                f'<limit lower="0" upper="1.5" effort="1" velocity="1"/>{mimic or follow}</joint>'
            )
    return "\n".join([*out, "</robot>"])


def _box(name: str, size: str, at: str) -> str:
    solid = f'<origin xyz="{at}"/><geometry><box size="{size}"/></geometry>'
    inertia = '<inertia ixx="1e-5" iyy="1e-5" izz="1e-5" ixy="0" ixz="0" iyz="0"/>'
    return (
        f'<link name="{name}"><inertial><mass value="0.1"/>{inertia}</inertial>'
        f"<visual>{solid}</visual><collision>{solid}</collision></link>"
    )


MJCF = """
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <worldbody><body name="palm"><geom type="box" size="0.05 0.04 0.01"/>
    <body name="a" pos="0.06 0 0"><joint name="a0" axis="0 -1 0" range="0 1.5"/>
      <geom type="capsule" fromto="0 0 0 0.03 0 0" size="0.007"/>
      <body name="b" pos="0.03 0 0"><joint name="a1" axis="0 -1 0" range="0 1.2"/>
        <geom type="capsule" fromto="0 0 0 0.03 0 0" size="0.007"/>
        <body name="c" pos="0.03 0 0"><joint name="a2" axis="0 -1 0" range="0 0.9"/>
          <geom type="capsule" fromto="0 0 0 0.02 0 0" size="0.006"/></body></body></body>
  </body></worldbody>
  %s
</mujoco>
"""


def write_robot(folder: Path) -> Path:
    """The URDF and its first card, as `zdg hand new` makes it but without grasp types; returns the card."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "claw.urdf"
    model.write_text(urdf())
    card = folder / "card.yaml"
    card.write_text(card_text(first_card(compile_model(model).model, "claw.urdf", "claw"), "test"))
    return card


def edit(card: Path, **changes: object) -> None:
    """Put values into a card; a key with dots reaches inside."""
    values = yaml.safe_load(card.read_text())
    for key, value in changes.items():
        *path, last = key.split("__")
        place = values
        for step in path:
            place = place.setdefault(step, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    card.write_text(yaml.safe_dump(values, sort_keys=False))
