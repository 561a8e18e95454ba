"""Pictures of a hand for whoever writes its card: zero pose with frames and pads, and its grasp types."""

from __future__ import annotations

from functools import partial

import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image

from zdg_jax.hands.kinematics import posed_in_palm
from zdg_jax.hands.model import HandModel
from zdg_jax.reasoning.pictures import hand_colors
from zdg_jax.render import sheets
from zdg_jax.render.cameras import look
from zdg_jax.render.raycast import render
from zdg_jax.render.surface import TARGET, Surface, join

#: x (D_finger), y and z (D_palm).
AXES = ((0.86, 0.16, 0.14), (0.18, 0.62, 0.22), (0.12, 0.32, 0.86))


def hand_sheet(hand: HandModel, *, size: int = 320) -> Image.Image:
    """Zero pose with palm frame and pads, then every grasp type, each from palm, thumb's side and above.

    Arrows: D_finger red, y green, D_palm blue; pads are blue dots with their normals.

    Args:
      hand: any hand.
      size: side of each picture, pixels.
    """
    poses = {"zero pose: D_finger red, D_palm blue": hand.open_joints}
    poses |= {name: kind.joints for name, kind in hand.grasp_types.items()}
    cards = []
    for name, joints in poses.items():
        strip = sheets.row(list(_views(hand, joints, size)), gap=3)
        cards.append(sheets.captioned(strip, (f"{hand.name}: {name}",), text_size=size / 18))
    return sheets.grid(cards, 2, gap=14)


def _views(hand: HandModel, joints: Float[np.ndarray, " active"], size: int):
    """The palm frame is drawn as x to the right, y towards the thumb's other side, z to the viewer."""

    place = partial(posed_in_palm, hand, joints)
    skin = place("skin")
    surfaces = [Surface.from_arrays(skin, hand.skin_faces, hand_colors(hand), smooth=True)]
    surfaces += [
        _arrow(np.zeros(3), axis * 0.06, 0.0016, rgb) for axis, rgb in zip(np.eye(3), AXES, strict=True)
    ]
    for p, n in zip(place("pad"), place("pad_normal"), strict=True):
        surfaces += [_arrow(p, n * 0.02, 0.001, TARGET), _dot(p, 0.003, TARGET)]
    scene, _ = join(surfaces)
    thumb = np.sign(skin[hand.skin_finger == hand.thumb, 1].mean()) or -1.0
    for front, up in (((0.25, 0.2 * thumb, 1.0), (1.0, 0.0, 0.0)), ((0.15, thumb, 0.45), (1.0, 0.0, 0.0)),
                      ((1.0, 0.35 * thumb, 0.75), (0.0, 0.0, 1.0))):  # fmt: skip
        camera = look(skin, np.array(front), size=size, margin=0.1, up=up)
        yield Image.fromarray(render(scene, camera).rgb)


def _arrow(start: np.ndarray, along: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    shaft = trimesh.creation.cylinder(radius, segment=[start, start + along], sections=12)
    tip = trimesh.creation.cone(2.4 * radius, 5 * radius, sections=12)
    tip.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], along))
    tip.apply_translation(start + along)
    whole, _ = join([Surface.of(shaft, rgb), Surface.of(tip, rgb)])
    return whole


def _dot(center: np.ndarray, radius: float, rgb: tuple[float, float, float]) -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    ball.apply_translation(center)
    return Surface.of(ball, rgb)
