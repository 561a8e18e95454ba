"""Contact sheet of the kept grasps, each from three sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from zdg_jax.render import tiles
from zdg_jax.render.cameras import look
from zdg_jax.render.palette import SKIN
from zdg_jax.render.raycast import render
from zdg_jax.render.surface import Surface

_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class GraspPicture:
    """One grasp to be drawn, in the object's frame.

    Attributes:
      vertices: the hand's skin, metres.
      d_finger, d_palm: x and z axes of the palm frame.
      d_thumb: unit vector across the palm towards the thumb's side.
      title: one line, e.g. "#1  kept".
      caption: lines of metrics.
    """

    vertices: Float[np.ndarray, "vertices 3"]
    d_finger: Float[np.ndarray, "3"]
    d_palm: Float[np.ndarray, "3"]
    d_thumb: Float[np.ndarray, "3"]
    title: str
    caption: tuple[str, ...] = ()


def viewpoints(
    grasp: GraspPicture,
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Directions to three cameras: thumb side, fingertip side, and 45 degrees above the hand's back.

    The first shows thumb and fingers close around the object, the second how fingers wrap it, the
    third hand and object as a person standing by would see them.
    """
    thumb = grasp.d_thumb - 0.35 * grasp.d_palm + 0.25 * _UP
    wrap = 0.9 * grasp.d_palm + 0.75 * grasp.d_finger + 0.3 * grasp.d_thumb + 0.2 * _UP
    back = -grasp.d_palm + 0.4 * grasp.d_thumb
    level = np.array([back[0], 0.0, back[2]])
    if np.linalg.norm(level) < 0.5:  # palm down: stand where the fingers point; palm up: at the wrist
        ahead = -np.sign(grasp.d_palm[1]) * grasp.d_finger + 0.4 * grasp.d_thumb
        level = np.array([ahead[0], 0.0, ahead[2]])
    above = level / np.linalg.norm(level) + _UP
    return thumb, wrap, above


def grasp_views(
    obj: Surface,
    grasp: GraspPicture,
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
) -> Image.Image:
    """One grasp without a word: two close views of the hand and one of hand and whole object."""
    hand = Surface.from_arrays(grasp.vertices, hand_faces, hand_rgb, smooth=True)
    everything = np.concatenate([obj.vertices, grasp.vertices])
    pictures = []
    for front, points in zip(viewpoints(grasp), (grasp.vertices, grasp.vertices, everything), strict=True):
        margin = 0.06 if points is everything else 0.16
        camera = look(points, front, size=size, margin=margin)
        pictures.append(Image.fromarray(render([obj, hand], camera).rgb))
    return tiles.row(pictures, gap=3)


def grasp_card(
    obj: Surface,
    grasp: GraspPicture,
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
) -> Image.Image:
    """`grasp_views` with the grasp's title and caption below."""
    views = grasp_views(obj, grasp, hand_faces, hand_rgb=hand_rgb, size=size)
    return tiles.captioned(views, (grasp.title, *grasp.caption), text_size=size / 14)


def grasp_sheet(
    obj: Surface,
    grasps: Sequence[GraspPicture],
    hand_faces: Int[np.ndarray, "faces 3"],
    *,
    hand_rgb: Sequence[float] | Float[np.ndarray, "n 3"] = SKIN,
    size: int = 256,
    columns: int = 2,
) -> Image.Image:
    """`grasps.png`: a card for every grasp.

    Args:
      obj: the object, its target part tinted by the caller (`palette.tinted`).
      grasps: what to draw, best first.
      hand_faces: triangles of the skin.
      hand_rgb: one colour, or one a vertex or face.
      size: side of each picture, pixels.
      columns: cards a row.

    Raises:
      ValueError: if there is nothing to draw.
    """
    if not grasps:
        raise ValueError("got no grasps; expected at least one to draw")
    cards = [grasp_card(obj, g, hand_faces, hand_rgb=hand_rgb, size=size) for g in grasps]
    height = max(card.height for card in cards)
    even = []
    for card in cards:
        tile = Image.new("RGB", (card.width, height), (255, 255, 255))
        tile.paste(card, (0, 0))
        even.append(tile)
    return tiles.grid(even, columns, gap=16)
